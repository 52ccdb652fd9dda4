"""imresize in NumPy: banded matrix products, block by block."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sr_gan_tf.resampling.taps import HALF, INTEGERS, Border, axes_of, cached_taps, dense, order_of

# Multiplications per product. A block's buffers stay in the processor's cache, and OpenBLAS computes such a product in
# the calling thread. Larger products wait for all its threads, which costs far more than it saves on a busy machine.
PRODUCT = 150_000


def imresize(
    image: np.ndarray,
    scale: float | Sequence[float] | None = None,
    size: Sequence[int] | None = None,
    kernel: str = "bicubic",
    antialias: bool = True,
    border: Border = "replicate",
) -> np.ndarray:
    """Enlarges or shrinks a picture like MATLAB, bit for bit.

    Args:
        image: (H, W), (H, W, C) or (N, H, W, C). uint8 and uint16 are rounded and clipped after each pass; float16,
            float32 and float64 keep their type and may exceed the range of the input.
        scale: output size divided by input size, one number or (vertical, horizontal); the output has
            `ceil(scale * length)` pixels. Pass either this or `size`.
        size: (height, width) of the output.
        kernel: bicubic, bilinear, lanczos2, lanczos3, box (MATLAB's), area (exact coverage of each output pixel)
            or nearest.
        antialias: widen the kernel when shrinking (`nearest` never does).
        border: `replicate` repeats the edge pixel, `symmetric` mirrors the picture, `wrap` tiles it.

    Raises:
        ValueError: the kernel or border is unknown, the type or shape is no picture's, or a size is below 1.
    """
    image = np.asarray(image)
    if image.dtype not in INTEGERS and image.dtype.kind != "f":
        raise ValueError(f"imresize takes uint8, uint16 or float pictures, got {image.dtype}")
    if image.ndim == 4:
        return np.stack([imresize(one, scale, size, kernel, antialias, border) for one in image])
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"imresize takes (H, W), (H, W, C) or (N, H, W, C) pictures, got shape {image.shape}")
    axes = axes_of(image.shape[:2], scale, size, kernel, border)
    for axis in order_of(axes) or (0, 1):
        length, ratio = axes[axis]
        taps = cached_taps(image.shape[axis], length, ratio, kernel, antialias, border)
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
    """Yields the rows [first, last) of `imresize` to `size`, one block per item of `rows`.

    The vertical pass always comes first. If the width shrinks more than the height, integers may therefore differ from
    `imresize` by the rounding between the passes. `image` may be memory-mapped: only the rows that a block needs are
    read.
    """
    (height, ratio), _ = axes = axes_of(image.shape[:2], None, size, kernel, border)
    index, weights = cached_taps(image.shape[0], height, ratio, kernel, True, border)
    across = cached_taps(image.shape[1], axes[1][0], axes[1][1], kernel, True, border)
    for first, last in rows:
        part = index[first:last]
        top, bottom = int(part.min()), int(part.max()) + 1
        source = np.ascontiguousarray(image[top:bottom])
        block = _apply(source.reshape(len(source), -1), part - top, weights[first:last], ratio)
        turned = np.swapaxes(block.reshape(len(block), *image.shape[1:]), 0, 1)
        columns = _apply(np.ascontiguousarray(turned).reshape(len(turned), -1), *across, axes[1][1])
        yield np.ascontiguousarray(np.swapaxes(columns.reshape(axes[1][0], *turned.shape[1:]), 0, 1))


def _apply(rows: np.ndarray, index: np.ndarray, weights: np.ndarray, ratio: float) -> np.ndarray:
    """Computes each output row as a weighted sum of a few input rows: a banded matrix product, block by block."""
    peak, columns = INTEGERS.get(rows.dtype), rows.shape[1]
    result = np.empty((len(index), columns), rows.dtype)
    # A block of output rows reads as many new rows as it shares with its neighbors.
    step = max(8, math.ceil(index.shape[1] * max(ratio, 1.0)))
    # All blocks share one pair of buffers: freeing and allocating memory costs more than the sums.
    reach = math.ceil(step / ratio) + index.shape[1]
    chunk = min(columns, max(16, PRODUCT // (step * reach)))
    source, target = np.empty(0), np.empty((step, chunk))
    for start in range(0, len(index), step):
        part = index[start : start + step]
        first, last = int(part.min()), int(part.max()) + 1
        matrix = dense(part - first, weights[start : start + step], last - first)
        if source.shape[:1] < (last - first,):
            source = np.empty((last - first, chunk))
        for column in range(0, columns, chunk):
            width = min(chunk, columns - column)
            inputs = source[: last - first, :width]
            inputs[...] = rows[first:last, column : column + width]
            sums = target[: len(part), :width]
            np.matmul(matrix, inputs, out=sums)
            if peak is not None:
                sums += HALF
                np.floor(sums, out=sums)
                np.clip(sums, 0.0, peak, out=sums)
            result[start : start + len(part), column : column + width] = sums
    return result
