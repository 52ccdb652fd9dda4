"""Custom metrics: a function of two pictures, and how to read its values."""

import inspect
from collections.abc import Callable
from typing import Literal

import numpy as np

from sr_gan_tf.metrics.catalog import Metric
from sr_gan_tf.registry.parts import register


def picture_metric(
    better: Literal["higher", "lower", "one"], title: str | None = None, digits: int = 4, meaning: str = ""
) -> Callable[[Callable], Metric]:
    """Makes a custom metric from a function, and registers it under the function's name.

    Args:
        better: which values are better; `"one"` for ratios.
        title: heading in tables; default: the function's name.
        digits: decimals in tables.
        meaning: explanation for reports; default: the first line of the function's docstring.

    Returns:
        A decorator. The function takes (hr, sr), both uint8 (H, W, 3), or (H, W) if hr is gray, with `scale` pixels
        already cropped from each border, and returns a number; a third argument, if it has one, is the scale.

    Example:
        >>> @sr_gan_tf.metrics.picture_metric(better="lower")
        ... def worst_error(hr, sr):
        ...     return abs(hr.astype(float) - sr).max()
    """

    def decorate(function: Callable) -> Metric:
        takes_scale = len(inspect.signature(function).parameters) > 2

        def apply(hr: np.ndarray, sr: np.ndarray, crop: int, scale: int) -> float:
            if hr.ndim == 2 and sr.ndim == 3:
                sr = np.rint(sr.mean(-1)).astype(np.uint8)
            inner = slice(crop, -crop or None)
            pair = hr[inner, inner], sr[inner, inner]
            return float(function(*pair, scale) if takes_scale else function(*pair))

        text = meaning or (function.__doc__ or function.__name__).strip().splitlines()[0]
        metric = Metric(apply, title or function.__name__, better, digits, text)
        return register(metric, name=function.__name__)

    return decorate
