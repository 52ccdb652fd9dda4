"""The input pixels that contribute to each output pixel, and their weights: kernels, axes, borders."""

import functools
import math
import sys
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

Border = Literal["replicate", "symmetric", "wrap"]

# Added before rounding down; see the docstring of the package.
HALF = 0.5 + 1e-9
INTEGERS = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def _cubic(x, width, xp):
    x = abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return xp.where(x <= 1.0, near, xp.where(x <= 2.0, far, 0.0 * x))


def _triangle(x, width, xp):
    return xp.maximum(1.0 - abs(x), 0.0 * x)


def _lanczos(lobes: int, x, width, xp):
    tiny = np.finfo(np.float64).eps  # MATLAB's way to avoid 0 / 0
    value = (xp.sin(np.pi * x) * xp.sin(np.pi * x / lobes) + tiny) / ((np.pi * x) ** 2 / lobes + tiny)
    return xp.where(abs(x) < lobes, value, 0.0 * x)


def _box(x, width, xp):
    return xp.where((x >= -0.5) & (x < 0.5), 1.0 + 0.0 * x, 0.0 * x)


def _coverage(x, width, xp):
    # The overlap of an input pixel with the output pixel, which is `width` input pixels wide.
    return xp.maximum(xp.minimum((width + 1.0) / 2.0 - abs(x), xp.minimum(width, 1.0)), 0.0 * x)


# Name -> (function from distances to weights, support in kernel units). Only `area` measures distances in input pixels.
KERNELS: dict[str, tuple[Callable, float]] = {
    "bicubic": (_cubic, 4.0),
    "bilinear": (_triangle, 2.0),
    "lanczos2": (functools.partial(_lanczos, 2), 4.0),
    "lanczos3": (functools.partial(_lanczos, 3), 6.0),
    "box": (_box, 1.0),
    "area": (_coverage, 1.0),
    "nearest": (_box, 1.0),
}


def axes_of(lengths, scale, size, kernel: str, border: str) -> list[tuple]:
    """Returns (output length, output / input) of the vertical and the horizontal axis; tensors if an input is one."""
    if kernel not in KERNELS:
        raise ValueError(f"no kernel {kernel!r}; expected one of {', '.join(KERNELS)}")
    if border not in get_args(Border):
        raise ValueError(f"no border {border!r}; expected one of {', '.join(get_args(Border))}")
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    if size is not None:
        size = [size[0], size[1]]
        axes = [(out, _float(out) / _float(length)) for out, length in zip(size, lengths, strict=True)]
    else:
        scales = [scale[0], scale[1]] if _is_pair(scale) else [scale, scale]
        # Subtracting 1e-9 makes a third of 9 pixels 3, not 4, regardless of how 1 / 3 was rounded.
        axes = [(_ceil(_float(s) * _float(n) - 1e-9), s) for s, n in zip(scales, lengths, strict=True)]
    for out, ratio in axes:
        if not (_is_tensor(out) or out >= 1) or not (_is_tensor(ratio) or 0 < ratio < math.inf):
            raise ValueError(f"cannot resize {lengths[0]} x {lengths[1]} pixels by scale {scale}, size {size}")
    return axes


def _is_tensor(value) -> bool:
    # TensorFlow is not imported here: a caller with a tensor has imported it.
    return "tensorflow" in sys.modules and sys.modules["tensorflow"].is_tensor(value)


def _is_pair(scale) -> bool:
    return scale.shape.rank == 1 if _is_tensor(scale) else np.ndim(scale) == 1


def _float(value):
    if not _is_tensor(value):
        return float(value)
    tf = sys.modules["tensorflow"]
    return tf.cast(value, tf.float64)


def _ceil(value):
    if not _is_tensor(value):
        return math.ceil(value)
    tf = sys.modules["tensorflow"]
    return tf.cast(tf.math.ceil(value), tf.int32)


def order_of(axes) -> tuple[int, int] | None:
    """Returns the axes in MATLAB's order, the smaller scale first; None if the order is known only in the graph."""
    first, second = axes[0][1], axes[1][1]
    if first is second:
        return (0, 1)
    if _is_tensor(first) or _is_tensor(second):
        return None
    return (0, 1) if first <= second else (1, 0)


def taps_of(in_length, out_length, ratio, kernel: str, antialias: bool, border: str, xp, taps):
    """Returns indices and weights, both (out_length, taps), of the input pixels that each output pixel sums."""
    function, _ = KERNELS[kernel]
    width = 1.0 / ratio if kernel == "area" else 1.0
    stretch = xp.minimum(ratio, 1.0) if _widens(kernel, antialias) else 1.0
    center = (xp.arange(out_length) + 0.5) / ratio - 0.5
    # `taps` covers the support and one more pixel per side, like MATLAB's, as a margin for rounding.
    left = xp.floor(center - (taps - 2) / 2.0)[:, None]
    position = left + xp.arange(taps)[None, :]
    weights = function(stretch * (center[:, None] - position), width, xp)
    weights = weights / xp.sum(weights, axis=1, keepdims=True)
    if border == "replicate":
        index = xp.minimum(xp.maximum(position, 0.0), in_length - 1.0)
    elif border == "wrap":
        index = position % in_length
    else:
        index = position % (2.0 * in_length)
        index = xp.minimum(index, 2.0 * in_length - 1.0 - index)
    return index, weights


def _widens(kernel: str, antialias: bool) -> bool:
    return antialias and kernel not in ("nearest", "area")


def support_of(ratio, kernel: str, antialias: bool, xp):
    """Returns the number of input pixels that the kernel covers."""
    support = KERNELS[kernel][1]
    if kernel == "area":
        return support + 1.0 / ratio
    return support / xp.minimum(ratio, 1.0) if _widens(kernel, antialias) else support


@functools.lru_cache(maxsize=64)
def cached_taps(
    in_length: int, out_length: int, ratio: float, kernel: str, antialias: bool, border: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `taps_of` in float64 without columns that are all zero; shared between callers, so don't change it."""
    taps = math.ceil(float(support_of(ratio, kernel, antialias, np))) + 2
    index, weights = taps_of(in_length, out_length, ratio, kernel, antialias, border, np, taps)
    index = index.astype(np.int64)
    used = np.any(weights != 0.0, axis=0)
    return index[:, used], weights[:, used]


def dense(index: np.ndarray, weights: np.ndarray, columns: int) -> np.ndarray:
    """Returns the taps as a matrix, (outputs, `columns`)."""
    matrix = np.zeros((len(index), columns))
    np.add.at(matrix, (np.arange(len(index))[:, None], index), weights)
    return matrix
