"""Plans the tiles of a picture: as few as memory allows, each with the surroundings that make it exact."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.inference.halo import measured_halo
from sr_gan_tf.inference.memory import free_memory

OVERLAP = 32
SMALLEST_TILE = 16
# If halos add more than this share of work, tiles may use more memory.
_COMFORTABLE_WORK = 1.5
_COMFORTABLE_MEMORY = 2**30
# If halos add more than this even with all free memory, a measured halo replaces the exact one.
_LARGEST_WORK = 2.0


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How a picture is cut into tiles.

    Args:
        halo: LR pixels that the window of a tile adds on each side.
        exact: whether that halo makes tiles equal to the whole picture; otherwise tiles overlap by it and are blended.
        alignment: windows, and tiles without their halo, start at multiples of this.
        tile: height and width of the largest tile, in LR pixels, without its halo.
        note: information for the user, or "".
        border: LR pixels by which the picture is extended at its edges by mirroring.
    """

    halo: int
    exact: bool
    alignment: int = 1
    tile: tuple[int, int] = (256, 256)
    note: str = ""
    border: int = 0


@dataclasses.dataclass(frozen=True)
class Span:
    """One tile along one axis: the window [start, stop) to compute and the core [first, last) to keep."""

    start: int
    stop: int
    first: int
    last: int


def spans(length: int, tile: int, halo: int, alignment: int = 1) -> list[Span]:
    """Cuts an axis into cores that cover it once, with windows of one size (up to `alignment`).

    Args:
        length: pixels of the axis.
        tile: largest core.
        halo: pixels that a window extends beyond its core, limited by the picture.
        alignment: every window starts at a multiple of it and ends at the end of the picture or a multiple away from
            it, so that a network that pads to multiples pads each window equally.
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
    unit: int = 1,
) -> Tiling:
    """Plans the tiles of a picture for a generator: exactly, by its receptive field, if that is affordable.

    Args:
        enlarger: runs the tiles.
        shape: (H, W, ...) of the picture.
        tile: side of a tile in LR pixels; default: as few tiles as memory allows.
        halo: LR pixels, or `"exact"` for the receptive field; default: that of the receptive field, or a measured one
            if that would more than double the work.
        memory: bytes that a row of tiles may use; default: half of the free memory, or one gigabyte if that suffices.
        itemsize: bytes of a sample of the result.
        unit: in a later pass, the side of a pixel of the original picture. Rows and columns of tiles then hold whole
            pixels of the original, unless that would need larger tiles than the smallest.
    """
    field = enlarger.field
    alignment = math.lcm(field.alignment, unit) if unit <= SMALLEST_TILE else field.alignment
    largest = free_memory() / 2 if memory is None else memory
    # A row of tiles in progress, one on its way to the encoder, and the output of the encoder.
    bytes_a_row = 3 * shape[1] * enlarger.scale**2 * 3 * itemsize

    def best(reach: int) -> tuple[tuple[int, int], float]:
        def within(limit: float) -> tuple[tuple[int, int], float]:
            return _best_tile(shape, reach, alignment, limit, enlarger.bytes_per_pixel, bytes_a_row)

        choice = within(min(largest, _COMFORTABLE_MEMORY))
        return choice if choice[1] <= _COMFORTABLE_WORK else within(largest)

    reach, note = OVERLAP if field.halo is None else field.halo, ""
    chosen, work = best(reach)
    if isinstance(halo, int):
        reach = halo
        chosen, work = best(reach)
        if field.halo is not None and reach < field.halo:
            note = f"a halo of {reach} pixels is smaller than the network's {field.halo}: tiles may show"
    elif field.halo is not None and halo is None and work > _LARGEST_WORK:
        reach, error = measured_halo(enlarger, field.halo)
        chosen, work = best(reach)
        if reach < field.halo:
            note = (
                f"tiles have a halo of {reach} pixels instead of {field.halo}, which changed photographs by at most "
                f"{error:.2f} gray levels; pass --halo exact to avoid this"
            )
    if tile is not None:
        chosen = (tile, tile)
    if not field.finite:
        # A pixel is blended from at most two neighbors, so tiles are at least as wide as two blending zones.
        chosen = (max(chosen[0], 2 * reach), max(chosen[1], 2 * reach))
    if not field.finite and not _is_whole(shape, chosen, reach, alignment):
        note = f"tiles overlap by {2 * reach} pixels and are blended, because {field.why} sees the whole picture"
    return Tiling(reach, field.finite, alignment, chosen, note, enlarger.border)


def _is_whole(shape: tuple[int, ...], tile: tuple[int, int], halo: int, alignment: int) -> bool:
    return all(len(spans(length, side, halo, alignment)) == 1 for length, side in zip(shape, tile, strict=False))


def _best_tile(
    shape: tuple[int, ...], halo: int, alignment: int, memory: float, bytes_a_pixel: float, bytes_a_row: float
) -> tuple[tuple[int, int], float]:
    """Height and width of the tiles that fit in `memory` with the least work, and the work per pixel."""
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
    """Tile sides that cut an axis into 1, 2, 3 ... parts, down to the smallest."""
    yield length
    for count in range(2, 1000):
        side = -(-max(1, length - 2 * margin) // (count * alignment)) * alignment
        yield max(side, min(SMALLEST_TILE, length))
        if side <= SMALLEST_TILE:
            return
