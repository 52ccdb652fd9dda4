"""Color losses: mean color, color histogram, and low-pass color.

They preserve the colors of a picture while adversarial training changes its details. Low-pass color: Ignatov et al.
2017, arXiv:1704.02470, section 3.1 (a Gaussian of sigma 3 and 21 pixels), here as a mean absolute difference.
Histograms are soft: each value is shared linearly by its two nearest bins, so that they have a gradient (as in the
histogram loss of Ustinova and Lempitsky 2016, arXiv:1611.00822), and are compared by the earth mover's distance.
"""

import keras
import tensorflow as tf

from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.losses.pixel import mean_absolute_error
from sr_gan_tf.losses.structural import blur


def mean_color(hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
    """Mean over pictures and channels of |mean(hr) - mean(sr)|."""
    return mean_absolute_error(tf.reduce_mean(hr, axis=(1, 2)), tf.reduce_mean(sr, axis=(1, 2)))


def soft_histogram(image: tf.Tensor, bins: int) -> tf.Tensor:
    """Maps (N, H, W, C) to (N, C, bins): the share of each bin, centers 0, 1 / (bins - 1), ..., 1; shares sum to 1.

    A value outside [0, 1] has a share above 1 in the border bin and a negative share in the next, which preserves the
    mean and the gradient.
    """
    batch, channels = tf.shape(image)[0], tf.shape(image)[3]
    place = image * (bins - 1)
    # Clipped again as an integer, because a NaN can become any number, and one out of range would stop the program.
    lower = tf.clip_by_value(tf.cast(tf.floor(tf.clip_by_value(place, 0, bins - 2)), tf.int32), 0, bins - 2)
    upper_share = place - tf.cast(lower, image.dtype)
    # One row of bins per picture and channel: (N, 1, 1, C).
    row = tf.reshape(tf.range(batch * channels) * bins, (batch, 1, 1, channels))
    index, number = tf.reshape(lower + row, [-1]), batch * channels * bins
    counts = tf.math.unsorted_segment_sum(tf.reshape(1 - upper_share, [-1]), index, number)
    counts += tf.math.unsorted_segment_sum(tf.reshape(upper_share, [-1]), index + 1, number)
    pixels = tf.cast(tf.shape(image)[1] * tf.shape(image)[2], image.dtype)
    return tf.reshape(counts, (batch, channels, bins)) / pixels


def color_histogram(hr: tf.Tensor, sr: tf.Tensor, bins: int = 64) -> tf.Tensor:
    """Earth mover's distance between the channels' histograms, averaged over pictures and channels.

    Sum over bins of |CDF(hr) - CDF(sr)| / (bins - 1), in picture units.
    """
    difference = soft_histogram(hr, bins) - soft_histogram(sr, bins)
    return tf.reduce_mean(tf.reduce_sum(tf.abs(tf.cumsum(difference, axis=-1)), axis=-1)) / (bins - 1)


def low_pass_color(hr: tf.Tensor, sr: tf.Tensor, sigma: float = 3.0) -> tf.Tensor:
    """Mean |blur(hr) - blur(sr)| with a Gaussian of `sigma` pixels, cut at 3 sigma or more, mirrored at the border."""
    # The blur is linear: one blur of the difference is enough.
    return tf.reduce_mean(tf.abs(blur(hr - sr, _window(sigma), sigma, mirror=True)))


def _window(sigma: float) -> int:
    return 2 * int(3 * sigma + 1) + 1  # 21 for the paper's 3


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class MeanColor(ImageLoss):
    """Difference of the pictures' mean colors; 0 to 1 for pictures in [0, 1].

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import MeanColor
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> round(float(MeanColor()(hr, sr)), 4)
        0.5
    """

    def compute(self, hr, sr, lr):
        return mean_color(hr, sr)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class ColorHistogram(ImageLoss):
    """Earth mover's distance of the histograms of R, G and B, independent of position; 0 to 1.

    Args:
        bins: number of bins per channel, 2 or more; 64 bins are 4 gray levels apart.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import ColorHistogram
        >>> hr, sr = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> round(float(ColorHistogram()(hr, sr)), 3)
        0.5
    """

    def __init__(self, bins: int = 64):
        if bins < 2:
            raise ValueError(f"bins must be at least 2, found {bins!r}")
        self.bins = bins

    def compute(self, hr, sr, lr):
        return color_histogram(hr, sr, self.bins)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class LowPassColor(ImageLoss):
    """Mean absolute difference of the blurred pictures: color and brightness, not detail; 0 to 1.

    Args:
        sigma: standard deviation of the Gaussian in HR pixels, above 0.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import LowPassColor
        >>> hr, sr = tf.zeros((1, 16, 16, 3)), tf.fill((1, 16, 16, 3), 0.5)
        >>> round(float(LowPassColor()(hr, sr)), 3)
        0.5
    """

    smallest_size_remedy = ", or a smaller sigma"

    def __init__(self, sigma: float = 3.0):
        if not sigma > 0:
            raise ValueError(f"sigma must be above 0 pixels, found {sigma!r}")
        self.sigma = sigma
        self.smallest_size = _window(sigma) // 2 + 1

    def compute(self, hr, sr, lr):
        return low_pass_color(hr, sr, self.sigma)
