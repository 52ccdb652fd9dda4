"""Keras losses, `loss(y_true, y_pred)`, as content losses."""

from collections.abc import Callable

import keras
import tensorflow as tf

from sr_gan_tf.losses.base import ImageLoss


class KerasContent(ImageLoss):
    """A `keras.losses.Loss` between hr and sr; averages its result.

    Args:
        loss: called with (hr, sr), float32 (N, H, W, 3).
    """

    def __init__(self, loss: keras.losses.Loss):
        self.loss = loss
        self.smallest_size = getattr(loss, "smallest_size", 1)

    def compute(self, hr: tf.Tensor, sr: tf.Tensor, lr: tf.Tensor | None) -> tf.Tensor:
        return value_of(self.loss, hr, sr)


def value_of(loss: Callable, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """The mean of what a Keras loss, or a function (y_true, y_pred), returns for these images, a float32 scalar.

    In a step on several replicas, Keras divides a reduced loss by their number, since its own training sums over them.
    The trainers of this package take means over the replicas, so this is undone.
    """
    value = tf.reduce_mean(tf.cast(loss(hr, sr), tf.float32))
    is_reduced = isinstance(loss, keras.losses.Loss) and loss.reduction not in (None, "none")
    if is_reduced and type(loss).__call__ is keras.losses.Loss.__call__:
        value *= tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, tf.float32)
    return value


def as_image_loss(loss, **given) -> ImageLoss:
    """Converts the result of a user's constructor to a content loss.

    Raises:
        ValueError: it is neither an `ImageLoss` nor a `keras.losses.Loss`.
    """
    if isinstance(loss, keras.losses.Loss):
        return KerasContent(loss)
    if not isinstance(loss, ImageLoss):
        raise ValueError(f"expected an ImageLoss or a keras.losses.Loss, found {type(loss).__name__}")
    return loss
