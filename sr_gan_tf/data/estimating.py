"""Estimates the disk space of a store, and chooses the side of its tiles."""

import dataclasses
import math

from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.sources import Source
from sr_gan_tf.data.store import Layout
from sr_gan_tf.data.store_key import stores_lr

_SIDES = range(96, 257)  # tile sides to choose from


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The estimated requirements of a store, from the headers of up to 64 pictures."""

    pictures: int
    megapixels: float
    gigabytes: float
    tile: int


def estimate(source: Source, degradation: Degradation) -> Estimate:
    """Disk space of a source's store, and the tile side with the least waste."""
    count, scale = len(source), degradation.scale
    sizes = source.sizes(64)
    layouts = [Layout(side, scale, stores_lr(source, degradation)) for side in _SIDES if side % scale == 0]

    def size(layout: Layout) -> int:
        return sum(layout.record * math.prod(layout.grid(height, width)) for height, width in sizes)

    # The largest of nearly equal sides: fewer tiles per crop, longer reads.
    least = min(size(layout) for layout in layouts)
    best = max((layout for layout in layouts if size(layout) <= 1.02 * least), key=lambda layout: layout.tile)
    share = count / max(1, len(sizes))
    megapixels = sum(height * width for height, width in sizes) * share / 1e6
    return Estimate(count, megapixels, float(size(best)) * share / 1e9, best.tile)
