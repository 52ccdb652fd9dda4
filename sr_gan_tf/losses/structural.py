"""Structural losses: 1 - SSIM, 1 - MS-SSIM, and the mix of MS-SSIM with a blurred mean absolute error.

SSIM: Wang et al. 2004; MS-SSIM: Wang et al. 2003; both with K1 = 0.01, K2 = 0.03, an 11 x 11 Gaussian of sigma 1.5
over the valid region, channel by channel, as tf.image computes them. The mix: Zhao et al. 2017, arXiv:1511.08861, whose
MS-SSIM has five Gaussians at full size instead of five sizes.

Decisions: contrast terms below zero (x compared with 1 - x) are raised to `FLOOR` before a fractional power, whose
value or gradient would not be finite. Zhao's paper does not define the border: here the picture is mirrored, so that
every pixel is compared. Gaussians are truncated at 4 sigma, and at 16 pixels, the published window of 33.
"""

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.losses.base import ImageLoss

C1, C2 = 0.01**2, 0.03**2  # for pictures in [0, 1]
# Exponents of the five scales of MS-SSIM, fine to coarse.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MIX_SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)
FLOOR = 1e-4


def gaussian(size: int, sigma: float) -> np.ndarray:
    """`size` samples of a centered Gaussian with sum 1."""
    x = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-0.5 * (x / sigma) ** 2)
    return kernel / kernel.sum()


