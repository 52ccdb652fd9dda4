"""How a picture is cut into tiles: as few as memory allows, each with the surroundings that make it exact."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.inference.halo import measured_halo
from sr_gan_tf.inference.memory import free_memory

OVERLAP = 32
SMALLEST_TILE = 16
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
        border: LR pixels by which the picture is continued beyond its edges by mirroring.
    """

    halo: int
    exact: bool
    alignment: int = 1
    tile: tuple[int, int] = (256, 256)
    note: str = ""
    border: int = 0


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
        tile: side of a tile in LR pixels; default: as few tiles as memory allows.
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
                f"{error:.2f} gray levels at most; --halo exact changes nothing"
            )
    if tile is not None:
        chosen = (tile, tile)
    if not field.finite:
        # A pixel is blended from two neighbors at most, so tiles are no narrower than two blending zones.
        chosen = (max(chosen[0], 2 * reach), max(chosen[1], 2 * reach))
    if not field.finite and not _is_whole(shape, chosen, reach, field.alignment):
        note = f"tiles overlap by {2 * reach} pixels and are blended, since {field.why} looks at the whole picture"
    return Tiling(reach, field.finite, field.alignment, chosen, note, enlarger.border)


def _is_whole(shape: tuple[int, ...], tile: tuple[int, int], halo: int, alignment: int) -> bool:
    return all(len(spans(length, side, halo, alignment)) == 1 for length, side in zip(shape, tile, strict=False))


def _best_tile(
    shape: tuple[int, ...], halo: int, alignment: int, memory: float, bytes_a_pixel: float, bytes_a_row: float
) -> tuple[tuple[int, int], float]:
    """Height and width of the tiles that fit in `memory` with the least work, and that work per pixel."""
    height, width = shape[:2]
    margin = -(-halo // alignment) * alignment
    best, least = (SMALLEST_TILE, SMALLEST_TILE), math.inf
    for tall in _cuts(height, margin, alignment):
        widest = int((memory - tall * bytes_a_row) / bytes_a_pixel / min(height, tall + 2 * margin))
        wide = width if widest >= width else (widest - 2 * margin) // alignment * alignment
        if wide < min(SMALLEST_TILE, width):
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
        yield max(side, min(SMALLEST_TILE, length))
        if side <= SMALLEST_TILE:
            return
