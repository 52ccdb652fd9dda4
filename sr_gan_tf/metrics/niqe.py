"""NIQE: how far a picture's local statistics are from those of sharp photographs; needs no original.

Mittal, Soundararajan, Bovik 2013, "Making a completely blind image quality analyzer". Lower is more natural. The
figure depends on the photographs to which its parameters (mean and covariance of 36 features) were fitted, so the
metric's name carries the name of their file. It reads MATLAB files with mu_prisparam and cov_prisparam (the authors')
and .npz files with the same two arrays (BasicSR's); `python -m sr_gan_tf.metrics.fit_niqe FOLDER -o niqe.npz` fits
parameters to a folder of sharp photographs.

The details follow the authors' code: gray values of BT.601, blocks of 96 pixels entirely inside the picture, two
scales, neighbors shifted circularly within the block, undefined features omitted from mean and covariance.
"""

import functools
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.metrics.artifacts import gray
from sr_gan_tf.metrics.psnr_ssim import cut_pair
from sr_gan_tf.resampling import imresize

KEYS = ("mu_prisparam", "cov_prisparam")  # names of the mean and the covariance in files of parameters
_BLOCK = 96
_SHARPNESS = 0.75  # of a picture's sharpest block; less sharp blocks are not used to fit


class Naturalness:
    """NIQE with the parameters of one file; nan for pictures of less than two blocks.

    Args:
        path: .mat or .npz file.

    Raises:
        InputError: the file cannot be read, or does not contain such parameters.
    """

    def __init__(self, path: str | Path):
        self.mean, self.covariance = read_parameters(Path(path))
        self.name = f"niqe_{Path(path).stem}"

    def __call__(self, sr: np.ndarray, crop: int) -> float:
        sr, _ = cut_pair(sr, sr, crop)
        features, _ = block_features(sr)
        if len(features) < 2:
            return math.nan
        mean = np.nanmean(features, axis=0)
        complete = features[~np.isnan(features).any(axis=1)]
        if len(complete) < 2:
            return math.nan
        difference = self.mean - mean
        inverse = np.linalg.pinv((self.covariance + np.cov(complete, rowvar=False)) / 2)
        return float(np.sqrt(difference @ inverse @ difference))


def read_parameters(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean (36,) and covariance (36, 36) of pristine features."""
    if path.suffix not in (".mat", ".npz"):
        raise InputError(f"cannot read NIQE parameters from {path}: expected a name that ends in .mat or .npz")
    if not path.is_file():
        raise InputError(f"no file {path}; give the .mat or .npz file of NIQE's parameters")
    try:
        if path.suffix == ".mat":
            from scipy.io import loadmat  # scikit-image requires it; slow to import

            data = loadmat(path)
        else:
            with path.open("rb") as opened, np.load(opened) as file:
                data = dict(file)
    except Exception as error:  # for a damaged or wrong file, both readers can raise anything
        kind = "MATLAB file of version 7 or older" if path.suffix == ".mat" else "whole .npz file"
        raise InputError(f"cannot read NIQE parameters from {path}: it is no {kind}; give another one") from error
    if not all(key in data for key in KEYS):
        raise InputError(f"{path} holds {', '.join(k for k in data if k[0] != '_')}; expected {' and '.join(KEYS)}")
    mean, covariance = (np.asarray(data[key], np.float64) for key in KEYS)
    if mean.size != 36 or covariance.shape != (36, 36):
        raise InputError(f"{path}: expected 36 means and a 36x36 covariance, found {mean.shape} and {covariance.shape}")
    return mean.ravel(), covariance


def fit_parameters(pictures: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the features of all sharp blocks of uint8 pictures."""
    kept = []
    for image in pictures:
        features, sharpness = block_features(image)
        if len(features):
            kept.append(features[sharpness > _SHARPNESS * sharpness.max()])
    features = np.concatenate(kept) if kept else np.empty((0, 36))
    features = features[~np.isnan(features).any(axis=1)]
    if len(features) <= 36:
        raise InputError(f"only {len(features)} sharp blocks of 96x96 pixels were found, more than 36 are needed")
    return features.mean(axis=0), np.cov(features, rowvar=False)


def block_features(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(blocks, 36) features and (blocks,) sharpness of a uint8 picture."""
    plane = gray(image)
    rows, columns = (length // _BLOCK for length in plane.shape)
    plane = plane[: rows * _BLOCK, : columns * _BLOCK]
    if not plane.size:
        return np.empty((0, 36)), np.empty(0)
    scales, sharpness = [], np.empty(0)
    for factor in (1, 2):
        if factor == 2:
            plane = imresize(plane, 0.5)
        normalized, deviation = _normalized(plane)
        side = _BLOCK // factor
        blocks = normalized.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
        scales.append([_features(block) for block in blocks])
        if factor == 1:
            sharpness = deviation.reshape(rows, side, columns, side).mean(axis=(1, 3)).ravel()
    return np.concatenate(scales, axis=1), sharpness


def _normalized(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(value - local mean) / (local deviation + 1), and the deviation; a 7 x 7 Gaussian of sigma 7/6."""
    mean = _blurred(plane)
    deviation = np.sqrt(np.abs(_blurred(plane * plane) - mean * mean))
    return (plane - mean) / (deviation + 1.0), deviation


def _blurred(plane: np.ndarray) -> np.ndarray:
    x = np.arange(-3, 4)
    taps = np.exp(-0.5 * (x / (7 / 6)) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        padded = np.pad(plane, [(3, 3) if number == axis else (0, 0) for number in (0, 1)], mode="edge")
        length = plane.shape[axis]
        plane = sum(tap * padded.take(range(i, i + length), axis) for i, tap in enumerate(taps))
    return plane


def _features(block: np.ndarray) -> list[float]:
    """18 figures: shape and scale of the values, then of their products with four neighbors."""
    alpha, left, right = _fit_distribution(block)
    features = [alpha, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        alpha, left, right = _fit_distribution(block * np.roll(block, shift, axis=(0, 1)))
        mean = math.nan if math.isnan(alpha) else (right - left) * math.gamma(2 / alpha) / math.gamma(1 / alpha)
        features += [alpha, mean, left, right]
    return features


@functools.cache
def _shapes() -> tuple[np.ndarray, np.ndarray]:
    """Shapes of a generalized Gaussian and the ratio E|x|^2 / E[x^2] of each."""
    shapes = np.arange(0.2, 10.0005, 0.001)
    gamma = np.vectorize(math.gamma)
    return shapes, gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))


def _fit_distribution(values: np.ndarray) -> tuple[float, float, float]:
    """Shape, left and right scale of an asymmetric generalized Gaussian, by its moments; nan for a flat block."""
    negative, positive = values[values < 0], values[values > 0]
    if not negative.size or not positive.size:
        return math.nan, math.nan, math.nan
    left, right = (math.sqrt(float(np.mean(part * part))) for part in (negative, positive))
    ratio = left / right
    moments = float(np.mean(np.abs(values))) ** 2 / float(np.mean(values * values))
    wanted = moments * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, ratios = _shapes()
    shape = float(shapes[np.argmin((ratios - wanted) ** 2)])
    scale = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape))
    return shape, left * scale, right * scale
