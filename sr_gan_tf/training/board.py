"""What TensorBoard shows of a run beside the scalars: the experiment as text, hyper-parameters, the graph."""

import dataclasses

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from sr_gan_tf.config import to_json
from sr_gan_tf.networks import Generator
from sr_gan_tf.runs import flatten
from sr_gan_tf.training.session import Session


def describe(session: Session, generator: Generator) -> None:
    """The experiment as text and the generator's graph, at the run's start."""
    side = session.patch_size // session.experiment.scale
    graph = tf.function(generator).get_concrete_function(tf.TensorSpec((1, side, side, 3), tf.float32)).graph
    with session.writer.as_default(step=session.step):
        tf.summary.text("experiment", f"```json\n{to_json(session.experiment)}```")
        tf.summary.graph(graph)
    session.writer.flush()


def finish(session: Session) -> None:
    """Hyper-parameters with the run's last metrics, for the HParams page."""
    values = {
        key: value if isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in flatten(dataclasses.asdict(session.experiment)).items()
        if key not in ("note", "name")
    }
    with session.writer.as_default(step=session.step):
        hparams.hparams(values, trial_id=session.experiment.name)
        for name in session.history.columns():
            if name.startswith("validation/"):
                tf.summary.scalar(f"final/{name.removeprefix('validation/')}", session.history.series(name)[1][-1])
    session.writer.close()
