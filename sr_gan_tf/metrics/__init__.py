"""Metrics of 8-bit pictures: the catalogue by name, the pure functions, and Keras shells over them."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.metrics.artefacts import checkerboard_ratio, detail_ratio, gmsd, mean_color, power_spectrum
from sr_gan_tf.metrics.keras_metrics import PSNR, SSIM
from sr_gan_tf.metrics.names import protocol_name
from sr_gan_tf.metrics.psnr_ssim import luma, ms_ssim, ms_ssim_y, psnr, psnr_rgb, psnr_y, ssim, ssim_y


@dataclasses.dataclass(frozen=True)
class Metric:
    """A picture metric: what it computes from (hr, sr, crop, scale), and how its figures are to be read."""

    function: Callable[[np.ndarray, np.ndarray, int, int], float]
    title: str
    better: Literal["higher", "lower", "one"]
    digits: int
    meaning: str


def _plain(function: Callable, **arguments) -> Callable:
    return lambda hr, sr, crop, scale: function(hr, sr, crop, **arguments)


METRICS: dict[str, Metric] = {
    "psnr_y": Metric(_plain(psnr_y), "PSNR-Y", "higher", 2, "dB, rounded luma: the figure of the published tables"),
    "ssim_y": Metric(_plain(ssim_y), "SSIM-Y", "higher", 4, "structural similarity, rounded luma: as published"),
    "ms_ssim_y": Metric(_plain(ms_ssim_y), "MS-SSIM-Y", "higher", 4, "structural similarity over five scales"),
    "psnr_rgb": Metric(_plain(psnr_rgb), "PSNR-RGB", "higher", 2, "dB, all three channels; lower than PSNR-Y"),
    "psnr_yfloat": Metric(
        _plain(psnr_y, rounded=False), "PSNR-Y, unrounded", "higher", 2, "dB, luma kept as float (BasicSR's way)"
    ),
    "ssim_yfloat": Metric(
        _plain(ssim_y, rounded=False), "SSIM-Y, unrounded", "higher", 4, "luma kept as float (BasicSR's way)"
    ),
    "gmsd": Metric(_plain(gmsd), "GMSD", "lower", 4, "uneven distortion of edges"),
    "mean_color": Metric(_plain(mean_color), "Colour shift", "lower", 2, "largest channel mean difference, levels"),
    "detail_ratio": Metric(_plain(detail_ratio), "Detail", "one", 2, "power of the fine half of frequencies, SR / HR"),
    "checkerboard_ratio": Metric(
        checkerboard_ratio, "Checkerboard", "lower", 2, "power at the frequencies k/scale, SR / HR; above 1 is a grid"
    ),
}


def measure(hr: np.ndarray, sr: np.ndarray, scale: int, names: Iterable[str], crop: int | None = None) -> dict:
    """The named metrics of one picture, `{"psnr_y_crop4": 28.42, ...}`.

    Args:
        hr: uint8 (H, W, 3), or (H, W) where the picture is grey.
        sr: uint8, the same size.
        scale: of the super-resolution; the metrics of periodic artefacts need it.
        names: of METRICS.
        crop: pixels cut from each border; default: `scale`, the published protocol.
    """
    crop = scale if crop is None else crop
    return {protocol_name(name, crop): metric_named(name).function(hr, sr, crop, scale) for name in names}


def score(name: str, value: float) -> float:
    """A metric's value so that higher is better; one that isn't defined is the worst of all."""
    if math.isnan(value):
        return -math.inf
    return {"higher": value, "lower": -value, "one": -abs(value - 1)}[metric_named(name).better]


def metric_named(name: str) -> Metric:
    """The metric of that name, or an error that names a close one."""
    if name not in METRICS:
        raise InputError(f"no metric {name!r}{suggest(name, METRICS)}")
    return METRICS[name]


__all__ = [
    "METRICS", "PSNR", "SSIM", "Metric", "checkerboard_ratio", "detail_ratio", "gmsd", "luma", "mean_color", "measure",
    "metric_named", "ms_ssim", "ms_ssim_y", "power_spectrum", "protocol_name", "psnr", "psnr_rgb", "psnr_y", "score",
    "ssim", "ssim_y",
]  # fmt: skip
