"""The catalog of picture metrics: what each computes, how to read its values, and groups of metrics."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.metrics.artifacts import band_ratio, checkerboard_ratio, detail_ratio, flat_noise, gmsd, mean_color
from sr_gan_tf.metrics.perceptual import LearnedDistance, StructureTextureDistance
from sr_gan_tf.metrics.psnr_ssim import ms_ssim_y, psnr_rgb, psnr_y, ssim_y
from sr_gan_tf.registry.parts import Catalog, find


@dataclasses.dataclass(frozen=True)
class Metric:
    """A picture metric: a function of (hr, sr, crop, scale), and how to read its values.

    Args:
        function: (hr, sr, crop, scale) to a float; NaN if undefined.
        title: heading of its values.
        better: which values are better; "one" is a ratio that is ideal at 1.
        digits: number of decimals to print.
        meaning: one line for a report.
        load: loads what the function needs, e.g. the weights of a network; raises InputError if it cannot.
        many: the same for several pictures of one original, (hr, pictures, crop, scale) to a list of floats, if that
            costs less than one call per picture.
    """

    function: Callable[[np.ndarray, np.ndarray, int, int], float]
    title: str
    better: Literal["higher", "lower", "one"]
    digits: int
    meaning: str
    load: Callable[[], object] | None = None
    many: Callable[[np.ndarray, Sequence[np.ndarray], int, int], list[float]] | None = None

    def values(self, hr: np.ndarray, pictures: Sequence[np.ndarray], crop: int, scale: int) -> list[float]:
        """The values of several pictures of one original."""
        if self.many is not None:
            return self.many(hr, pictures, crop, scale)
        return [self.function(hr, sr, crop, scale) for sr in pictures]


def _plain(function: Callable, **arguments) -> Callable:
    return lambda hr, sr, crop, scale: function(hr, sr, crop, **arguments)


def _band(low: int) -> Metric:
    title, range_ = f"Power .{low // 10}-.{low // 10 + 1}", f"0.{low // 10} to 0.{low // 10 + 1}"
    return Metric(_plain(band_ratio, low=low / 100), title, "one", 2, f"power from {range_} cycles per pixel, SR / HR")


def _learned(make: Callable[[], LearnedDistance | StructureTextureDistance], title: str, meaning: str) -> Metric:
    """A distance whose network is loaded on first use."""
    load = functools.cache(make)
    return Metric(
        lambda hr, sr, crop, scale: load()(hr, sr, crop), title, "lower", 4, meaning, load,
        lambda hr, pictures, crop, scale: load().many(hr, pictures, crop),
    )  # fmt: skip


# Computed in NumPy, available in every installation.
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
    "mean_color": Metric(_plain(mean_color), "Color shift", "lower", 2, "largest channel mean difference, levels"),
    "detail_ratio": Metric(_plain(detail_ratio), "Detail", "one", 2, "power of the fine half of frequencies, SR / HR"),
    "checkerboard_ratio": Metric(
        checkerboard_ratio, "Checkerboard", "lower", 2, "power at the frequencies k/scale, SR / HR; above 1 is a grid"
    ),
    "flat_noise": Metric(
        _plain(flat_noise),
        "Flat noise",
        "lower",
        2,
        "noise added where HR is flat, in gray levels; 0 is as smooth as HR",
    ),
    **{f"spectrum_{low}": _band(low) for low in (10, 20, 30, 40)},
}

# Distances by networks, whose weights come from separate packages.
LEARNED: dict[str, Metric] = {
    "lpips": _learned(
        LearnedDistance, "LPIPS", "LPIPS 0.1 on alexnet: the learned perceptual distance of the published tables"
    ),
    "lpips_vgg": _learned(
        functools.partial(LearnedDistance, "vgg16"),
        "LPIPS-VGG",
        "LPIPS 0.1 on vgg16; favors networks trained on VGG features",
    ),
    "dists": _learned(
        StructureTextureDistance,
        "DISTS",
        "distance of structure and texture, which accepts another sample of a texture",
    ),
}

# Names of groups of metrics.
GROUPS: dict[str, tuple[str, ...]] = {"spectrum": tuple(name for name in METRICS if name.startswith("spectrum_"))}


_ALL = Catalog("metric", METRICS | LEARNED, (Metric,))


def metric_named(name: str) -> Metric:
    """The metric of that name, from the package or a custom one (`module:name`, or a registered name).

    Raises:
        InputError: there is no such metric; the message suggests a close name.
    """
    try:
        return find(name, _ALL, "metric")
    except InputError as error:
        raise InputError(str(error).replace("metric: no ", "no metric ", 1)) from error


def expand(names: Iterable[str]) -> list[str]:
    """The names with each group replaced by its metrics, every metric once."""
    return list(dict.fromkeys(member for name in names for member in GROUPS.get(name, (name,))))


def score(name: str, value: float) -> float:
    """A metric's value, transformed so that higher is better; an undefined value is the worst."""
    if math.isnan(value):
        return -math.inf
    return {"higher": value, "lower": -value, "one": -abs(value - 1)}[metric_named(name).better]
