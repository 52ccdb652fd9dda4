"""PSNR, SSIM and MS-SSIM by the published super-resolution protocol, as pure functions of 8-bit pictures.

The protocol: luma of BT.601 in studio range (16 to 235) from uint8 RGB, rounded to uint8 as MATLAB's rgb2ycbcr does,
`scale` pixels cut from each border (`crop`), PSNR over 255, SSIM (Wang et al. 2004) with an 11 x 11 Gaussian of
sigma 1.5 over the region where the window fits, K1 0.01, K2 0.03, covariances of the population. A gray picture's
values count as luma, and the channels of the compared picture are averaged and rounded. Other codes keep the luma
unrounded: that is `rounded=False`, with `yfloat` in the metric's name. MS-SSIM: Wang, Simoncelli, Bovik 2003.
"""

import functools
import math
from collections.abc import Iterator

import numpy as np

from sr_gan_tf.losses.structural import MS_SSIM_WEIGHTS
from sr_gan_tf.resampling import PRODUCT

# BT.601 for R, G, B of 0..255; 16 is added.
_LUMA = tuple(weight / 255.0 for weight in (65.481, 128.553, 24.966))
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_RADIUS, _SIGMA = 5, 1.5
# Rows processed at a time: temporary arrays of a whole picture cost more in page faults than in arithmetic.
_STRIP = 32


def luma(image: np.ndarray, rounded: bool = True) -> np.ndarray:
    """(H, W) luma, 16 to 235, of an (H, W, 3) uint8 RGB picture: uint8 if rounded, otherwise float64.

    A gray picture is its own luma.
    """
    if is_gray(image):
        return image.reshape(image.shape[:2])
    result = np.empty(image.shape[:2], np.uint8 if rounded else np.float64)
    for rows in strips(len(image)):
        y = image[rows, :, 0] * _LUMA[0]
        y += image[rows, :, 1] * _LUMA[1]
        y += image[rows, :, 2] * _LUMA[2]
        y += 16.5 if rounded else 16.0
        result[rows] = y  # uint8 truncates the fraction
    return result


def strips(length: int, size: int = _STRIP) -> Iterator[slice]:
    """Slices of at most `size` that make up `length`."""
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def is_gray(image: np.ndarray) -> bool:
    """One channel only; a picture stored as three equal channels is a color picture to every published table."""
    return image.ndim == 2 or image.shape[-1] == 1


def mean_squared_error(hr: np.ndarray, sr: np.ndarray) -> float:
    """Mean of squared differences over all values."""
    wide = np.int32 if hr.dtype == sr.dtype == np.uint8 else np.float64
    total = 0.0
    for rows in strips(len(hr)):
        difference = np.subtract(hr[rows], sr[rows], dtype=wide)
        total += float(np.sum(np.square(difference, out=difference)))
    return total / hr.size


