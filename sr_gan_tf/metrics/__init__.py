"""Metrics of 8-bit pictures: `measure`, the catalog by name, the pure functions, and Keras metrics."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from sr_gan_tf.metrics.artifacts import (
    band_ratio,
    checkerboard_ratio,
    detail_ratio,
    flat_noise,
    gmsd,
    mean_color,
    power_spectrum,
)
from sr_gan_tf.metrics.catalog import GROUPS, LEARNED, METRICS, Metric, expand, metric_named, score
from sr_gan_tf.metrics.keras_metrics import PSNR, SSIM
from sr_gan_tf.metrics.names import protocol_name
from sr_gan_tf.metrics.own import picture_metric
from sr_gan_tf.metrics.psnr_ssim import luma, ms_ssim, ms_ssim_y, psnr, psnr_rgb, psnr_y, ssim, ssim_y


def measure(
    hr: np.ndarray,
    sr: np.ndarray,
    scale: int,
    metrics: Iterable[str] | Mapping[str, Metric],
    crop: int | None = None,
) -> dict[str, float]:
    """Measures one picture; returns values by metric name with protocol. Used by training and `evaluate`.

    Args:
        hr: uint8 (H, W, 3), or (H, W) for a picture whose file has one channel: its values are its luma. A gray
            picture stored as three equal channels is a color picture, as in every published table.
        sr: uint8, the same size.
        scale: HR size over LR size; the metrics of periodic artifacts need it.
        metrics: names from the catalog, or metrics by name.
        crop: pixels to crop from each border; default: `scale`, the published protocol.

    Returns:
        E.g. `{"psnr_y_crop4": 28.42, ...}`; NaN if a metric is undefined, e.g. if nothing remains inside the
        borders.

    Example:
        >>> picture = np.zeros((64, 64, 3), np.uint8)
        >>> measure(picture, picture + np.uint8(1), 4, ["psnr_rgb"])
        {'psnr_rgb_crop4': 48.13080360867911}
    """
    return measure_all(hr, {"": sr}, scale, metrics, crop)[""]


def measure_all(
    hr: np.ndarray,
    pictures: Mapping[str, np.ndarray],
    scale: int,
    metrics: Iterable[str] | Mapping[str, Metric],
    crop: int | None = None,
) -> dict[str, dict[str, float]]:
    """Measures several enlarged versions of one picture; networks compute the features of `hr` once.

    Args:
        hr: as in `measure`.
        pictures: label to picture, each as `sr` in `measure`.
        scale: as in `measure`.
        metrics: as in `measure`.
        crop: as in `measure`.

    Returns:
        By label, what `measure` returns.
    """
    crop = scale if crop is None else crop
    chosen = dict(metrics) if isinstance(metrics, Mapping) else {name: metric_named(name) for name in metrics}
    nothing_left = min(hr.shape[:2]) <= 2 * crop
    result: dict[str, dict[str, float]] = {label: {} for label in pictures}
    for name, metric in chosen.items():
        column = protocol_name(name, crop)
        values = [math.nan] * len(pictures)
        if not nothing_left:
            values = metric.values(hr, list(pictures.values()), crop, scale)
        for label, value in zip(pictures, values, strict=True):
            result[label][column] = value
    return result


__all__ = [
    "GROUPS", "LEARNED", "METRICS", "PSNR", "SSIM", "Metric", "band_ratio", "checkerboard_ratio", "detail_ratio",
    "expand", "flat_noise", "gmsd", "luma", "mean_color", "measure", "measure_all", "metric_named", "ms_ssim",
    "ms_ssim_y", "picture_metric", "power_spectrum", "protocol_name", "psnr", "psnr_rgb", "psnr_y", "score", "ssim",
    "ssim_y",
]  # fmt: skip
