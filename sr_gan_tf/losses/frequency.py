"""Frequency losses: the distance of Fourier amplitudes, focused on the largest errors, and the upsampling grid.

Focal frequency loss: Jiang et al. 2021, arXiv:2012.12821, which weights each frequency by its error. It compares
complex spectra, which is a weighted mean squared error. This loss compares amplitudes unless `phase` is set, so that a
texture may shift slightly; the other losses determine its position.

Checkerboard: the pattern that upsampling leaves (Odena et al. 2016, doi:10.23915/distill.00003; Aitken et al. 2017,
arXiv:1707.02937) repeats with the scale, so averaging positions of equal phase isolates it.
"""

import keras
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.base import ImageLoss


def fourier_amplitude(hr: tf.Tensor, sr: tf.Tensor, focus: float = 1.0, phase: bool = False) -> tf.Tensor:
    """Mean over frequencies, channels and pictures of w * d^2, d = | |F(hr)| - |F(sr)| | or |F(hr) - F(sr)| (`phase`).

    F is the unitary transform of each channel; w = (d / max d)^focus, a constant for the gradient, the maximum over
    the channel's frequencies.
    """
    real, fake = _spectrum(hr), _spectrum(sr)  # (N, C, H, W // 2 + 1)
    distance = tf.abs(real - fake) if phase else tf.abs(tf.abs(real) - tf.abs(fake))
    fixed = tf.stop_gradient(distance)
    weight = tf.math.divide_no_nan(fixed, tf.reduce_max(fixed, axis=(2, 3), keepdims=True)) ** focus
    # Half of the spectrum is computed: all columns except the first, and the middle one of an even width, count twice.
    width, half = tf.shape(hr)[2], tf.shape(real)[3]
    column = tf.range(half)
    twice = (column > 0) & ((column < half - 1) | (width % 2 == 1))
    count = tf.where(twice, tf.cast(2, hr.dtype), 1)  # (W // 2 + 1,)
    return tf.reduce_mean(tf.reduce_sum(count * weight * tf.square(distance), axis=3)) / tf.cast(width, hr.dtype)


def checkerboard(hr: tf.Tensor, sr: tf.Tensor, scale: int, window: int) -> tf.Tensor:
    """Mean |p|: p is the mean of d = sr - hr over the positions of one phase in a window, minus that over all phases.

    A phase is (y mod scale, x mod scale). Windows are adjacent and (window // scale) * scale pixels wide; the last ones
    along a side contain fewer pixels.
    """
    phases = tf.nn.space_to_depth(sr - hr, scale)  # (N, H/scale, W/scale, scale^2 * 3), phases first
    means = tf.nn.avg_pool2d(phases, max(1, window // scale), max(1, window // scale), "SAME")
    shape = tf.shape(means)
    pattern = tf.reshape(means, (shape[0], shape[1], shape[2], scale**2, sr.shape[-1]))
    return tf.reduce_mean(tf.abs(pattern - tf.reduce_mean(pattern, axis=3, keepdims=True)))


def _spectrum(image: tf.Tensor) -> tf.Tensor:
    planes = tf.transpose(image, (0, 3, 1, 2))
    pixels = tf.cast(tf.shape(image)[1] * tf.shape(image)[2], image.dtype)
    return tf.signal.rfft2d(planes * tf.math.rsqrt(pixels))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class FourierAmplitude(ImageLoss):
    """Distance of Fourier amplitudes of pictures in [0, 1], from 0; at most the mean squared error of the pictures.

    Args:
        focus: exponent of the weight of a frequency's error, 0 or more (0: equal weights).
        phase: compare the complex spectra, as the focal frequency loss does, instead of amplitudes.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import FourierAmplitude
        >>> hr = tf.random.stateless_uniform((1, 16, 16, 3), seed=(1, 2))
        >>> round(float(FourierAmplitude()(hr, 0.5 * hr)), 4)
        0.0635
    """

    def __init__(self, focus: float = 1.0, phase: bool = False):
        if not focus >= 0:
            raise ValueError(f"focus must be 0 or more, found {focus!r}")
        self.focus = focus
        self.phase = phase

    def compute(self, hr, sr, lr):
        return fourier_amplitude(hr, sr, self.focus, self.phase)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Checkerboard(ImageLoss):
    """Grid pattern with the period of the scale that is in SR but not in HR; 0 to 2 for pictures in [0, 1].

    sr (N, H, W, 3) whose sides are multiples of the scale, lr (N, H/scale, W/scale, 3), which determines the scale.

    Args:
        window: side of the windows over which the pattern is averaged, in HR pixels; smaller ones detect local
            grids, but also more of the picture's texture.

    Raises:
        InputError: there are no LR pictures.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Checkerboard
        >>> lr, hr = tf.fill((1, 8, 8, 3), 0.5), tf.fill((1, 16, 16, 3), 0.5)
        >>> grid = tf.tile(tf.constant([[0.1, -0.1], [-0.1, 0.1]]), (8, 8))[None, :, :, None]
        >>> round(float(Checkerboard(window=8)(hr, hr + grid, lr)), 3)
        0.1
    """

    def __init__(self, window: int = 24):
        if window < 1:
            raise ValueError(f"window must be 1 or more, found {window!r}")
        self.window = window

    def compute(self, hr, sr, lr):
        if lr is None:
            raise InputError("Checkerboard takes the scale from the LR picture, but none was given; pass lr")
        scale = hr.shape[1] // lr.shape[1]
        if scale < 2:
            raise InputError(
                "Checkerboard measures the grid that upsampling leaves; it has no effect at scale 1; remove it"
            )
        return checkerboard(hr, sr, scale, self.window)