def psnr(hr: np.ndarray, sr: np.ndarray, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB, `10 log10(peak^2 / mse)`; infinite for equal pictures."""
    error = mean_squared_error(hr, sr)
    return 10.0 * math.log10(peak * peak / error) if error else math.inf


def psnr_y(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> float:
    """PSNR of the luma in dB, `crop` pixels cut from each border."""
    return psnr(*luma_pair(hr, sr, crop, rounded))


def psnr_rgb(hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
    """PSNR over all three channels in dB; a gray picture counts as three equal channels."""
    return psnr(*rgb_pair(hr, sr, crop))


def ssim(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity of two (H, W) planes of 0..255; nan where the window doesn't fit."""
    return math.nan if min(hr.shape) <= 2 * _RADIUS else _ssim_means(hr, sr)[0]


def ssim_y(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> float:
    """Structural similarity of the luma, `crop` pixels cut from each border."""
    return ssim(*luma_pair(hr, sr, crop, rounded))


def ms_ssim(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity over five scales of two (H, W) planes of 0..255; nan below 161 pixels per side.

    Contrast times structure at each scale, luminance at the coarsest only, weighted by exponents. A negative mean
    counts as 0, since a fractional power of it has no value.
    """
    result = 1.0
    for number, weight in enumerate(MS_SSIM_WEIGHTS):
        if number:
            hr, sr = _halved(hr), _halved(sr)
        if min(hr.shape) <= 2 * _RADIUS:
            return math.nan
        both, contrast = _ssim_means(hr, sr)
        mean = both if number == len(MS_SSIM_WEIGHTS) - 1 else contrast
        result *= max(mean, 0.0) ** weight
    return result


def ms_ssim_y(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> float:
    """Multi-scale structural similarity of the luma, `crop` pixels cut from each border."""
    return ms_ssim(*luma_pair(hr, sr, crop, rounded))


def luma_pair(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures' luma without their borders."""
    hr, sr = cut_pair(hr, sr, crop)
    if is_gray(hr) and not is_gray(sr):
        # The network's input had three equal channels; its output is averaged to one.
        sr = np.floor(sr.mean(axis=-1) + 0.5).astype(np.uint8)
    return luma(hr, rounded), luma(sr, rounded)


def rgb_pair(hr: np.ndarray, sr: np.ndarray, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures as (H, W, 3) without their borders."""
    pair = cut_pair(hr, sr, crop)
    hr, sr = (np.repeat(one.reshape(*one.shape[:2], 1), 3, axis=-1) if is_gray(one) else one for one in pair)
    return hr, sr


def cut_pair(hr: np.ndarray, sr: np.ndarray, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures without `crop` pixels at each border.

    Raises:
        ValueError: they are no uint8 pictures of one size, or nothing remains.
    """
    for name, image in (("HR", hr), ("SR", sr)):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
            raise ValueError(f"metrics take uint8 pictures (H, W, 3) or gray, {name} is {image.dtype} {image.shape}")
    if hr.shape[:2] != sr.shape[:2]:
        raise ValueError(f"SR has {sr.shape[1]}x{sr.shape[0]} pixels, HR has {hr.shape[1]}x{hr.shape[0]}")
    height, width = hr.shape[:2]
    if crop < 0 or min(height, width) <= 2 * crop:
        raise ValueError(f"nothing is left of {width}x{height} pixels with {crop} cut from each border")
    inside = (slice(crop, height - crop), slice(crop, width - crop))
    return hr[inside], sr[inside]


@functools.cache
def _gaussian_band(size: int) -> np.ndarray:
    """(size, size + 10): `size` outputs of the 11-tap Gaussian from their inputs."""
    x = np.arange(-_RADIUS, _RADIUS + 1)
    taps = np.exp(-0.5 * (x / _SIGMA) ** 2)
    taps /= taps.sum()
    band = np.zeros((size, size + 2 * _RADIUS))
    for row in range(size):
        band[row, row : row + len(taps)] = taps
    return band


def _ssim_means(hr: np.ndarray, sr: np.ndarray) -> tuple[float, float]:
    """Means of SSIM, and of contrast times structure alone, over the region where the window fits."""
    margin = 2 * _RADIUS
    height, width = (length - margin for length in hr.shape)
    # The same buffers serve all strips.
    planes = np.empty((4, _STRIP + margin, width + margin))
    half = np.empty((4, _STRIP, width + margin))
    blurred = np.empty((4, _STRIP, width))
    total_both = total_contrast = 0.0
    for rows in strips(height):
        size, inputs = rows.stop - rows.start, slice(rows.start, rows.stop + margin)
        first, second, product, squares = planes[:, : size + margin]
        first[...], second[...] = hr[inputs], sr[inputs]
        np.multiply(first, second, out=product)
        # The variances are needed only as a sum.
        np.add(np.square(first), np.square(second), out=squares)
        _blur(planes[:, : size + margin], half[:, :size], blurred[:, :size])
        first, second, product, squares = blurred[:, :size]
        means, mean_squares = first * second, first * first + second * second
        contrast = (2 * (product - means) + _C2) / (squares - mean_squares + _C2)
        total_contrast += float(np.sum(contrast))
        total_both += float(np.sum(contrast * ((2 * means + _C1) / (mean_squares + _C1))))
    return total_both / (height * width), total_contrast / (height * width)


def _blur(planes: np.ndarray, half: np.ndarray, result: np.ndarray) -> None:
    """(N, H + 10, W + 10) to (N, H, W): the 11 x 11 Gaussian as banded matrix products; `half` is (N, H, W + 10)."""
    margin = 2 * _RADIUS
    for rows in strips(result.shape[1], _STRIP // 2):
        band = _gaussian_band(rows.stop - rows.start)
        inputs = slice(rows.start, rows.stop + margin)
        for columns in strips(half.shape[2], PRODUCT // band.size):
            np.matmul(band, planes[:, inputs, columns], out=half[:, rows, columns])
    for columns in strips(result.shape[2]):
        band = _gaussian_band(columns.stop - columns.start)
        np.matmul(half[..., columns.start : columns.stop + margin], band.T, out=result[..., columns])


def _halved(plane: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; an odd last row or column counts twice."""
    plane = plane.astype(np.float64, copy=False)
    plane = np.pad(plane, [(0, size % 2) for size in plane.shape], mode="edge")
    return 0.25 * (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2])
