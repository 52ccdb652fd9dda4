"""The discriminator's logits, and their reuse within a step."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The discriminator's outputs in the generator loss.

    Args:
        fake: its logits for sr.
        real: its logits for hr; None if the generator loss does not use them.
        state: its running statistics after an update.
    """

    fake: tf.Tensor
    real: tf.Tensor | None
    state: list[tuple[keras.Variable, tf.Tensor]]


def as_list(outputs) -> list:
    """The outputs of a model that may have one or several."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def with_next_state(model, pictures, state: Sequence[tf.Tensor] = ()) -> tuple[list, Sequence[tf.Tensor]]:
    """All outputs in training, and the state after an update from `state` or from the model's own, which it keeps."""
    outputs, state = model.stateless_call(
        [variable.value for variable in model.trainable_variables],
        state or [variable.value for variable in model.non_trainable_variables],
        pictures,
        training=True,
    )
    return as_list(outputs), state


def float32(logits):
    """Casts the logits to float32, for any precision policy."""
    return tf.cast(logits, tf.float32)


def share(answers):
    """The share of a boolean tensor that is true."""
    return tf.reduce_mean(tf.cast(answers, tf.float32))


def per_picture(logits):
    """(N, ...) logits to their means per picture."""
    return tf.reduce_mean(tf.reshape(logits, (tf.shape(logits)[0], -1)), axis=1)  # (N,)
