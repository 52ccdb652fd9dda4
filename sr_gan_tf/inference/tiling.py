"""Runs a network on a picture in tiles, one row of tiles at a time, with the same result as for the whole picture.

Each tile is computed from a window that extends beyond it by a halo, the reach of the network according to its graph
(receptive_field.py). Windows end at the edges of the picture, which is extended by a few mirrored pixels, because zero
padding would draw a frame (`enlarger.BORDER`). Windows of a picture have one size if possible, and start at multiples
of the network's largest stride. A network that sees the whole picture has no such halo: its tiles overlap and are
blended, which is an approximation and is reported.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.enlarger import Enlarger, as_samples
from sr_gan_tf.inference.tile_plan import OVERLAP as OVERLAP
from sr_gan_tf.inference.tile_plan import SMALLEST_TILE, Span, Tiling, spans
from sr_gan_tf.inference.tile_plan import plan as plan

if TYPE_CHECKING:
    import keras


def enlarged_rows(
    enlarger: Enlarger, image: np.ndarray, tiling: Tiling, report: Callable[[float], None] | None = None
) -> Iterator[np.ndarray]:
    """Yields blocks of rows (rows, scale*W, C) of the enlarged picture, from top to bottom.

    Args:
        enlarger: the generator.
        image: (H, W, 1 or 3) uint8, uint16 or float32, in memory or memory-mapped.
        tiling: how to cut the picture.
        report: called after each tile with its share of the picture, 0 to 1.
    """
    height, width = image.shape[:2]
    columns = spans(width, tiling.tile[1], tiling.halo, tiling.alignment)
    rows = spans(height, tiling.tile[0], tiling.halo, tiling.alignment)
    if not tiling.exact and len(columns) * len(rows) > 1:
        yield from _blended_rows(enlarger, image, tiling, rows, columns, report)
        return
    scale = enlarger.scale
    for row in rows:
        block = np.empty(((row.last - row.first) * scale, width * scale, image.shape[2]), image.dtype)
        for column in columns:
            core = _core(enlarger, image, tiling, row, column)
            block[:, column.first * scale : column.last * scale] = core
            if report is not None:
                report((row.last - row.first) * (column.last - column.first) / (height * width))
        yield block


def _window(
    enlarger: Enlarger, image: np.ndarray, tiling: Tiling, row: Span, column: Span, rounded: bool = True
) -> np.ndarray:
    """The enlarged window of a tile, computed with mirrored pixels where the window meets an edge."""
    window = image[row.start : row.stop, column.start : column.stop]
    beyond = [
        (tiling.border * (span.start == 0), tiling.border * (span.stop == length))
        for span, length in zip((row, column), image.shape, strict=False)
    ]
    if any(map(any, beyond)):
        window = np.pad(window, [*beyond, (0, 0)], mode="symmetric")
    result, scale = enlarger(window, rounded), enlarger.scale
    top, left = (before * scale for before, _ in beyond)
    height, width = row.stop - row.start, column.stop - column.start
    return result[top : top + height * scale, left : left + width * scale]


def _core(enlarger: Enlarger, image: np.ndarray, tiling: Tiling, row: Span, column: Span) -> np.ndarray:
    """Computes one tile; if memory runs out, in two halves."""
    scale = enlarger.scale
    try:
        result = _window(enlarger, image, tiling, row, column)
    except MemoryError as error:
        whole = row.stop - row.start == image.shape[0] and column.stop - column.start == image.shape[1]
        halves = _halved(row, column, image.shape, tiling) if tiling.exact or whole else None
        if halves is None:
            raise InputError(
                f"not enough memory for a tile of {row.stop - row.start} x {column.stop - column.start} pixels; free "
                "memory, or pass a smaller --tile"
            ) from error
        axis, parts = halves
        return np.concatenate([_core(enlarger, image, tiling, *part) for part in parts], axis=axis)
    return result[
        (row.first - row.start) * scale : (row.last - row.start) * scale,
        (column.first - column.start) * scale : (column.last - column.start) * scale,
    ]


def _halved(row: Span, column: Span, shape: tuple, tiling: Tiling) -> tuple[int, list[tuple[Span, Span]]] | None:
    """Splits the tile along its longer side; None if it is too small."""
    axis = 0 if row.last - row.first >= column.last - column.first else 1
    span, length, unit = (row, column)[axis], shape[axis], tiling.alignment
    middle = (span.first + span.last) // 2 // unit * unit
    if middle - span.first < SMALLEST_TILE // 2:
        return None
    margin = -(-tiling.halo // unit) * unit
    before = Span(span.start, min(length, middle + margin + length % unit), span.first, middle)
    after = Span(max(0, middle - margin), span.stop, middle, span.last)
    return axis, [(part, column) if axis == 0 else (row, part) for part in (before, after)]


def _blended_rows(
    enlarger: Enlarger, image: np.ndarray, tiling: Tiling, rows: list[Span], columns: list[Span], report
) -> Iterator[np.ndarray]:
    """Blends tiles across their borders with weights that fall linearly over half a halo on either side."""
    height, width, channels = image.shape
    scale, reach = enlarger.scale, tiling.halo // 2
    carried = np.zeros((0, width * scale, channels), np.float32)
    done = 0  # LR rows that have been returned
    for row in rows:
        top, bottom = max(0, row.first - reach), min(height, row.last + reach)
        band = np.zeros(((bottom - top) * scale, width * scale, channels), np.float32)
        band[: len(carried)] = carried
        down = _weights(row, top, bottom, height, reach, scale)[:, None, None]
        for column in columns:
            left, right = max(0, column.first - reach), min(width, column.last + reach)
            result = _window(enlarger, image, tiling, row, column, rounded=False)
            result = result[(top - row.start) * scale : (bottom - row.start) * scale]
            result = result[:, (left - column.start) * scale : (right - column.start) * scale]
            across = _weights(column, left, right, width, reach, scale)[:, None]
            band[:, left * scale : right * scale] += result * down * across
            if report is not None:
                report((row.last - row.first) * (column.last - column.first) / (height * width))
        done = height if row.last == height else row.last - reach
        carried = band[(done - top) * scale :].copy()
        yield as_samples(band[: (done - top) * scale], image.dtype)


def _weights(span: Span, first: int, last: int, length: int, reach: int, scale: int) -> np.ndarray:
    """Weights of a tile's pixels first*scale ... last*scale - 1; those of neighbors add up to 1."""
    place = (np.arange(first * scale, last * scale) + 0.5) / scale
    rising = np.ones_like(place) if span.first == 0 else (place - span.first) / (2 * reach) + 0.5
    falling = np.ones_like(place) if span.last == length else (span.last - place) / (2 * reach) + 0.5
    return np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)


def upscale_array(
    generator: "keras.Model", image: np.ndarray, tile: int | None = None, border: bool = True
) -> np.ndarray:
    """Enlarges a picture, in tiles that fit in memory.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3).
        image: (H, W), (H, W, 1) or (H, W, 3), uint8, uint16 or float32 in [0, 1].
        tile: side of a tile in LR pixels; default: chosen by the free memory.
        border: whether to extend the picture at its edges, as the upscale command does. False leaves the edges to the
            network's padding, as in published figures.

    Returns:
        The enlarged picture, of the same type; floats are not clipped.
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)) or not image.size:
        raise InputError(
            f"a picture of shape {image.shape} cannot be enlarged; expected (H, W), (H, W, 1) or (H, W, 3)"
        )
    from sr_gan_tf.inference.keras_enlarger import enlarger_of  # arrays are enlarged without Keras, too

    enlarger = enlarger_of(generator)
    samples = image[..., None] if image.ndim == 2 else image
    tiling = plan(enlarger, samples.shape, tile)
    tiling = tiling if border else dataclasses.replace(tiling, border=0)
    blocks = list(enlarged_rows(enlarger, samples, tiling))
    result = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return result[..., 0] if image.ndim == 2 else result