def blur(image: tf.Tensor, size: int, sigma: float, mirror: bool = False) -> tf.Tensor:
    """Gaussian blur of (N, H, W, C): (N, H-size+1, W-size+1, C), or of the same size if the border is mirrored."""
    if _matrices_pay(image, size):
        down, across = (_matrix(n, size, sigma, mirror) for n in image.shape[1:3])
        down, across = tf.constant(down, image.dtype), tf.constant(across.T, image.dtype)
        if image.shape[3] == 1:
            # TensorFlow 2.21 crashes when it optimizes products between transpositions of a single channel.
            return tf.matmul(tf.matmul(down, image[..., 0]), across)[..., None]
        planes = tf.transpose(image, (0, 3, 1, 2))  # (N, C, H, W)
        return tf.transpose(tf.matmul(tf.matmul(down, planes), across), (0, 2, 3, 1))
    if mirror:
        border = [size // 2, size // 2]
        image = tf.pad(image, [[0, 0], border, border, [0, 0]], mode="REFLECT")
    taps = gaussian(size, sigma).tolist()
    rows, columns = (tf.shape(image)[axis] - size + 1 for axis in (1, 2))
    image = tf.add_n([tap * image[:, place : place + rows] for place, tap in enumerate(taps)])
    return tf.add_n([tap * image[:, :, place : place + columns] for place, tap in enumerate(taps)])


def _matrices_pay(image: tf.Tensor, size: int) -> bool:
    """Whether to blur by two matrix products, the fastest method for training patches on a CPU.

    Not on a GPU, which rounds the factors of products and convolutions to TensorFloat-32: too coarse for a variance,
    the small difference between a mean square and a squared mean. There, and for large pictures, the blur is a sum of
    shifted pictures, which stays in float32 and which XLA fuses into one kernel.
    """
    sides = image.shape[1:3]
    return sides.is_fully_defined() and max(sides) <= 16 * size and not tf.config.list_physical_devices("GPU")


def _matrix(length: int, size: int, sigma: float, mirror: bool) -> np.ndarray:
    """The blur matrix of a line: (length, length) with mirrored ends, otherwise (length - size + 1, length)."""
    if not mirror:
        places = np.arange(length)[None] - np.arange(length - size + 1)[:, None]
        return np.where((places >= 0) & (places < size), gaussian(size, sigma)[places.clip(0, size - 1)], 0.0)
    matrix = np.zeros((length, length))
    for offset, weight in zip(range(-(size // 2), size // 2 + 1), gaussian(size, sigma), strict=True):
        source = np.abs(np.arange(length) + offset)
        source = np.where(source < length, source, 2 * (length - 1) - source)
        np.add.at(matrix, (np.arange(length), source), weight)
    return matrix


def similarity_maps(hr: tf.Tensor, sr: tf.Tensor, size: int, sigma: float, mirror: bool = False):
    """Luminance and contrast-structure terms at each position and channel; their product is the SSIM map.

    With m the local mean, s^2 the local variance, d = hr - sr:
        luminance (2 m_hr m_sr + C1) / (m_hr^2 + m_sr^2 + C1) = 1 - m_d^2 / (m_hr^2 + m_sr^2 + C1)
        contrast (2 s_hr,sr + C2) / (s_hr^2 + s_sr^2 + C2) = 1 - s_d^2 / (s_hr^2 + s_sr^2 + C2)
    The right-hand forms need one blur less and are exact near 1, where the left-hand forms cancel in float32.
    """
    difference = hr - sr
    images = [hr, sr, hr * hr + sr * sr, difference * difference]
    mean_hr, mean_sr, squares, errors = tf.split(blur(tf.concat(images, axis=-1), size, sigma, mirror), 4, axis=-1)
    mean_squares = mean_hr * mean_hr + mean_sr * mean_sr
    mean_errors = tf.square(mean_hr - mean_sr)
    luminance = 1 - mean_errors / (mean_squares + C1)
    contrast = 1 - (errors - mean_errors) / (squares - mean_squares + C2)
    return luminance, contrast


def ssim(hr: tf.Tensor, sr: tf.Tensor, window: int = 11, sigma: float = 1.5) -> tf.Tensor:
    """Mean SSIM over batch, positions and channels; 1 for equal pictures."""
    luminance, contrast = similarity_maps(hr, sr, window, sigma)
    return tf.reduce_mean(luminance * contrast)


def ms_ssim(hr: tf.Tensor, sr: tf.Tensor, scales: int = 5, window: int = 11, sigma: float = 1.5) -> tf.Tensor:
    """Mean MS-SSIM over batch and channels; 1 for equal pictures.

    product over scales j of mean(contrast_j)^w_j, with the complete SSIM at the last scale; each scale is reduced by 2
    x 2 averages. With fewer than five scales, the weights are divided by their sum.
    """
    weights = np.array(MS_SSIM_WEIGHTS[:scales]) / sum(MS_SSIM_WEIGHTS[:scales])
    product = 1.0
    for scale, weight in enumerate(weights):
        luminance, contrast = similarity_maps(hr, sr, window, sigma)
        last = scale == scales - 1
        term = tf.reduce_mean(luminance * contrast if last else contrast, axis=(1, 2))  # (N, C)
        product *= tf.maximum(term, FLOOR) ** weight
        if not last:
            # 'SAME' averages an odd last row with itself, as tf.image does.
            hr, sr = (tf.nn.avg_pool2d(image, ksize=2, strides=2, padding="SAME") for image in (hr, sr))
    return tf.reduce_mean(product)


def ms_ssim_l1(hr: tf.Tensor, sr: tf.Tensor, alpha: float = 0.1) -> tf.Tensor:
    """Alpha * (1 - MS-SSIM) + (1 - alpha) * mean |hr - sr| blurred by the largest Gaussian.

    MS-SSIM at a position: luminance at sigma 8 times the contrasts at sigmas 0.5, 1, 2, 4 and 8.
    """
    product = 1.0
    for sigma in MIX_SIGMAS:
        luminance, contrast = similarity_maps(hr, sr, _mix_window(sigma), sigma, mirror=True)
        # The product of two negative contrasts would be positive.
        product *= tf.nn.relu(contrast)
    product *= luminance
    error = blur(tf.abs(hr - sr), _mix_window(sigma), sigma, mirror=True)
    return alpha * (1 - tf.reduce_mean(product)) + (1 - alpha) * tf.reduce_mean(error)


def _mix_window(sigma: float) -> int:
    return 2 * min(int(4 * sigma), 16) + 1


def _check_window(window: int, sigma: float) -> None:
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of pixels from 3, found {window!r}")
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0 pixels, found {sigma!r}")


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class SSIM(ImageLoss):
    """1 - SSIM of RGB pictures in [0, 1]; 0 for equal pictures, at most 2.

    Args:
        window: pixels per side of the Gaussian window, odd.
        sigma: its standard deviation in pixels.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import SSIM
        >>> hr = tf.random.stateless_uniform((1, 32, 32, 3), seed=(1, 2))
        >>> round(float(SSIM()(hr, 0.5 * hr)), 3)
        0.358
    """

    smallest_size_remedy = ", or a smaller window"

    def __init__(self, window: int = 11, sigma: float = 1.5):
        _check_window(window, sigma)
        self.window = window
        self.sigma = sigma
        self.smallest_size = window

    def compute(self, hr, sr, lr):
        return 1 - ssim(hr, sr, self.window, self.sigma)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class MSSSIM(ImageLoss):
    """1 - MS-SSIM of RGB pictures in [0, 1]; 0 for equal pictures, below 1.

    Needs pictures of (window - 1) * 2^(scales - 1) + 1 pixels per side: 161 by default, 41 with three scales.

    Args:
        scales: number of sizes to compare, each half of the previous one, 1 to 5.
        window: pixels per side of the Gaussian window, odd.
        sigma: its standard deviation in pixels.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import MSSSIM
        >>> hr = tf.random.stateless_uniform((1, 64, 64, 3), seed=(1, 2))
        >>> round(float(MSSSIM(scales=3)(hr, 0.5 * hr)), 3)
        0.269
    """

    smallest_size_remedy = ", or fewer scales, or a smaller window"

    def __init__(self, scales: int = 5, window: int = 11, sigma: float = 1.5):
        if not 1 <= scales <= len(MS_SSIM_WEIGHTS):
            raise ValueError(f"scales must be 1 to {len(MS_SSIM_WEIGHTS)}, found {scales!r}")
        _check_window(window, sigma)
        self.scales = scales
        self.window = window
        self.sigma = sigma
        self.smallest_size = (window - 1) * 2 ** (scales - 1) + 1

    def remedy(self, side: int) -> str:
        fitting = [scales for scales in range(1, self.scales) if (self.window - 1) * 2 ** (scales - 1) < side]
        return f", or set scales to {fitting[-1]}" if fitting else ", or set a smaller window"

    def compute(self, hr, sr, lr):
        return 1 - ms_ssim(hr, sr, self.scales, self.window, self.sigma)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class MSSSIML1(ImageLoss):
    """MS-SSIM mixed with a blurred mean absolute error, for pictures in [0, 1]; 0 for equal pictures, at most 1.

    Args:
        alpha: share of 1 - MS-SSIM, in [0, 1]; 0.84 in the paper, 0.1 in later super-resolvers.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import MSSSIML1
        >>> hr = tf.random.stateless_uniform((1, 192, 192, 3), seed=(1, 2))
        >>> round(float(MSSSIML1()(hr, 0.5 * hr)), 3)
        0.298
    """

    smallest_size = _mix_window(MIX_SIGMAS[-1]) // 2 + 1  # mirroring needs that many pixels

    def __init__(self, alpha: float = 0.1):
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], found {alpha!r}")
        self.alpha = alpha

    def compute(self, hr, sr, lr):
        return ms_ssim_l1(hr, sr, self.alpha)
