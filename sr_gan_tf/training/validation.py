"""Validates on whole pictures; writes picture strips, the chart and the best generator; stops early."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from sr_gan_tf.config import Experiment, chosen_by
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import replacing
from sr_gan_tf.metrics import expand, measure, metric_named, score
from sr_gan_tf.networks import Generator
from sr_gan_tf.resampling import imresize
from sr_gan_tf.training.callbacks import RunCallback
from sr_gan_tf.training.chart import draw_chart
from sr_gan_tf.training.session import Session
from sr_gan_tf.training.tensorboard import show_scalars, showing

LABELS = ("LR", "bicubic", "SR", "HR")


class Validate(RunCallback):
    """Measures the averaged generator on whole pictures, keeps the best or the last one, and writes strips.

    Args:
        session: the run.
        pictures: items with `pair()`, which reads (lr, hr), uint8.
        enlarge: maps (generator, uint8 LR picture) to a uint8 picture, in tiles, so that any size fits in memory.
    """

    def __init__(self, session: Session, pictures: Sequence, enlarge: Callable[[Generator, np.ndarray], np.ndarray]):
        super().__init__(session)
        self.pictures = pictures
        self.enlarge = enlarge

    def on_train_batch_end(self, batch, logs=None):
        session, experiment = self.session, self.session.experiment
        if self.pictures and session.due(experiment.validate_every):
            generator = self.model.shown()
            names = validation_metric_names(experiment)
            found = means(self.pictures, lambda lr: self.enlarge(generator, lr), experiment.scale, names)
            values = {f"validation/{name}": value for name, value in found.items()}
            session.history.add(session.step, session.stage.name, values)
            session.history.write()
            show_scalars(self.session, values)
            session.figures = values
            self._keep(found)
        if not self.pictures and session.due(experiment.validate_every):
            save_generator(self.model.shown(), session.folder.last)
        if self.pictures and session.due(experiment.sample_every or experiment.validate_every):
            self._strips()

    def _keep(self, figures: dict[str, float]) -> None:
        """Writes best.keras if this is the stage's best generator, or last.keras in a stage that keeps its last."""
        session = self.session
        metric = chosen_by(session.experiment, session.stage)
        if metric is None:
            save_generator(self.model.shown(), session.folder.last)
            return
        reached = score(metric, figures[metric])
        if session.best is None or reached > session.best:
            session.best, session.since_best = reached, 0
            save_generator(self.model.shown(), session.folder.best)
            session.folder.last.unlink(missing_ok=True)  # from an earlier stage
            return
        session.since_best += 1
        patience = session.experiment.patience
        session.stage_ended |= patience is not None and session.since_best >= patience

    def _strips(self) -> None:
        strips, generator = [], self.model.shown()
        for picture in list(self.pictures)[:4]:
            lr, hr = picture.pair()
            lr, hr = center(lr, hr, self.session.experiment.scale)
            strips.append(strip(lr, self.enlarge(generator, lr), hr, self.session.experiment.scale))
        width = max(image.shape[1] for image in strips)
        rows = [np.pad(image, ((0, 4), (0, width - image.shape[1]), (0, 0))) for image in strips]
        with replacing(self.session.folder.samples / f"step_{self.session.step:09d}.png") as temporary:
            Image.fromarray(np.concatenate(rows)).save(temporary)
        if self.session.writer is not None:
            with showing(self.session):
                for index, image in enumerate(strips):
                    tf.summary.image(f"validation_pictures/{index}", image[None])


class Chart(RunCallback):
    """Draws the chart every `validate_every` steps and at the stage's end; runs after the logs.

    If these steps follow each other quickly, some charts are skipped: each takes about a second.

    Args:
        session: the run.
        seconds: minimum time between two charts of a stage.
    """

    def __init__(self, session: Session, seconds: float = 20.0):
        super().__init__(session)
        self.seconds = seconds
        self.last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        session = self.session
        due = session.due(session.experiment.validate_every) and time.monotonic() - self.last >= self.seconds
        if due or session.at_stage_end:
            draw_chart(session.history, session.folder.chart, session.experiment.name)
            self.last = time.monotonic()


def validation_metric_names(experiment: Experiment) -> list[str]:
    """The validation metrics; always includes those that select a stage's best generator.

    Raises:
        InputError: a metric does not exist.
    """
    choosing = {chosen_by(experiment, stage): None for stage in experiment.stages}
    names = []
    for place, listed in (
        ("validation_metrics", expand(experiment.validation_metrics)),
        ("best_metric", [name for name in choosing if name is not None]),
    ):
        for name in listed:
            try:
                metric_named(name)
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
            names.append(name)
    return list(dict.fromkeys(names))


def load_metrics(experiment: Experiment) -> None:
    """Loads the networks of the metrics, so that a missing one is reported before the first step.

    Raises:
        InputError: a metric does not exist, or its requirements are not installed.
    """
    for name in validation_metric_names(experiment):
        load = metric_named(name).load
        try:
            if load is not None:
                load()
        except InputError as error:
            raise type(error)(f"metric {name!r}: {error}") from error


def means(pictures: Sequence, enlarge: Callable, scale: int, names: Sequence[str]) -> dict[str, float]:
    """Means of the named metrics over pictures (items with `pair()`), with `scale` pixels cropped from each border.

    A metric excludes pictures for which it is undefined (NaN, e.g. for small pictures).
    """
    rows = []
    for picture in pictures:
        lr, hr = picture.pair()
        rows.append(list(measure(hr, enlarge(lr), scale, names).values()))
    columns = zip(names, np.array(rows, np.float64).T, strict=True)
    return {name: float(np.nanmean(column)) if not np.isnan(column).all() else math.nan for name, column in columns}


def center(lr: np.ndarray, hr: np.ndarray, scale: int, side: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """The center of a pair, about `side` HR pixels per side, in color."""
    hr = np.repeat(hr[..., None], 3, axis=2) if hr.ndim == 2 else hr
    side = max(side // scale, 1)
    top, left = (max(length - side, 0) // 2 for length in lr.shape[:2])
    lr = lr[top : top + side, left : left + side]
    height, width = lr.shape[:2]
    return lr, hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]


def strip(lr: np.ndarray, sr: np.ndarray, hr: np.ndarray, scale: int) -> np.ndarray:
    """LR (nearest) | bicubic | SR | HR side by side with labels, uint8 (H, 4 W, 3); magnifies small pictures."""
    nearest = lr.repeat(scale, axis=0).repeat(scale, axis=1)
    row = np.concatenate([nearest, imresize(lr, scale=scale), sr, hr], axis=1)
    zoom = max(1, math.ceil(160 / hr.shape[0]))
    image = Image.fromarray(row.repeat(zoom, axis=0).repeat(zoom, axis=1))
    draw = ImageDraw.Draw(image)
    for index, label in enumerate(LABELS):
        place = (index * image.width // len(LABELS) + 4, 2)
        draw.text(place, label, fill="white", stroke_width=2, stroke_fill="black")
    return np.asarray(image)


def save_generator(generator: Generator, path) -> None:
    """Writes the generator in its inference form as a `.keras` file, atomically."""
    with replacing(path) as temporary:
        generator.for_inference().save(temporary)
