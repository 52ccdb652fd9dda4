"""A picture through a network in tiles, row of tiles by row of tiles, exactly as if it went through in one piece.

Each tile is computed from a window that reaches a halo beyond it: as far as the network looks, which its graph says
(receptive_field.py). At the picture's edge the window ends there too, so that the network's own padding acts as it
does on the whole picture. Windows of a picture are all of one size where that is possible, and start at multiples of
the network's largest stride. A network that looks at the whole picture has no such halo: its tiles overlap and are
blended, which is an approximation and is said to be one.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.enlarger import Enlarger, as_samples, enlarger_of
from sr_gan_tf.inference.halo import measured_halo
from sr_gan_tf.inference.memory import free_memory

OVERLAP = 32
_SMALLEST_TILE = 16
# A tile whose halo makes more than this much of the work worth having is worth more memory.
_COMFORTABLE_WORK = 1.5
_COMFORTABLE_MEMORY = 2**30
# Where even all free memory leaves more than this, a measured halo takes the place of the exact one.
_LARGEST_WORK = 2.0


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How pictures are cut.

    Args:
        halo: LR pixels around a tile that its window holds beyond it.
        exact: whether that halo makes tiles equal to the whole; else they overlap by it and are blended.
        alignment: windows start at multiples of this.
        tile: height and width of the largest tile, in LR pixels, without its halo.
        note: what a user should know about it, or nothing.
    """

    halo: int
    exact: bool
    alignment: int = 1
    tile: tuple[int, int] = (256, 256)
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Span:
    """One tile along one axis: the window [start, stop) that is computed and the core [first, last) that is kept."""

    start: int
    stop: int
    first: int
    last: int


