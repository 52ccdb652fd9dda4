"""MATLAB's imresize, twice: in NumPy for files of any size, in TensorFlow for graphs.

The published LR pictures were made by it, and equal figures need equal pictures: bicubic with a = -0.5, the kernel
widened by the scale when shrinking (antialiasing), edges replicated, the axis that shrinks most first (the vertical
one when both shrink alike), and integer pictures rounded between the two passes. Newer releases of MATLAB mirror the
edges instead: `border="symmetric"`; the public benchmark files were made with replicated ones.

Sums run in float64. A value that is exactly halfway is rounded up whatever the order of summation, since both
versions add 1e-9 before they round; for scales 2, 4 and 8 the weights are dyadic and the sums exact.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

Border = Literal["replicate", "symmetric", "wrap"]

_HALF = 0.5 + 1e-9
# Multiplications in one product. A block's buffers stay in the processor's cache, and OpenBLAS computes such a product
# in the calling thread: larger ones wait for all its threads, which costs far more than it gives on a busy machine.
PRODUCT = 150_000
_INTEGERS = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def _cubic(x, width, xp):
    x = abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return xp.where(x <= 1.0, near, xp.where(x <= 2.0, far, 0.0 * x))


def _triangle(x, width, xp):
    return xp.maximum(1.0 - abs(x), 0.0 * x)


def _lanczos(lobes: int, x, width, xp):
    tiny = np.finfo(np.float64).eps  # MATLAB's own way round 0 / 0
    value = (xp.sin(np.pi * x) * xp.sin(np.pi * x / lobes) + tiny) / ((np.pi * x) ** 2 / lobes + tiny)
    return xp.where(abs(x) < lobes, value, 0.0 * x)


def _box(x, width, xp):
    return xp.where((x >= -0.5) & (x < 0.5), 1.0 + 0.0 * x, 0.0 * x)


def _coverage(x, width, xp):
    # Overlap of an input pixel with the output pixel's own square, which is `width` input pixels wide.
    return xp.maximum(xp.minimum((width + 1.0) / 2.0 - abs(x), xp.minimum(width, 1.0)), 0.0 * x)


# Name -> (weights of distances, support in kernel units). `area` alone measures distances in input pixels.
KERNELS: dict[str, tuple[Callable, float]] = {
    "bicubic": (_cubic, 4.0),
    "bilinear": (_triangle, 2.0),
    "lanczos2": (functools.partial(_lanczos, 2), 4.0),
    "lanczos3": (functools.partial(_lanczos, 3), 6.0),
    "box": (_box, 1.0),
    "area": (_coverage, 1.0),
    "nearest": (_box, 1.0),
}


def imresize(
    image: np.ndarray,
    scale: float | Sequence[float] | None = None,
    size: Sequence[int] | None = None,
    kernel: str = "bicubic",
    antialias: bool = True,
    border: Border = "replicate",
) -> np.ndarray:
    """A picture enlarged or shrunk as MATLAB does, to the bit.

    Args:
        image: (H, W), (H, W, C) or (N, H, W, C). uint8 and uint16 are rounded and clipped after each pass;
            float16, float32 and float64 keep their type and may leave the kernel's input range.
        scale: output size over input size, one number or (vertical, horizontal); the output has
            `ceil(scale * length)` pixels. Either this or `size`.
        size: (height, width) of the output.
        kernel: bicubic, bilinear, lanczos2, lanczos3, box (MATLAB's), area (exact coverage of each output pixel)
            or nearest.
        antialias: widen the kernel when shrinking (`nearest` never does).
        border: `replicate` repeats the edge pixel, `symmetric` mirrors the picture, `wrap` repeats it.

    Raises:
        ValueError: for an unknown kernel or border, a type or shape that is no picture, or a size below 1.
    """
    image = np.asarray(image)
    if image.dtype not in _INTEGERS and image.dtype.kind != "f":
        raise ValueError(f"imresize takes uint8, uint16 or float pictures, got {image.dtype}")
    if image.ndim == 4:
        return np.stack([imresize(one, scale, size, kernel, antialias, border) for one in image])
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"imresize takes (H, W), (H, W, C) or (N, H, W, C) pictures, got shape {image.shape}")
    axes = _axes(image.shape[:2], scale, size, kernel, border)
    for axis in _order(axes):
        length, ratio = axes[axis]
        taps = _cached_taps(image.shape[axis], length, ratio, kernel, antialias, border)
        turned = np.ascontiguousarray(np.swapaxes(image, 0, axis))
        rows = _apply(turned.reshape(len(turned), -1), *taps, ratio)
        image = np.swapaxes(rows.reshape(length, *turned.shape[1:]), 0, axis)
    return np.ascontiguousarray(image)


def imresize_rows(
    image: np.ndarray,
    size: Sequence[int],
    rows: Iterable[tuple[int, int]],
    kernel: str = "bicubic",
    border: Border = "replicate",
) -> Iterator[np.ndarray]:
    """The rows [first, last) of `imresize` to `size`, block by block as `rows` asks for them.

    The vertical pass comes first whatever the scales, so where the width shrinks more than the height, integers may
    differ from `imresize` by the rounding between the passes. `image` may be mapped from a file: only the rows that
    a block needs are read.
    """
    (height, ratio), _ = axes = _axes(image.shape[:2], None, size, kernel, border)
    index, weights = _cached_taps(image.shape[0], height, ratio, kernel, True, border)
    across = _cached_taps(image.shape[1], axes[1][0], axes[1][1], kernel, True, border)
    for first, last in rows:
        part = index[first:last]
        top, bottom = int(part.min()), int(part.max()) + 1
        source = np.ascontiguousarray(image[top:bottom])
        block = _apply(source.reshape(len(source), -1), part - top, weights[first:last], ratio)
        turned = np.swapaxes(block.reshape(len(block), *image.shape[1:]), 0, 1)
        columns = _apply(np.ascontiguousarray(turned).reshape(len(turned), -1), *across, axes[1][1])
        yield np.ascontiguousarray(np.swapaxes(columns.reshape(axes[1][0], *turned.shape[1:]), 0, 1))


def imresize_tf(
    image,
    scale: float | Sequence[float] | None = None,
    size=None,
    kernel: str = "bicubic",
    antialias: bool = True,
    border: Border = "replicate",
) -> tf.Tensor:
    """`imresize` as TensorFlow operations: two matrix products, differentiable for float pictures.

    Arguments as for `imresize`; the picture is (H, W, C) or (N, H, W, C). Height and width, `scale` and `size` may
    be tensors (tf.data); for XLA they must be known when the graph is made. The products are dense: meant for
    crops and pictures of some megapixels, while `imresize` is the frugal one for large files.
    """
    image = tf.convert_to_tensor(image)
    if image.shape.rank not in (3, 4):
        raise ValueError(f"imresize_tf takes (H, W, C) or (N, H, W, C) pictures, got shape {image.shape}")
    dtype, peak = image.dtype, _INTEGERS.get(np.dtype(image.dtype.as_numpy_dtype))
    if peak is None and not dtype.is_floating:
        raise ValueError(f"imresize_tf takes uint8, uint16 or float pictures, got {dtype.name}")
    static, dynamic = image.shape[-3:-1], tf.shape(image)
    lengths = [static[i] if static[i] is not None else dynamic[i - 3] for i in (0, 1)]
    axes = _axes(lengths, scale, size, kernel, border)
    matrices = [
        _matrix(lengths[axis], length, ratio, kernel, antialias, border) for axis, (length, ratio) in enumerate(axes)
    ]
    values = tf.cast(image, tf.float64)

    def vertical(values):
        return _rounded(tf.einsum("oh,...hwc->...owc", matrices[0], values), peak)

    def horizontal(values):
        return _rounded(tf.einsum("ow,...hwc->...hoc", matrices[1], values), peak)

    order = _order(axes)
    if order is None:
        is_vertical_first = tf.cast(axes[0][1], tf.float64) <= tf.cast(axes[1][1], tf.float64)
        values = tf.cond(is_vertical_first, lambda: horizontal(vertical(values)), lambda: vertical(horizontal(values)))
    else:
        for axis in order:
            values = (vertical, horizontal)[axis](values)
    return tf.cast(values, dtype)


def _axes(lengths, scale, size, kernel: str, border: str) -> list[tuple]:
    """(output length, output / input) of the vertical and the horizontal axis; tensors where an input is one."""
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
        # 1e-9: a third of 9 pixels is 3, not 4, however 1 / 3 was rounded.
        axes = [(_ceil(_float(s) * _float(n) - 1e-9), s) for s, n in zip(scales, lengths, strict=True)]
    for out, ratio in axes:
        if not (tf.is_tensor(out) or out >= 1) or not (tf.is_tensor(ratio) or 0 < ratio < math.inf):
            raise ValueError(f"cannot resize {lengths[0]} x {lengths[1]} pixels by scale {scale}, size {size}")
    return axes


def _is_pair(scale) -> bool:
    return scale.shape.rank == 1 if tf.is_tensor(scale) else np.ndim(scale) == 1


def _float(value):
    return tf.cast(value, tf.float64) if tf.is_tensor(value) else float(value)


def _ceil(value):
    return tf.cast(tf.math.ceil(value), tf.int32) if tf.is_tensor(value) else math.ceil(value)


def _order(axes) -> tuple[int, int] | None:
    """Axes in the order MATLAB takes them: the smaller scale first; None where only the graph will know."""
    first, second = axes[0][1], axes[1][1]
    if first is second:
        return (0, 1)
    if tf.is_tensor(first) or tf.is_tensor(second):
        return None
    return (0, 1) if first <= second else (1, 0)


def _taps(in_length, out_length, ratio, kernel: str, antialias: bool, border: str, xp, taps):
    """Indices and weights, both (out_length, taps), of the input pixels that each output pixel sums up."""
    function, _ = KERNELS[kernel]
    width = 1.0 / ratio if kernel == "area" else 1.0
    stretch = xp.minimum(ratio, 1.0) if _widens(kernel, antialias) else 1.0
    centre = (xp.arange(out_length) + 0.5) / ratio - 0.5
    # `taps` spans the support and one pixel more a side, as MATLAB does against rounding.
    left = xp.floor(centre - (taps - 2) / 2.0)[:, None]
    position = left + xp.arange(taps)[None, :]
    weights = function(stretch * (centre[:, None] - position), width, xp)
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


def _support(ratio, kernel: str, antialias: bool, xp):
    """Input pixels that the kernel covers."""
    support = KERNELS[kernel][1]
    if kernel == "area":
        return support + 1.0 / ratio
    return support / xp.minimum(ratio, 1.0) if _widens(kernel, antialias) else support


@functools.lru_cache(maxsize=64)
def _cached_taps(in_length: int, out_length: int, ratio: float, kernel: str, antialias: bool, border: str):
    taps = math.ceil(float(_support(ratio, kernel, antialias, np))) + 2
    index, weights = _taps(in_length, out_length, ratio, kernel, antialias, border, np, taps)
    index = index.astype(np.int64)
    used = np.any(weights != 0.0, axis=0)
    return index[:, used], weights[:, used]


def _dense(index: np.ndarray, weights: np.ndarray, columns: int) -> np.ndarray:
    matrix = np.zeros((len(index), columns))
    np.add.at(matrix, (np.arange(len(index))[:, None], index), weights)
    return matrix


def _apply(rows: np.ndarray, index: np.ndarray, weights: np.ndarray, ratio: float) -> np.ndarray:
    """Each output row is a weighted sum of a few input rows: a banded matrix product, block by block."""
    peak, columns = _INTEGERS.get(rows.dtype), rows.shape[1]
    result = np.empty((len(index), columns), rows.dtype)
    # A block of output rows reads as many new rows as it shares with its neighbours.
    step = max(8, math.ceil(index.shape[1] * max(ratio, 1.0)))
    # One pair of buffers for all blocks: giving memory back and asking for it again costs more than the sums.
    reach = math.ceil(step / ratio) + index.shape[1]
    chunk = min(columns, max(16, PRODUCT // (step * reach)))
    source, target = np.empty(0), np.empty((step, chunk))
    for start in range(0, len(index), step):
        part = index[start : start + step]
        first, last = int(part.min()), int(part.max()) + 1
        matrix = _dense(part - first, weights[start : start + step], last - first)
        if source.shape[:1] < (last - first,):
            source = np.empty((last - first, chunk))
        for column in range(0, columns, chunk):
            width = min(chunk, columns - column)
            inputs = source[: last - first, :width]
            inputs[...] = rows[first:last, column : column + width]
            sums = target[: len(part), :width]
            np.matmul(matrix, inputs, out=sums)
            if peak is not None:
                sums += _HALF
                np.floor(sums, out=sums)
                np.clip(sums, 0.0, peak, out=sums)
            result[start : start + len(part), column : column + width] = sums
    return result


def _matrix(in_length, out_length, ratio, kernel: str, antialias: bool, border: str) -> tf.Tensor:
    """(out_length, in_length) weights: a constant where all is known, otherwise made in the graph."""
    if not any(tf.is_tensor(value) for value in (in_length, out_length, ratio)):
        taps = _cached_taps(in_length, out_length, float(ratio), kernel, antialias, border)
        return tf.constant(_dense(*taps, in_length), tf.float64)
    in_length, out_length = tf.cast(in_length, tf.int32), tf.cast(out_length, tf.int32)
    ratio = tf.cast(ratio, tf.float64)
    support = tf.cast(_support(ratio, kernel, antialias, tf), tf.float64)
    taps = tf.cast(tf.math.ceil(support), tf.int32) + 2
    index, weights = _taps(
        tf.cast(in_length, tf.float64), tf.cast(out_length, tf.float64), ratio, kernel, antialias, border, _Graph,
        tf.cast(taps, tf.float64),
    )  # fmt: skip
    row = tf.broadcast_to(tf.range(out_length)[:, None], tf.shape(index))
    places = tf.stack([row, tf.cast(index, tf.int32)], axis=-1)
    return tf.scatter_nd(places, weights, tf.stack([out_length, in_length]))


class _Graph:
    """The few NumPy names that `_taps` and the kernels use, as TensorFlow operations."""

    arange, floor, minimum, maximum, where, sin = tf.range, tf.floor, tf.minimum, tf.maximum, tf.where, tf.sin
    sum = staticmethod(tf.reduce_sum)


def _rounded(values: tf.Tensor, peak: float | None) -> tf.Tensor:
    return values if peak is None else tf.clip_by_value(tf.floor(values + _HALF), 0.0, peak)
