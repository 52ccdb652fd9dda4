"""PSNR, SSIM and MS-SSIM by the published super-resolution protocol, as pure functions of 8-bit pictures.

The protocol: luma of BT.601 in studio range (16 to 235) from uint8 RGB, rounded to uint8 as MATLAB's rgb2ycbcr does,
`scale` pixels cut from each border (`crop`), PSNR over 255, SSIM (Wang et al. 2004) with an 11 x 11 Gaussian of
sigma 1.5 over the region where the window fits, K1 0.01, K2 0.03, covariances of the population. A grey picture's
values count as luma, and the channels of what is compared with it are averaged and rounded. Others keep the luma
unrounded: that is `rounded=False`, and the metric's name says `yfloat`. MS-SSIM: Wang, Simoncelli, Bovik 2003.
"""

import functools
import math

import numpy as np

from sr_gan_tf.resampling import PRODUCT

# BT.601 for R, G, B of 0..255; 16 is added.
_LUMA = tuple(weight / 255.0 for weight in (65.481, 128.553, 24.966))
# Exponents of the five scales, fine to coarse.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_RADIUS, _SIGMA = 5, 1.5
_BLOCK = 16  # rows; wide enough to share most inputs, and see PRODUCT


def luma(image: np.ndarray, rounded: bool = True) -> np.ndarray:
    """(H, W) float64 luma, 16 to 235, of an (H, W, 3) uint8 RGB picture; a grey picture is its own luma."""
    if is_grey(image):
        return image.reshape(image.shape[:2]).astype(np.float64)
    y = 16.0 + sum(weight * image[..., channel] for channel, weight in enumerate(_LUMA))
    return np.floor(y + 0.5, out=y) if rounded else y


def is_grey(image: np.ndarray) -> bool:
    """One channel only; a picture stored as three equal channels is a colour picture to every published table."""
    return image.ndim == 2 or image.shape[-1] == 1


def mean_squared_error(hr: np.ndarray, sr: np.ndarray) -> float:
    """Mean of squared differences over all values."""
    return float(np.mean(np.square(np.subtract(hr, sr, dtype=np.float64))))


