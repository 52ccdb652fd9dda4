"""Compares a run with bicubic: the row at step 0, and the lines at the end."""

import math
from collections.abc import Callable, Sequence

from sr_gan_tf.config import Stage, chosen_by
from sr_gan_tf.errors import InputError
from sr_gan_tf.metrics import metric_named, score
from sr_gan_tf.resampling import imresize
from sr_gan_tf.training.advice import warn_of_other_pictures
from sr_gan_tf.training.session import Session
from sr_gan_tf.training.validation import means, validation_metric_names


def bicubic_row(session: Session, pictures: Sequence, keys: list[str]) -> dict[str, float]:
    """Metrics of bicubic, at step 0 of the history.

    If the files have changed since the last checkpoint, measures them again. If the values differ, adds a row at the
    current step, and the best generator is selected anew.

    Args:
        session: the run.
        pictures: the validation pictures.
        keys: their `picture_keys`.

    Raises:
        InputError: the metric that selects the best generator is undefined for all pictures.
    """
    changed = session.validation not in (None, keys)
    session.validation = keys
    if not pictures:
        return {}
    history, scale = session.history, session.experiment.scale
    names = {name: f"validation/bicubic_{name}" for name in validation_metric_names(session.experiment)}
    before = {name: history.last(column) for name, column in names.items()}
    if len(history) and not changed:
        return before
    values = means(pictures, lambda lr: imresize(lr, scale=scale), scale, list(names))
    for best in [chosen_by(session.experiment, stage) for stage in session.experiment.stages]:
        if best is not None and math.isnan(values[best]):
            raise InputError(
                f"best_metric: {best} is not defined for any of the {len(pictures)} validation pictures (too small "
                "for it, or flat); choose another metric, or larger pictures"
            )
    if len(history) and all(f"{values[name]:.6g}" == f"{before[name]:.6g}" for name in names):
        return before
    if changed:
        warn_of_other_pictures("validation", session.step)
        session.best, session.since_best = None, 0
    history.add(session.step, session.stage.name, {names[key]: value for key, value in values.items()})
    history.write()
    return values


def summarize(session: Session, baseline: dict[str, float], say: Callable[[str], None]) -> None:
    """Prints the metrics of bicubic and of each stage's generator, and the location of the results."""
    folder = session.folder
    if baseline:
        say(f"{'bicubic':<20} {_figures(baseline)}")
        for stage in session.experiment.stages:
            figures, which = _kept(session, stage, list(baseline))
            say(f"{stage.name:<20} {_figures(figures)}  ({which})")
    kept = "last" if folder.model == folder.last else "best"
    say(
        f"done: {session.step} steps; {folder.model} is the {kept} generator of the last stage; chart in {folder.chart}"
    )


def _kept(session: Session, stage: Stage, names: list[str]) -> tuple[dict[str, float], str]:
    """The metrics of the generator that a stage keeps, and which generator it is."""
    history, metric = session.history, chosen_by(session.experiment, stage)
    if metric is None:
        steps, _ = history.series(f"validation/{names[0]}", stage.name)
        last = {name: history.last(f"validation/{name}", stage.name) for name in names}
        return last, f"the last generator, step {steps[-1]}" if steps else "not validated"
    steps, values = history.series(f"validation/{metric}", stage.name)
    if not steps:
        return dict.fromkeys(names, math.nan), "not validated"
    best = max(range(len(steps)), key=lambda index: score(metric, values[index]))
    figures = {}
    for name in names:
        measured = dict(zip(*history.series(f"validation/{name}", stage.name), strict=True))
        figures[name] = measured.get(steps[best], math.nan)
    return figures, f"the best by {metric}, step {steps[best]}"


def _figures(values: dict[str, float]) -> str:
    """For example `PSNR-Y 28.42 dB  SSIM-Y 0.8101`; `-` if a metric is undefined."""
    texts = []
    for name, value in values.items():
        metric = metric_named(name)
        unit = " dB" if metric.title.startswith("PSNR") else ""
        texts.append(f"{metric.title} " + ("-" if math.isnan(value) else f"{value:.{metric.digits}f}{unit}"))
    return "  ".join(texts)
