"""Metrics of artifacts: color shifts, missing or invented detail, noise, checkerboards, distorted edges.

Spectra are averaged over windowed blocks of 48 x 48 pixels (Welch's method), because single bins of one large
spectrum are as noisy as they are fine; 48 is a multiple of every scale in use, so that the frequencies at which an
upsampler leaves its checkerboard are exact bins. GMSD is Xue, Zhang, Mou, Bovik 2014 (arXiv:1308.3052).
"""

import functools
import math

import numpy as np
from scipy.ndimage import uniform_filter

from sr_gan_tf.metrics.psnr_ssim import cut_pair, is_gray, luma_pair, rgb_pair

_SIDE = 48
_GRAY = np.array([0.299, 0.587, 0.114])
_GMSD_CONSTANT = 170.0
_FLAT_WINDOW, _FLAT_DEVIATION, _FLAT_PIXELS = 5, 2.0, 64


def mean_color(hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
    """Largest difference of a channel's mean, in gray levels of 255: a color cast over the whole picture."""
    hr, sr = rgb_pair(hr, sr, crop)
    return float(np.max(np.abs(sr.mean(axis=(0, 1)) - hr.mean(axis=(0, 1)))))


def flat_noise(hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
    """Noise that SR adds where HR is flat, in gray levels: the deviation from the 5 x 5 mean, minus that of HR.

    HR is flat where the standard deviation of its 5 x 5 window is below 2 gray levels. 0 is as smooth as HR, below 0
    smoother; NaN if fewer than 64 pixels are flat.
    """
    hr_plane, sr_plane = (gray(one) for one in cut_pair(hr, sr, crop))
    if min(hr_plane.shape) < _FLAT_WINDOW:
        return math.nan
    mean = _window_means(hr_plane)
    flat = np.sqrt(np.maximum(_window_means(hr_plane**2) - mean**2, 0)) < _FLAT_DEVIATION
    if np.count_nonzero(flat) < _FLAT_PIXELS:
        return math.nan
    margin = _FLAT_WINDOW // 2
    inside = (slice(margin, -margin), slice(margin, -margin))
    own, made = (
        float(np.sqrt(np.mean((plane[inside] - means)[flat] ** 2)))
        for plane, means in ((hr_plane, mean), (sr_plane, _window_means(sr_plane)))
    )
    return made - own


def _window_means(plane: np.ndarray) -> np.ndarray:
    """Means of the 5 x 5 windows inside the picture."""
    margin = _FLAT_WINDOW // 2
    return uniform_filter(plane, _FLAT_WINDOW)[margin:-margin, margin:-margin]


def band_ratio(hr: np.ndarray, sr: np.ndarray, crop: int, low: float) -> float:
    """Luma power of SR over that of HR from `low` to `low` + 0.1 cycles per pixel, in all directions.

    1 means as much detail of that size as in HR; nan below 48 pixels per side.
    """
    frequency = np.fft.fftfreq(_SIDE)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    band = (radius >= low - 1e-9) & (radius < low + 0.1 - 1e-9)
    return _power_ratio(hr, sr, crop, band[:, : _SIDE // 2 + 1])


def detail_ratio(hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
    """Luma power of SR over that of HR in the top half of frequencies (above a quarter cycle per pixel, either axis).

    1 means as much fine detail as in HR, regardless of its position; 0 means none; nan below 48 pixels per side.
    """
    frequency = np.abs(np.fft.fftfreq(_SIDE))
    high = np.maximum(frequency[:, None], frequency[None, :]) > 0.25
    return _power_ratio(hr, sr, crop, high[:, : _SIDE // 2 + 1])


def checkerboard_ratio(hr: np.ndarray, sr: np.ndarray, crop: int, scale: int) -> float:
    """Luma power of SR over that of HR at the frequencies k/scale, where upsampling leaves its pattern.

    Well above 1 the picture shows a grid; nan below 48 pixels per side, at scale 1, and if 48 is not a multiple of the
    scale.
    """
    if scale < 2 or _SIDE % scale:
        return math.nan
    at = np.zeros((_SIDE, _SIDE // 2 + 1), bool)
    at[:: _SIDE // scale, :: _SIDE // scale] = True
    at[0, 0] = False
    return _power_ratio(hr, sr, crop, at)


def power_spectrum(plane: np.ndarray) -> np.ndarray | None:
    """Mean power at each frequency over half-overlapping blocks, (48, 25) in the layout of `rfft2`.

    None if no block fits.
    """
    if min(plane.shape) < _SIDE:
        return None
    blocks = np.lib.stride_tricks.sliding_window_view(plane, (_SIDE, _SIDE))[:: _SIDE // 2, :: _SIDE // 2]
    window = _window()
    power = np.zeros((_SIDE, _SIDE // 2 + 1))
    for row in blocks:
        centered = (row - row.mean(axis=(1, 2), keepdims=True)) * window
        power += np.sum(np.abs(np.fft.rfft2(centered)) ** 2, axis=0)
    return power / (blocks.shape[0] * blocks.shape[1])


@functools.cache
def _window() -> np.ndarray:
    # Periodic, so that a cosine at an exact bin falls into that bin and its two neighbors only.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_SIDE) / _SIDE)
    return np.outer(hann, hann)


def _power_ratio(hr: np.ndarray, sr: np.ndarray, crop: int, where: np.ndarray) -> float:
    hr_power, sr_power = (power_spectrum(plane) for plane in luma_pair(hr, sr, crop))
    if hr_power is None:
        return math.nan
    # rfft2 keeps one of each pair of mirrored columns; the first and the last have no counterpart.
    weights = np.full(where.shape, 2.0)
    weights[:, [0, -1]] = 1.0
    weights *= where
    reference = float(np.sum(weights * hr_power))
    return float(np.sum(weights * sr_power)) / reference if reference else math.nan


def gmsd(hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
    """Gradient magnitude similarity deviation: 0 for equal pictures, larger where edges are distorted unevenly.

    On gray values (0.299 R + 0.587 G + 0.114 B) halved once, Prewitt gradients, constant 170, as published.
    """
    planes = [_halved(gray(one)) for one in cut_pair(hr, sr, crop)]
    if min(planes[0].shape) < 1:
        return math.nan
    first, second = (_gradient(plane) for plane in planes)
    similarity = (2 * first * second + _GMSD_CONSTANT) / (first**2 + second**2 + _GMSD_CONSTANT)
    return float(np.std(similarity))


def gray(image: np.ndarray) -> np.ndarray:
    """(H, W) float64 gray values 0..255 of a uint8 picture, 0.299 R + 0.587 G + 0.114 B."""
    return image.reshape(image.shape[:2]).astype(np.float64) if is_gray(image) else image.astype(np.float64) @ _GRAY


def _halved(plane: np.ndarray) -> np.ndarray:
    height, width = (size // 2 * 2 for size in plane.shape)
    return plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def _gradient(plane: np.ndarray) -> np.ndarray:
    """Prewitt gradient magnitude; outside the picture is 0, as in the published code."""
    padded = np.pad(plane, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.hypot(rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]) / 3.0
