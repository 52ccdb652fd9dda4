"""Keras losses, `loss(y_true, y_pred)`, as content losses."""

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
        return tf.reduce_mean(tf.cast(self.loss(hr, sr), tf.float32))


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
