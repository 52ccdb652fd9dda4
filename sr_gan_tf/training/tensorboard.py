"""What TensorBoard shows of a run: scalars, the experiment as text, hyper-parameters, the graph.

TensorFlow keeps a tensor for every Python number it was ever given, which amounts to a leak in a long run, so steps and
values are passed as NumPy's.
"""

import contextlib
import dataclasses

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from sr_gan_tf.config import to_json
from sr_gan_tf.networks import Generator
from sr_gan_tf.runs.folder import flatten
from sr_gan_tf.training.session import Session


def _writer(session: Session) -> tf.summary.SummaryWriter:
    if session.writer is None:
        raise RuntimeError("the session has no writer; open one before its first step")
    return session.writer


def showing(session: Session) -> contextlib.AbstractContextManager:
    """Sends what `tf.summary` writes inside to the run's TensorBoard, at the current step."""
    return _writer(session).as_default(step=np.asarray(session.step, np.int64))


def show_scalars(session: Session, values: dict[str, float]) -> None:
    """Writes values by name to TensorBoard and to the other trackers, where the run has any."""
    for tracker in session.trackers:
        tracker.log(session.step, values)
    if session.writer is None:
        return
    with showing(session):
        for name, value in values.items():
            tf.summary.scalar(name, np.float32(value))
    session.writer.flush()


def describe(session: Session, generator: Generator) -> None:
    """The experiment as text and the generator's graph, at the run's start."""
    side = session.patch_size // session.experiment.scale
    graph = tf.function(generator).get_concrete_function(tf.TensorSpec((1, side, side, 3), tf.float32)).graph
    with showing(session):
        tf.summary.text("experiment", f"```json\n{to_json(session.experiment)}```")
        tf.summary.graph(graph)
    _writer(session).flush()


def finish(session: Session) -> None:
    """Hyper-parameters with the run's last metrics, for the HParams page."""
    values = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in flatten(dataclasses.asdict(session.experiment)).items()
        if key not in ("note", "name")
    }
    history = session.history
    last = {name: history.last(name) for name in history.columns() if name.startswith("validation/")}
    with showing(session):
        hparams.hparams(values, trial_id=session.experiment.name)
    show_scalars(session, {name.replace("validation/", "final/", 1): value for name, value in last.items()})
    _writer(session).close()
