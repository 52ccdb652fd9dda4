"""Consistency: the reduced SR picture must equal the LR picture.

Haris et al. 2018 (back-projection), arXiv:1803.02735; Bahat and Michaeli 2020, arXiv:1910.01269. The downscaling is
MATLAB's antialiased bicubic, so the loss is meaningful only where the data's degradation is the same. LR files
are rounded to gray levels: a perfect SR picture stays 0.001 (a quarter of a level) away from them.
"""

import keras
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.losses.pixel import mean_absolute_error
from sr_gan_tf.resampling import imresize_tf


def reduced_to(lr: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """The bicubic reduction of (N, H, W, C) to the height and width of `lr`."""
    size = lr.shape[1:3] if lr.shape[1:3].is_fully_defined() else tf.shape(lr)[1:3]
    return imresize_tf(image, size=size)


def consistency(lr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean |lr - downscaled(sr)|."""
    return mean_absolute_error(lr, reduced_to(lr, sr))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Consistency(ImageLoss):
    """Mean absolute difference of the LR picture and the SR picture's bicubic reduction; 0 to 1 in [0, 1].

    sr (N, H, W, 3), lr (N, H/scale, W/scale, 3); HR is ignored.

    Raises:
        InputError: no LR pictures were given.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Consistency
        >>> lr, hr = tf.fill((1, 8, 8, 3), 0.5), tf.fill((1, 16, 16, 3), 0.5)
        >>> round(float(Consistency()(hr, hr + 0.1, lr)), 3)
        0.1
    """

    def compute(self, hr, sr, lr):
        if lr is None:
            raise InputError("Consistency compares with the LR picture, but none was given; pass lr")
        return consistency(lr, sr)