def psnr(hr: np.ndarray, sr: np.ndarray, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB, `10 log10(peak^2 / mse)`; infinite for equal pictures."""
    error = mean_squared_error(hr, sr)
    return 10.0 * math.log10(peak * peak / error) if error else math.inf


def psnr_y(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> float:
    """PSNR of the luma in dB, `crop` pixels cut from each border."""
    return psnr(*luma_pair(hr, sr, crop, rounded))


def psnr_rgb(hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
    """PSNR over all three channels in dB; a grey picture counts as three equal channels."""
    return psnr(*rgb_pair(hr, sr, crop))


def ssim(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity of two (H, W) planes of 0..255; nan where the window doesn't fit."""
    return math.nan if min(hr.shape) <= 2 * _RADIUS else float(np.mean(_ssim_maps(hr, sr)[0]))


def ssim_y(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> float:
    """Structural similarity of the luma, `crop` pixels cut from each border."""
    return ssim(*luma_pair(hr, sr, crop, rounded))


def ms_ssim(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity over five scales of two (H, W) planes of 0..255; nan below 161 pixels a side.

    Contrast times structure at each scale, luminance at the coarsest only, weighted by exponents. A negative mean
    counts as 0, since a fractional power of it has no value.
    """
    result = 1.0
    for number, weight in enumerate(MS_SSIM_WEIGHTS):
        if number:
            hr, sr = _halved(hr), _halved(sr)
        if min(hr.shape) <= 2 * _RADIUS:
            return math.nan
        both, contrast = _ssim_maps(hr, sr)
        mean = float(np.mean(both if number == len(MS_SSIM_WEIGHTS) - 1 else contrast))
        result *= max(mean, 0.0) ** weight
    return result


def ms_ssim_y(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> float:
    """Multi-scale structural similarity of the luma, `crop` pixels cut from each border."""
    return ms_ssim(*luma_pair(hr, sr, crop, rounded))


def luma_pair(hr: np.ndarray, sr: np.ndarray, crop: int, rounded: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures' luma without their borders."""
    hr, sr = cut_pair(hr, sr, crop)
    if is_grey(hr) and not is_grey(sr):
        # The network was fed three equal channels; its answer is brought back to one.
        sr = np.floor(sr.mean(axis=-1, dtype=np.float64) + 0.5)
    return luma(hr, rounded), luma(sr, rounded)


def rgb_pair(hr: np.ndarray, sr: np.ndarray, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures as (H, W, 3) without their borders."""
    pair = cut_pair(hr, sr, crop)
    return tuple(np.repeat(one.reshape(*one.shape[:2], 1), 3, axis=-1) if is_grey(one) else one for one in pair)


def cut_pair(hr: np.ndarray, sr: np.ndarray, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures without `crop` pixels at each border.

    Raises:
        ValueError: where they are no uint8 pictures of one size, or nothing is left.
    """
    for name, image in (("HR", hr), ("SR", sr)):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
            raise ValueError(f"metrics take uint8 pictures (H, W, 3) or grey, {name} is {image.dtype} {image.shape}")
    if hr.shape[:2] != sr.shape[:2]:
        raise ValueError(f"SR has {sr.shape[1]}x{sr.shape[0]} pixels, HR has {hr.shape[1]}x{hr.shape[0]}")
    height, width = hr.shape[:2]
    if crop < 0 or min(height, width) <= 2 * crop:
        raise ValueError(f"nothing is left of {width}x{height} pixels with {crop} cut from each border")
    inside = (slice(crop, height - crop), slice(crop, width - crop))
    return hr[inside], sr[inside]


@functools.cache
def _gaussian_band() -> np.ndarray:
    """(_BLOCK, _BLOCK + 10): a block of outputs of the 11-tap Gaussian over its inputs."""
    x = np.arange(-_RADIUS, _RADIUS + 1)
    taps = np.exp(-0.5 * (x / _SIGMA) ** 2)
    taps /= taps.sum()
    band = np.zeros((_BLOCK, _BLOCK + 2 * _RADIUS))
    for row in range(_BLOCK):
        band[row, row : row + len(taps)] = taps
    return band


def _blurred(planes: np.ndarray) -> np.ndarray:
    """(N, H, W) to (N, H - 10, W - 10): the 11 x 11 Gaussian where it fits, as banded matrix products."""
    count, height, width = planes.shape
    rows = np.empty((count, height - 2 * _RADIUS, width))
    _blur_rows(planes, rows)
    result = np.empty((count, height - 2 * _RADIUS, width - 2 * _RADIUS))
    _blur_rows(rows.transpose(0, 2, 1), result.transpose(0, 2, 1))
    return result


def _blur_rows(planes: np.ndarray, result: np.ndarray) -> None:
    band, columns = _gaussian_band(), PRODUCT // (_BLOCK * (_BLOCK + 2 * _RADIUS))
    for start in range(0, result.shape[1], _BLOCK):
        stop = min(start + _BLOCK, result.shape[1])
        part = band[: stop - start, : stop - start + 2 * _RADIUS]
        for column in range(0, result.shape[2], columns):
            inside = slice(column, column + columns)
            np.matmul(part, planes[:, start : stop + 2 * _RADIUS, inside], out=result[:, start:stop, inside])


def _ssim_maps(hr: np.ndarray, sr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map of SSIM, and that of contrast times structure alone."""
    # The variances are needed only as a sum.
    planes = np.empty((4, *hr.shape))
    planes[0], planes[1] = hr, sr
    np.multiply(hr, sr, out=planes[2])
    np.add(np.square(hr), np.square(sr), out=planes[3])
    mean_hr, mean_sr, product, squares = _blurred(planes)
    means, mean_squares = mean_hr * mean_sr, mean_hr**2 + mean_sr**2
    contrast = (2 * (product - means) + _C2) / (squares - mean_squares + _C2)
    return contrast * (2 * means + _C1) / (mean_squares + _C1), contrast


def _halved(plane: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; an odd last row or column counts twice."""
    plane = np.pad(plane, [(0, size % 2) for size in plane.shape], mode="edge")
    return 0.25 * (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2])