def spans(length: int, tile: int, halo: int, alignment: int = 1) -> list[Span]:
    """Cuts an axis into cores that cover it once, in windows of one size (up to `alignment`).

    Args:
        length: pixels of the axis.
        tile: largest core.
        halo: pixels that a window reaches beyond its core, where the picture doesn't end before.
        alignment: every window starts at a multiple of it and ends at the picture's end or as far from it as a
            multiple, so that a network which pads to multiples does so alike in each.
    """
    margin = -(-halo // alignment) * alignment
    tile = max(alignment, tile // alignment * alignment)
    if length <= tile + 2 * margin:
        return [Span(0, length, 0, length)]
    rest = length % alignment
    count = -(-(length - rest - 2 * margin) // tile)
    core = -(-(length - rest - 2 * margin) // (count * alignment)) * alignment
    window = core + 2 * margin + rest
    result: list[Span] = []
    first = 0
    while first < length:
        start = max(0, min(first - margin, length - window))
        stop = min(length, start + window)
        last = length if stop == length else stop - rest - margin
        result.append(Span(start, stop, first, last))
        first = last
    return result


def plan(
    enlarger: Enlarger,
    shape: tuple[int, ...],
    tile: int | None = None,
    halo: int | Literal["exact"] | None = None,
    memory: float | None = None,
    itemsize: int = 1,
) -> Tiling:
    """How to cut a picture for a generator: exactly, by its receptive field, wherever that is affordable.

    Args:
        enlarger: what will run the tiles.
        shape: (H, W, ...) of the picture.
        tile: LR pixels a side; default: what memory holds, as few tiles as that gives.
        halo: LR pixels instead of the receptive field's, or `"exact"` for just that; default: the receptive field's,
            or a measured one where it would more than double the work.
        memory: bytes that a row of tiles may take; default: half of what is free, a gigabyte where that does well.
        itemsize: bytes of a sample of the result.
    """
    field = enlarger.field
    largest = free_memory() / 2 if memory is None else memory
    # A row of tiles in the making, one on its way to the encoder, and what the encoder makes of it.
    bytes_a_row = 3 * shape[1] * enlarger.scale**2 * 3 * itemsize

    def best(reach: int) -> tuple[tuple[int, int], float]:
        def within(limit: float) -> tuple[tuple[int, int], float]:
            return _best_tile(shape, reach, field.alignment, limit, enlarger.bytes_per_pixel, bytes_a_row)

        choice = within(min(largest, _COMFORTABLE_MEMORY))
        return choice if choice[1] <= _COMFORTABLE_WORK else within(largest)

    reach, note = OVERLAP if field.halo is None else field.halo, ""
    chosen, work = best(reach)
    if isinstance(halo, int):
        reach = halo
        chosen, work = best(reach)
        if field.halo is not None and reach < field.halo:
            note = f"a halo of {reach} pixels is less than the {field.halo} that the network looks: tiles may show"
    elif field.halo is not None and halo is None and work > _LARGEST_WORK:
        reach, error = measured_halo(enlarger, field.halo)
        chosen, work = best(reach)
        if reach < field.halo:
            note = (
                f"tiles reach {reach} pixels beyond their edges instead of {field.halo}, which changed photographs by "
                f"{error:.2f} grey levels at most; --halo exact changes nothing"
            )
    if tile is not None:
        chosen = (tile, tile)
    if not field.finite:
        # A pixel is blended from two neighbours at most, so tiles are no narrower than two blending zones.
        chosen = (max(chosen[0], 2 * reach), max(chosen[1], 2 * reach))
    if not field.finite and not _is_whole(shape, chosen, reach, field.alignment):
        note = f"tiles overlap by {2 * reach} pixels and are blended, since {field.why} looks at the whole picture"
    return Tiling(reach, field.finite, field.alignment, chosen, note)


def _is_whole(shape: tuple[int, ...], tile: tuple[int, int], halo: int, alignment: int) -> bool:
    return all(len(spans(length, side, halo, alignment)) == 1 for length, side in zip(shape, tile, strict=False))


def _best_tile(
    shape: tuple[int, ...], halo: int, alignment: int, memory: float, bytes_a_pixel: float, bytes_a_row: float
) -> tuple[tuple[int, int], float]:
    """Height and width of the tiles that fit in `memory` with the least work, and that work per pixel."""
    height, width = shape[:2]
    margin = -(-halo // alignment) * alignment
    best, least = (_SMALLEST_TILE, _SMALLEST_TILE), math.inf
    for tall in _cuts(height, margin, alignment):
        widest = int((memory - tall * bytes_a_row) / bytes_a_pixel / min(height, tall + 2 * margin))
        wide = width if widest >= width else (widest - 2 * margin) // alignment * alignment
        if wide < min(_SMALLEST_TILE, width):
            continue
        work = math.prod(
            sum(span.stop - span.start for span in spans(length, side, halo, alignment))
            for length, side in ((height, tall), (width, wide))
        ) / (height * width)
        if work < least:
            best, least = (tall, wide), work
    return best, least


def _cuts(length: int, margin: int, alignment: int) -> Iterator[int]:
    """The sides of tiles that cut an axis into 1, 2, 3 ... parts, down to the smallest."""
    yield length
    for count in range(2, 1000):
        side = -(-max(1, length - 2 * margin) // (count * alignment)) * alignment
        yield max(side, min(_SMALLEST_TILE, length))
        if side <= _SMALLEST_TILE:
            return


def enlarged_rows(
    enlarger: Enlarger, image: np.ndarray, tiling: Tiling, report: Callable[[float], None] | None = None
) -> Iterator[np.ndarray]:
    """Blocks of rows (rows, scale*W, C) of the enlarged picture, from top to bottom.

    Args:
        enlarger: the generator.
        image: (H, W, 1 or 3) uint8, uint16 or float32, in memory or mapped from a file.
        tiling: how to cut it.
        report: told after each tile which part of the picture, 0 to 1, it was.
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


def _core(enlarger: Enlarger, image: np.ndarray, tiling: Tiling, row: Span, column: Span) -> np.ndarray:
    """One tile; one that memory cannot hold is computed in two halves."""
    scale = enlarger.scale
    try:
        result = enlarger(image[row.start : row.stop, column.start : column.stop])
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        whole = row.stop - row.start == image.shape[0] and column.stop - column.start == image.shape[1]
        halves = _halved(row, column, image.shape, tiling) if tiling.exact or whole else None
        if halves is None:
            raise InputError(
                f"not enough memory for a tile of {row.stop - row.start} x {column.stop - column.start} pixels; free "
                "some, or give a smaller --tile"
            ) from error
        axis, parts = halves
        return np.concatenate([_core(enlarger, image, tiling, *part) for part in parts], axis=axis)
    return result[
        (row.first - row.start) * scale : (row.last - row.start) * scale,
        (column.first - column.start) * scale : (column.last - column.start) * scale,
    ]


def _halved(row: Span, column: Span, shape: tuple, tiling: Tiling) -> tuple[int, list[tuple[Span, Span]]] | None:
    """The tile as two along its longer side, None where it is too small for that."""
    axis = 0 if row.last - row.first >= column.last - column.first else 1
    span, length, unit = (row, column)[axis], shape[axis], tiling.alignment
    middle = (span.first + span.last) // 2 // unit * unit
    if middle - span.first < _SMALLEST_TILE // 2:
        return None
    margin = -(-tiling.halo // unit) * unit
    before = Span(span.start, min(length, middle + margin + length % unit), span.first, middle)
    after = Span(max(0, middle - margin), span.stop, middle, span.last)
    return axis, [(part, column) if axis == 0 else (row, part) for part in (before, after)]


def _blended_rows(
    enlarger: Enlarger, image: np.ndarray, tiling: Tiling, rows: list[Span], columns: list[Span], report
) -> Iterator[np.ndarray]:
    """Tiles blended across their borders by weights that fall linearly, half a halo to either side of each."""
    height, width, channels = image.shape
    scale, reach = enlarger.scale, tiling.halo // 2
    carried = np.zeros((0, width * scale, channels), np.float32)
    done = 0  # LR rows that have been given out
    for row in rows:
        top, bottom = max(0, row.first - reach), min(height, row.last + reach)
        band = np.zeros(((bottom - top) * scale, width * scale, channels), np.float32)
        band[: len(carried)] = carried
        down = _weights(row, top, bottom, height, reach, scale)[:, None, None]
        for column in columns:
            left, right = max(0, column.first - reach), min(width, column.last + reach)
            result = enlarger(image[row.start : row.stop, column.start : column.stop], rounded=False)
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
    """Weights of a tile's pixels first*scale ... last*scale - 1; those of neighbours add up to 1."""
    place = (np.arange(first * scale, last * scale) + 0.5) / scale
    rising = np.ones_like(place) if span.first == 0 else (place - span.first) / (2 * reach) + 0.5
    falling = np.ones_like(place) if span.last == length else (span.last - place) / (2 * reach) + 0.5
    return np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)


def upscale_array(generator: keras.Model, image: np.ndarray, tile: int | None = None) -> np.ndarray:
    """A whole picture enlarged, tiled so that memory holds it.

    Args:
        generator: (N, H, W, 3) to (N, scale*H, scale*W, 3).
        image: (H, W), (H, W, 1) or (H, W, 3), uint8, uint16 or float32 in [0, 1].
        tile: LR pixels a side; default: by the free memory.

    Returns:
        The picture, `scale` times as large, of the same type; floats are not clipped.
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)) or not image.size:
        raise InputError(
            f"a picture of shape {image.shape} cannot be enlarged; expected (H, W), (H, W, 1) or (H, W, 3)"
        )
    enlarger = enlarger_of(generator)
    samples = image[..., None] if image.ndim == 2 else image
    blocks = list(enlarged_rows(enlarger, samples, plan(enlarger, samples.shape, tile)))
    result = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return result[..., 0] if image.ndim == 2 else result
