"""Writes a run to TensorBoard: curves, the experiment as text, hyperparameters, the graph.

TensorFlow keeps a tensor for every Python number it receives, which is a leak in a long run, so steps and values are
passed as NumPy values.
"""

import contextlib
import dataclasses

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from sr_gan_tf.config import to_json
from sr_gan_tf.errors import InputError
from sr_gan_tf.networks import Generator
from sr_gan_tf.runs.folder import RunFolder, flatten
from sr_gan_tf.training.session import Session

# The settings that experiments usually vary; a table of all forty would be unreadable.
_MAIN_SETTINGS = (
    "generator.class_name",
    "learning_rate",
    "initial_learning_rate",
    "data.batch_size",
    "data.patch_size",
)
# The maximum number of further settings shown where two runs differ; these parts of the experiment come first.
_MOST_DIFFERING = 5
_NEVER = ("note", "name", ".path", "cache_dir")
_FIRST = ("scale", "generator.", "discriminator.", "stages.", "data.")


def _writer(session: Session) -> tf.summary.SummaryWriter:
    if session.writer is None:
        raise RuntimeError("the session has no writer; open one before its first step")
    return session.writer


def showing(session: Session) -> contextlib.AbstractContextManager:
    """Context in which `tf.summary` writes to the run's TensorBoard, at the current step."""
    return _writer(session).as_default(step=np.asarray(session.step, np.int64))


def show_scalars(session: Session, values: dict[str, float]) -> None:
    """Writes values by name to TensorBoard and the other trackers of the run."""
    for tracker in session.trackers:
        tracker.log(session.step, values)
    if session.writer is None:
        return
    with showing(session):
        for name, value in values.items():
            tf.summary.scalar(name, np.float32(value))
    session.writer.flush()


def describe(session: Session, generator: Generator) -> None:
    """Writes the experiment as text and the generator's graph, at the start of the run."""
    side = session.patch_size // session.experiment.scale
    graph = (
        tf.function(generator, autograph=False)
        .get_concrete_function(tf.TensorSpec((1, side, side, 3), tf.float32))
        .graph
    )
    with showing(session):
        tf.summary.text("experiment", f"```json\n{to_json(session.experiment)}```")
        tf.summary.graph(graph)
    _writer(session).flush()


def finish(session: Session) -> None:
    """Writes settings for the HParams page, with the last values of the validation curves."""
    names = [name for name in session.history.columns() if name.startswith("validation/") and "bicubic_" not in name]
    values = _settings(session)
    with showing(session):
        hparams.hparams_config(
            hparams=[hparams.HParam(name) for name in values],
            metrics=[hparams.Metric(name, display_name=name.removeprefix("validation/")) for name in names],
        )
        hparams.hparams(values, trial_id=session.experiment.name)
    _writer(session).close()


def _settings(session: Session) -> dict[str, bool | int | float | str]:
    """Settings for a table of runs: the main ones, and those that differ among the runs in the folder."""
    own = flatten(dataclasses.asdict(session.experiment))
    others = []
    for folder in session.folder.path.resolve().parent.iterdir():
        neighbor = RunFolder(folder)
        if neighbor.experiment_file.is_file() and folder.name != session.folder.path.resolve().name:
            with contextlib.suppress(InputError):  # an experiment of another version
                others.append(flatten(dataclasses.asdict(neighbor.experiment())))
    absent = object()
    differing = {key for key in own for other in others if other.get(key, absent) != own[key]}
    main = {key for key in own if key.endswith(_MAIN_SETTINGS)}
    differing = {key for key in differing - main if not key.endswith(_NEVER)}
    ranked = sorted((key for key in own if key in differing), key=_rank)
    shown = {key: own[key] for key in own if key in {*main, *ranked[:_MOST_DIFFERING]}}
    return {key: value if isinstance(value, (bool, int, float, str)) else str(value) for key, value in shown.items()}


def _rank(key: str) -> int:
    return next((place for place, part in enumerate(_FIRST) if key.startswith(part)), len(_FIRST))
