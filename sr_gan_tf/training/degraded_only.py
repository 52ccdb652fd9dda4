"""DegradedOnly: a content term for the degraded pictures of a batch alone.

A network for real photographs sees clean crops among the degraded ones (`clean` of `Realistic`), so that it preserves
clean pictures. A perceptual term sharpens both. This wrapper leaves the clean ones to the other terms.
"""

from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.losses.consistency import reduced_to
from sr_gan_tf.registry.parts import register
from sr_gan_tf.training.nested import content_loss_from

# LR pixels at the edge of a crop whose reduction also depends on HR pixels outside of it; they are not compared.
_BORDER = 2


@register
@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class DegradedOnly(ImageLoss):
    """A content loss on those pictures of a batch whose LR picture is not the bicubic reduction of the HR picture.

    For the other pictures, `sr` is replaced by `hr`: they contribute the loss of equal pictures, which is 0 for all
    losses but `TotalVariation`, and no gradient. hr, sr (N, H, W, 3), lr (N, H/scale, W/scale, 3) in [0, 1].

    Args:
        loss: a content loss as in an experiment, `{"class_name": ..., "config": {...}}`.
        tolerance: the largest mean difference, in gray levels of 255, of LR pictures that count as clean. Rounding to
            gray levels alone gives 0.25; JPEG of quality 95 gives more than 1 in most pictures. At least 0.

    Raises:
        InputError: the loss cannot be built, or no LR pictures were given.

    Example:
        `{"class_name": "DegradedOnly", "weight": 0.1, "config": {"loss": {"class_name": "VGGFeatures"}}}`
    """

    def __init__(self, loss: dict, tolerance: float = 0.5):
        if not tolerance >= 0:
            raise InputError(f"tolerance: expected gray levels of 0 or more, found {tolerance!r}")
        self.loss = loss
        self.tolerance = tolerance
        self._loss: Any = content_loss_from(loss, "loss")
        self.smallest_size = getattr(self._loss, "smallest_size", 1)
        self.smallest_size_remedy = getattr(self._loss, "smallest_size_remedy", "")
        self.needs_average = getattr(self._loss, "needs_average", False)

    def attach(self, student: keras.Model) -> None:
        """Passes the generator on to a loss that looks into it."""
        if hasattr(self._loss, "attach"):
            self._loss.attach(student)

    def compute(self, hr, sr, lr, average=None):
        if lr is None:
            raise InputError("DegradedOnly compares with the LR picture, but none was given; pass lr")
        degraded = self.degraded(hr, lr)[:, None, None, None]
        if average is not None:
            average = tf.where(degraded, average, hr)
        return self._loss(hr, tf.where(degraded, sr, hr), lr, average)

    def degraded(self, hr: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        """Whether each LR picture is something else than the HR picture's bicubic reduction, (N,) booleans."""
        difference = tf.abs(lr - reduced_to(lr, hr))
        height, width = tf.unstack(tf.shape(lr)[1:3])
        border = tf.minimum(_BORDER, (tf.minimum(height, width) - 1) // 2)
        inside = difference[:, border : height - border, border : width - border]
        return 255 * tf.reduce_mean(inside, axis=(1, 2, 3)) > self.tolerance
