"""A run's figures beside bicubic's: its row at step 0, and the lines at the end."""

import math
from collections.abc import Callable, Sequence

from sr_gan_tf.errors import InputError
from sr_gan_tf.metrics import metric_named
from sr_gan_tf.resampling import imresize
from sr_gan_tf.training.advice import warn_of_other_pictures
from sr_gan_tf.training.session import Session
from sr_gan_tf.training.validation import means, metrics_of


def bicubic_row(session: Session, pictures: Sequence, keys: list[str]) -> dict[str, float]:
    """Bicubic's own figures, at step 0 of the history.

    Where the files have changed since the last checkpoint they are measured again. If they differ, a row at the present
    step says so, and the best generator is chosen anew.

    Args:
        session: the run.
        pictures: those of the validation.
        keys: what `picture_keys` says of them.

    Raises:
        InputError: the metric that is to choose the best generator is defined for none of the pictures.
    """
    changed = session.validation not in (None, keys)
    session.validation = keys
    if not pictures:
        return {}
    history, scale = session.history, session.experiment.scale
    names = {name: f"validation/bicubic_{name}" for name in metrics_of(session.experiment)}
    before = {name: history.last(column) for name, column in names.items()}
    if len(history) and not changed:
        return before
    values = means(pictures, lambda lr: imresize(lr, scale=scale), scale, list(names))
    best = session.experiment.best_metric
    if math.isnan(values[best]):
        raise InputError(
            f"best_metric: {best} is not defined for any of the {len(pictures)} validation pictures (too small for it, "
            "or flat); choose another metric, or larger pictures"
        )
    if len(history) and all(f"{values[name]:.6g}" == f"{before[name]:.6g}" for name in names):
        return before
    if changed:
        warn_of_other_pictures("validation", session.step)
        session.best, session.since_best = None, 0
    history.add(session.step, session.stage.name, {names[key]: value for key, value in values.items()})
    history.write()
    return values


def summarise(session: Session, baseline: dict[str, float], say: Callable[[str], None]) -> None:
    """Each stage's last figures below bicubic's, and where the results lie."""
    history = session.history
    if baseline:
        say(f"{'bicubic':<20} {_figures(baseline)}")
        for stage in session.experiment.stages:
            last = {name: history.last(f"validation/{name}", stage.name) for name in baseline}
            say(f"{stage.name:<20} {_figures(last)}")
    say(f"done: {session.step} steps; best generator in {session.folder.best}, chart in {session.folder.chart}")


def _figures(values: dict[str, float]) -> str:
    """E.g. `PSNR-Y 28.42 dB  SSIM-Y 0.8101`; `-` where a metric isn't defined."""
    texts = []
    for name, value in values.items():
        metric = metric_named(name)
        unit = " dB" if metric.title.startswith("PSNR") else ""
        texts.append(f"{metric.title} " + ("-" if math.isnan(value) else f"{value:.{metric.digits}f}{unit}"))
    return "  ".join(texts)
