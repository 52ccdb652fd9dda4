"""HTML fragments of the page: progress, results, errors, a run. All user text is escaped."""

import html
import json
from collections.abc import Sequence

from sr_gan_tf.webapp.shelf import download_address, picture_address
from sr_gan_tf.webapp.workbench import JobProgress, Result


def viewer(pictures: Sequence[tuple[str, str]], mode: str) -> str:
    """Returns the viewer element.

    Args:
        pictures: label and shelf name of each picture.
        mode: "slider" for two pictures, "grid" for any number.
    """
    data = json.dumps([{"label": label, "src": picture_address(token)} for label, token in pictures])
    return f'<sr-viewer mode="{mode}" pictures="{html.escape(data)}"></sr-viewer>'


def progress_bar(progress: JobProgress) -> str:
    """Shows the progress of a job and the remaining time."""
    if progress.finished:
        return ""
    percent = round(100 * progress.share)
    left = "" if progress.left is None else f", about {duration(progress.left)} left"
    name = html.escape(progress.picture) or "Getting ready"
    return (
        f'<div role="status">{name}: {percent}%{left}</div>'
        f'<div class="sr-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="Progress"><i style="width: {percent}%"></i></div>'
    )


def duration(seconds: float) -> str:
    """Formats a duration, e.g. 40 s, 3 min, 2 h 5 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def results(found: Sequence[Result], failed: Sequence[str], canceled: bool, archive: str | None) -> str:
    """Shows all results with sliders and downloads, and the failures.

    Args:
        found: written pictures.
        failed: one line per picture that could not be enlarged.
        canceled: whether the user stopped the work.
        archive: shelf name of a zip file with all results.
    """
    parts = []
    if canceled:
        parts.append('<p role="status">Canceled. Nothing was kept.</p>')
    parts += [error(text) for text in failed]
    if archive is not None and len(found) > 1:
        address = download_address(archive, "enlarged.zip")
        parts.append(f'<p class="sr-all"><a href="{address}" download>Download all {len(found)} as a zip file</a></p>')
    parts += [_result(result) for result in found]
    return "\n".join(parts)


def _result(result: Result) -> str:
    name = html.escape(result.path.name)
    address = html.escape(download_address(result.after, result.path.name))
    size = result.path.stat().st_size / 1e6
    note = f'<p class="sr-note">{html.escape(result.note)}</p>' if result.note else ""
    return (
        f'<section class="sr-result" aria-label="{name}"><h3>{name}</h3>'
        f"{viewer([('before', result.before), ('after', result.after)], 'slider')}{note}"
        f'<p><a href="{address}" download>Download</a> '
        f'<span class="sr-note">{result.size[0]} × {result.size[1]} pixels, {size:.1f} MB</span></p></section>'
    )


def error(text: str) -> str:
    """Shows an error as an alert."""
    return f'<div class="sr-error" role="alert">{html.escape(text)}</div>'


def run(name: str, lines: Sequence[str], pictures: Sequence[tuple[str, str]]) -> str:
    """Shows a training's figures and pictures.

    Args:
        name: of the run.
        lines: text about it.
        pictures: caption and shelf name of each picture.
    """
    told = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    shown = "".join(
        f'<figure><img src="{picture_address(token)}" alt="{html.escape(label)}">'
        f'<figcaption class="sr-note">{html.escape(label)}</figcaption></figure>'
        for label, token in pictures
    )
    return (
        f'<section class="sr-run" aria-label="{html.escape(name)}"><h3>{html.escape(name)}</h3>{told}{shown}</section>'
    )
