"""Frequency losses: the distance of Fourier amplitudes, focused on the largest errors, and the upsampling grid.

Focal frequency loss: Jiang et al. 2021, arXiv:2012.12821, which weights each frequency by its error. It compares
complex spectra, which is a weighted mean squared error. This loss compares amplitudes unless `phase` is set, so that a
texture may shift slightly; the other losses determine its position.

Checkerboard: the pattern that upsampling leaves (Odena et al. 2016, doi:10.23915/distill.00003; Aitken et al. 2017,
arXiv:1707.02937) repeats with the scale, so averaging positions of equal phase isolates it.
"""

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.losses.low_pass import radial_frequencies


def fourier_amplitude(hr: tf.Tensor, sr: tf.Tensor, focus: float = 1.0, phase: bool = False) -> tf.Tensor:
    """Mean over frequencies, channels and pictures of w * d^2, d = | |F(hr)| - |F(sr)| | or |F(hr) - F(sr)| (`phase`).

    F is the unitary transform of each channel; w = (d / max d)^focus, a constant for the gradient, the maximum over
    the channel's frequencies.
    """
    real, fake = _spectrum(hr), _spectrum(sr)  # (N, C, H, W // 2 + 1)
    distance = tf.abs(real - fake) if phase else tf.abs(tf.abs(real) - tf.abs(fake))
    fixed = tf.stop_gradient(distance)
    weight = tf.math.divide_no_nan(fixed, tf.reduce_max(fixed, axis=(2, 3), keepdims=True)) ** focus
    count = _counts(hr)
    width = tf.cast(tf.shape(hr)[2], hr.dtype)
    return tf.reduce_mean(tf.reduce_sum(count * weight * tf.square(distance), axis=3)) / width


def band_error(hr: tf.Tensor, sr: tf.Tensor, start: float, end: float, amplitude: bool = False) -> tf.Tensor:
    """Mean of |F(hr) - F(sr)|, or of | |F(hr)| - |F(sr)| | (`amplitude`), over a band of frequencies.

    F is the unitary transform of each channel. The band is a ring: `start` <= r < `end`, r in cycles per pixel.
    """
    radius = radial_frequencies(tf.shape(hr)[1], tf.shape(hr)[2], hr.dtype)  # (H, W // 2 + 1)
    count = _counts(hr) * tf.cast((radius >= start) & (radius < end), hr.dtype)
    real, fake = _spectrum(hr), _spectrum(sr)  # (N, C, H, W // 2 + 1)
    distance = tf.abs(tf.abs(real) - tf.abs(fake)) if amplitude else tf.abs(real - fake)
    return tf.reduce_mean(tf.math.divide_no_nan(tf.reduce_sum(count * distance, axis=(2, 3)), tf.reduce_sum(count)))


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


def _counts(image: tf.Tensor) -> tf.Tensor:
    """How often each column of the half spectrum occurs in the whole one, (W // 2 + 1,)."""
    width = tf.shape(image)[2]
    column = tf.range(width // 2 + 1)
    # All columns except the first, and the middle one of an even width, occur twice.
    twice = (column > 0) & ((column < width // 2) | (width % 2 == 1))
    return tf.where(twice, tf.cast(2, image.dtype), 1)


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
class FrequencyBand(ImageLoss):
    """Mean error of the Fourier coefficients in one band of frequencies; pictures in [0, 1], from 0.

    An adversarial or perceptual loss fills the finest frequencies with patterns whose position no network can know. On
    the band above 0.4 cycles per pixel, this loss leaves them empty and does not affect the coarser texture.

    Args:
        start: lowest frequency of the band in cycles per pixel, 0 or more.
        end: its upper limit, above `start`; the highest frequency of pixels is 0.71, that of diagonal checks.
        amplitude: compare amplitudes instead of coefficients: how much texture, wherever its details are.

    Raises:
        InputError: the pictures are too small to contain a frequency of the band.
        ValueError: an argument is outside the values described above, or no picture has a frequency in the band.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import FrequencyBand
        >>> hr = tf.random.stateless_uniform((1, 32, 32, 3), seed=(1, 2))
        >>> round(float(FrequencyBand(start=0.4)(hr, 0.5 * hr)), 3)
        0.125
    """

    def __init__(self, start: float = 0.4, end: float = 0.71, amplitude: bool = False):
        if not 0 <= start < end:
            raise ValueError(f"expected 0 <= start < end, found start {start!r} and end {end!r}")
        self.start = start
        self.end = end
        self.amplitude = amplitude
        sizes = range(2, 1025)
        self.smallest_size = next((size for size in sizes if self._contained(size) and self._contained(size + 1)), 0)
        if not self.smallest_size:
            raise ValueError(f"pictures of 1024 pixels have no frequency from {start!r} to {end!r}; widen the band")

    def _contained(self, size: int) -> bool:
        """Whether pictures of size x size have a frequency of the band."""
        side = np.arange(size // 2 + 1) / size
        radius = np.hypot(side[:, None], side)
        return bool(np.any((radius >= self.start) & (radius < self.end)))

    def compute(self, hr, sr, lr):
        return band_error(hr, sr, self.start, self.end, self.amplitude)


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
