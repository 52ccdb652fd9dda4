"""Pixel losses: mean absolute error, mean squared error and its logarithm, Charbonnier, Huber, and total variation.

Charbonnier: Lai et al. 2017 (LapSRN), arXiv:1704.03915; there the loss of equal pictures is epsilon; here it is 0
(with the same gradient). Total variation: Aly and Dubois 2005, as a sum of absolute differences of neighbors; the
published SRGAN weight of 2e-8 is for a sum over all pixels, here it is a mean. The logarithm of the squared error, as a
loss: Chen et al. 2022 (NAFNet), arXiv:2204.04676, there without a floor.
"""

import keras
import tensorflow as tf

from sr_gan_tf.losses.base import ImageLoss


def mean_absolute_error(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean |hr - sr|."""
    return tf.reduce_mean(tf.abs(hr - sr))


def mean_squared_error(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean (hr - sr)^2."""
    return tf.reduce_mean(tf.square(hr - sr))


def log_mean_squared_error(hr: tf.Tensor, sr: tf.Tensor, floor: float = 1e-4) -> tf.Tensor:
    """Mean over the batch of ln(1 + MSE / floor), MSE being that of one picture."""
    errors = tf.reduce_mean(tf.square(hr - sr), axis=(1, 2, 3))
    return tf.reduce_mean(tf.math.log1p(errors / floor))


def charbonnier(hr: tf.Tensor, sr: tf.Tensor, epsilon: float = 1e-3) -> tf.Tensor:
    """Mean sqrt((hr - sr)^2 + epsilon^2) - epsilon."""
    squared = tf.square(hr - sr)
    # Rationalized form: exact for small differences, for which sqrt(...) - epsilon cancels.
    return tf.reduce_mean(squared / (tf.sqrt(squared + epsilon**2) + epsilon))


def huber(hr: tf.Tensor, sr: tf.Tensor, delta: float = 0.05) -> tf.Tensor:
    """Mean of d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2); d = hr - sr."""
    distance = tf.abs(hr - sr)
    near = tf.minimum(distance, delta)
    return tf.reduce_mean(near * (distance - near / 2))


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Mean |image[y+1, x] - image[y, x]| + mean |image[y, x+1] - image[y, x]|."""
    down = tf.abs(image[:, 1:] - image[:, :-1])
    right = tf.abs(image[:, :, 1:] - image[:, :, :-1])
    return tf.reduce_mean(down) + tf.reduce_mean(right)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class MeanAbsoluteError(ImageLoss):
    """Mean absolute error; 0 to 1 for pictures in [0, 1].

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import MeanAbsoluteError
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> float(MeanAbsoluteError()(hr, sr))
        0.5
    """

    def compute(self, hr, sr, lr):
        return mean_absolute_error(hr, sr)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class MeanSquaredError(ImageLoss):
    """Mean squared error; 0 to 1 for pictures in [0, 1].

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import MeanSquaredError
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> float(MeanSquaredError()(hr, sr))
        0.25
    """

    def compute(self, hr, sr, lr):
        return mean_squared_error(hr, sr)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class LogMeanSquaredError(ImageLoss):
    """Logarithm of the mean squared error per picture, as in the mean PSNR of a test set; 0 for equal pictures.

    An easy patch counts as much as a highly textured one, whose squared error is a hundred times as large.

    Args:
        floor: mean squared error at which it changes from linear to logarithmic, above 0; 1e-4 is a PSNR of 40 dB.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import LogMeanSquaredError
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> round(float(LogMeanSquaredError()(hr, sr)), 3)
        7.824
    """

    def __init__(self, floor: float = 1e-4):
        if not floor > 0:
            raise ValueError(f"floor must be above 0, found {floor!r}")
        self.floor = floor

    def compute(self, hr, sr, lr):
        return log_mean_squared_error(hr, sr, self.floor)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Charbonnier(ImageLoss):
    """Mean absolute error, smoothed at zero; 0 to 1 for pictures in [0, 1].

    Args:
        epsilon: difference below which it is quadratic, in picture units (1/255 is one gray level), above 0.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Charbonnier
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> round(float(Charbonnier()(hr, sr)), 4)
        0.499
    """

    def __init__(self, epsilon: float = 1e-3):
        if not epsilon > 0:
            raise ValueError(f"epsilon must be above 0, found {epsilon!r}")
        self.epsilon = epsilon

    def compute(self, hr, sr, lr):
        return charbonnier(hr, sr, self.epsilon)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Huber(ImageLoss):
    """Quadratic up to `delta`, then linear with slope `delta`; 0 to `delta` for pictures in [0, 1].

    Args:
        delta: difference at which it becomes linear, in picture units (1/255 is one gray level), above 0.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Huber
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> round(float(Huber()(hr, sr)), 4)
        0.0237
    """

    def __init__(self, delta: float = 0.05):
        if not delta > 0:
            raise ValueError(f"delta must be above 0, found {delta!r}")
        self.delta = delta

    def compute(self, hr, sr, lr):
        return huber(hr, sr, self.delta)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class TotalVariation(ImageLoss):
    """Roughness of the SR picture alone; 0 for a flat one, 0 to 2 for pictures in [0, 1].

    It is a regularizer: it is not zero for real photographs.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import TotalVariation
        >>> hr = sr = tf.tile(tf.constant([[0.0, 0.5], [0.0, 0.5]])[None, :, :, None], (1, 1, 1, 3))
        >>> round(float(TotalVariation()(hr, sr)), 4)
        0.5
    """

    smallest_size = 2

    def compute(self, hr, sr, lr):
        return total_variation(sr)
