"""LDL, locally discriminative learning: an L1 loss weighted by a map of the generator's artifacts.

Liang, Zeng, Zhang 2022, arXiv:2203.09195. Artifacts show as a large local variance of the residual |hr - sr|. The
weight of a pixel is the variance of the residual in a 7 x 7 window times the fifth root of its variance in the whole
picture. `refined` sets it to 0 where the output of the averaged generator is worse, because the generator improves
there.

In the published code, the gradient passes through the weights, although that of the fifth root is infinite at SR = HR;
here the weights are constants for the gradient. `refined` costs an additional pass of the generator per step and is off
by default; the published training uses it.
"""

import keras
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.base import ImageLoss

WINDOW = 7


def artifact_map(hr: tf.Tensor, sr: tf.Tensor, average: tf.Tensor | None = None) -> tf.Tensor:
    """(N, H, W, 1) weights from 0, without a gradient.

    Args:
        hr: real pictures, (N, H, W, 3) in [0, 1].
        sr: generated pictures of the same shape.
        average: outputs of the averaged generator; where they are worse, the weight is 0.
    """
    residual = _residual(hr, sr)
    height, width = tf.shape(residual)[1], tf.shape(residual)[2]
    weight = _variance(residual, tf.cast(height * width, hr.dtype)) ** 0.2 * _local_variance(residual)
    if average is not None:
        weight = tf.where(residual < _residual(hr, average), tf.zeros_like(weight), weight)
    return tf.stop_gradient(weight)


def _residual(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(hr - sr), axis=-1, keepdims=True)


def _variance(x: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The unbiased variance of each picture, (N, 1, 1, 1)."""
    return tf.math.reduce_variance(x, axis=(1, 2, 3), keepdims=True) * count / (count - 1)


def _local_variance(x: tf.Tensor) -> tf.Tensor:
    """The unbiased variance in each mirrored 7 x 7 window, (N, H, W, 1)."""
    border = [WINDOW // 2] * 2
    # Around the picture's mean, so that the difference of squares loses less.
    x = tf.pad(x - tf.reduce_mean(x, axis=(1, 2), keepdims=True), [[0, 0], border, border, [0, 0]], mode="REFLECT")
    mean, squares = (tf.nn.avg_pool2d(one, WINDOW, 1, "VALID") for one in (x, tf.square(x)))
    count = WINDOW**2
    return tf.nn.relu(squares - tf.square(mean)) * (count / (count - 1))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class LDL(ImageLoss):
    """Mean |w (hr - sr)|, w the map of artifacts; pictures (N, H, W, 3) in [0, 1].

    Args:
        refined: set w to 0 where the output of the averaged generator is further from HR, as published; needs an
            additional pass of the generator per step.

    Raises:
        InputError: `refined` is set, but there are no outputs of the averaged generator.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import LDL
        >>> hr = tf.random.stateless_uniform((1, 32, 32, 3), seed=(1, 2))
        >>> round(float(LDL()(hr, 0.5 * hr)), 3)
        0.01
    """

    smallest_size = WINDOW // 2 + 1  # mirroring needs that many pixels

    def __init__(self, refined: bool = False):
        self.refined = refined
        self.needs_average = refined

    def compute(self, hr, sr, lr, average=None):
        if self.refined and average is None:
            raise InputError(
                "LDL with refined compares with the averaged generator's picture, but none was given; pass average"
            )
        return tf.reduce_mean(artifact_map(hr, sr, average) * tf.abs(hr - sr))
