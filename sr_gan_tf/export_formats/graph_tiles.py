"""Enlarges pictures tile by tile in a TensorFlow graph: `inference/tiling.py` for a server without Python.

The spans are those of `inference.tiling.spans`: windows of one size that extend by a halo beyond their core and end at
the picture's edge, beyond which it is extended by mirroring. Here the graph computes them, one tile after another, so
that memory holds one tile in progress and the result so far.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.inference.halo import measured_halo
from sr_gan_tf.inference.tiling import OVERLAP, Tiling

_SMALLEST_TILE, _LARGEST_TILE = 16, 4096
# Bytes for the feature maps of one window: the smallest of these for which halos add little enough work.
_MEMORY = (2**28, 2**29, 2**30)
_COMFORTABLE_WORK = 1.5
_LARGEST_WORK = 2.0


def fixed_tiling(enlarger: Enlarger, tile: int | None = None, halo: int | str | None = None) -> Tiling:
    """Plans how an exported network cuts pictures of any size; fixed, because a graph can't query free memory.

    Args:
        enlarger: the network.
        tile: side in LR pixels, without the halo; default: what fits in a gigabyte of feature maps, or in less of it if
            that is as efficient.
        halo: LR pixels around a tile; `"exact"` for that of the receptive field; default: that, or one measured on
            photographs if it would more than double the work.

    Raises:
        InputError: the tile is below 16 pixels or above 4,096, or the halo is negative.
    """
    field = enlarger.field
    if tile is not None and not _SMALLEST_TILE <= tile <= _LARGEST_TILE:
        raise InputError(f"--tile {tile}: expected {_SMALLEST_TILE} to {_LARGEST_TILE} pixels")
    if isinstance(halo, int) and halo < 0:
        raise InputError(f"--halo {halo}: expected exact, or 0 or more pixels")
    reach, note = OVERLAP if field.halo is None else field.halo, ""
    if isinstance(halo, int):
        reach = halo
        if field.halo is not None and reach < field.halo:
            note = f"a halo of {reach} pixels is smaller than the network's {field.halo}: tiles may show"
    elif field.halo is not None and halo is None and _work(enlarger, reach, tile) > _LARGEST_WORK:
        reach, error = measured_halo(enlarger, field.halo)
        if reach < field.halo:
            note = (
                f"tiles reach {reach} pixels beyond their edges instead of {field.halo}, which changed photographs by "
                f"{error:.2f} gray levels at most; pass --halo exact to avoid this"
            )
    side = tile or next(
        (
            side
            for memory in _MEMORY
            if (side := _tile_within(enlarger, reach, memory)) and ((side + 2 * reach) / side) ** 2 <= _COMFORTABLE_WORK
        ),
        _tile_within(enlarger, reach, _MEMORY[-1]),
    )
    if not field.finite:
        # A pixel is blended from at most two neighbors, so tiles are at least as wide as two blending zones.
        side = max(side, 2 * reach)
        note = (
            f"pictures with a side above {side + 2 * reach} pixels are cut into tiles that overlap by {2 * reach} "
            f"pixels and are blended, because {field.why} sees the whole picture"
        )
    return Tiling(reach, field.finite, field.alignment, (side, side), note, enlarger.border)


def _tile_within(enlarger: Enlarger, reach: int, memory: float) -> int:
    unit = enlarger.field.alignment
    margin = -(-reach // unit) * unit
    side = math.isqrt(int(memory / enlarger.bytes_per_pixel)) - 2 * margin
    return max(_SMALLEST_TILE, side // unit * unit)


def _work(enlarger: Enlarger, reach: int, tile: int | None) -> float:
    """Number of pixels computed per pixel kept."""
    side = tile or _tile_within(enlarger, reach, _MEMORY[-1])
    return ((side + 2 * reach) / side) ** 2


class GraphTiles:
    """Maps pictures (N, H, W, C) to (N, scale*H, scale*W, C') by a loop over tiles; call it inside a tf.function.

    Pictures that fit in a window are processed together, as many as a window has room for.

    Args:
        function: (k, h, w, C) windows to (k, scale*h, scale*w, C') float32.
        finish: applied to those values once they are final, e.g. rounding to uint8.
        channels: C'.
        scale: the enlargement.
        tiling: how to cut; its tiles are square.
    """

    def __init__(self, function: Callable, finish: Callable, channels: int, scale: int, tiling: Tiling):
        self.function = function
        self.finish = finish
        self.channels = channels
        self.scale = scale
        self.unit = tiling.alignment
        self.border = tiling.border
        self.margin = -(-tiling.halo // self.unit) * self.unit
        self.tile = max(self.unit, tiling.tile[0] // self.unit * self.unit)
        # Half the width of the zone in which neighbors are blended.
        self.reach = 0 if tiling.exact else tiling.halo // 2
        self.dtype = finish(tf.zeros((1,), tf.float32)).dtype

    def __call__(self, pictures: tf.Tensor) -> tf.Tensor:
        count, height, width, _ = tf.unstack(tf.shape(pictures))
        shape = tf.stack([count, height * self.scale, width * self.scale, self.channels])
        return tf.cond(
            tf.equal(tf.size(pictures), 0),
            lambda: tf.zeros(shape, self.dtype),
            lambda: tf.reshape(self._rows(pictures), shape),
        )

    def _rows(self, pictures: tf.Tensor) -> tf.Tensor:
        """Returns (N * scale*H, scale*W, C'): the rows of all pictures, one below the other."""
        count, height, width, _ = tf.unstack(tf.shape(pictures))
        tall, wide = self._window(height), self._window(width)
        fits = tf.logical_and(tf.equal(tall, height), tf.equal(wide, width))
        together = tf.where(fits, tf.maximum(1, (self.tile + 2 * self.margin) ** 2 // (height * width)), 1)

        def step(first, top, index, carried, blocks):
            start = tf.clip_by_value(top - self.margin, 0, height - tall)
            last = self._last(start + tall, height)
            strip = pictures[first : first + together, start : start + tall]
            block = self._strip(strip, start, top, last, wide)
            block, carried = self._settled(block, carried, 1, tf.equal(last, height))
            block = self.finish(block) if self.reach else block
            blocks = blocks.write(index, tf.reshape(block, (-1, width * self.scale, self.channels)))
            done = tf.equal(last, height)
            return tf.where(done, first + together, first), tf.where(done, 0, last), index + 1, carried, blocks

        blocks = tf.TensorArray(
            self.dtype, 0, dynamic_size=True, infer_shape=False, element_shape=(None, None, self.channels)
        )
        state = (0, 0, 0, tf.zeros((0, 0, 0, self.channels), tf.float32), blocks)
        *_, blocks = tf.while_loop(
            lambda first, *_: first < count,
            step,
            state,
            shape_invariants=(*[tf.TensorShape(())] * 3, tf.TensorShape((None, None, None, self.channels)), None),
            parallel_iterations=1,
        )
        return blocks.concat()

    def _strip(self, strip: tf.Tensor, start: tf.Tensor, top: tf.Tensor, last: tf.Tensor, wide: tf.Tensor) -> tf.Tensor:
        """Computes a row of tiles: the rows of `strip` that are kept, over the whole width."""
        height, width = start + tf.shape(strip)[1], tf.shape(strip)[2]
        rows, down = self._kept(top, last, start, height, bottom=tf.equal(last, height))
        down_edges = self._beyond(tf.equal(start, 0), tf.equal(last, height))

        def step(left, finished, carried):
            begin = tf.clip_by_value(left - self.margin, 0, width - wide)
            end = self._last(begin + wide, width)
            across_edges = self._beyond(tf.equal(begin, 0), tf.equal(end, width))
            values = self._continued(strip[:, :, begin : begin + wide], down_edges, across_edges)
            columns, across = self._kept(left, end, begin, width, bottom=tf.equal(end, width))
            values = values[:, rows[0] : rows[1], columns[0] : columns[1]]
            if self.reach:
                values = values * down[:, None, None] * across[:, None]
                values, carried = self._settled(values, carried, 2, tf.equal(end, width))
            else:
                values = self.finish(values)
            return end, tf.concat([finished, values], axis=2), carried

        kind = tf.float32 if self.reach else self.dtype
        count = tf.shape(strip)[0]
        empty = tf.zeros(tf.stack([count, rows[1] - rows[0], 0, self.channels]), kind)
        some = tf.TensorShape((None, None, None, self.channels))
        _, finished, _ = tf.while_loop(
            lambda left, *_: left < width,
            step,
            (0, empty, tf.zeros((0, 0, 0, self.channels), tf.float32)),
            shape_invariants=(tf.TensorShape(()), some, some),
            parallel_iterations=1,
        )
        return finished

    def _beyond(self, *edges: tf.Tensor) -> list[tf.Tensor]:
        """Pixels by which a window is extended before and after it: zero unless it touches the picture's edge."""
        return [self.border * tf.cast(edge, tf.int32) for edge in edges]

    def _continued(self, window: tf.Tensor, down: list[tf.Tensor], across: list[tf.Tensor]) -> tf.Tensor:
        """Applies the function to a window extended by mirroring, and crops the extension from the result."""
        if not self.border:
            return self.function(window)
        values = self.function(_mirrored(_mirrored(window, 1, *down), 2, *across))
        (top, bottom), (left, right) = ((side * self.scale for side in sides) for sides in (down, across))
        return values[:, top : tf.shape(values)[1] - bottom, left : tf.shape(values)[2] - right]

    def _window(self, length: tf.Tensor) -> tf.Tensor:
        """Side of the windows into which an axis is cut; see `inference.tiling.spans`."""
        rest = length % self.unit
        inner = tf.maximum(length - rest - 2 * self.margin, 1)
        count = -(-inner // self.tile)
        core = -(-inner // (count * self.unit)) * self.unit
        return tf.where(length <= self.tile + 2 * self.margin, length, core + 2 * self.margin + rest)

    def _last(self, stop: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """Returns where the core of a window that ends at `stop` ends."""
        return tf.where(tf.equal(stop, length), length, stop - length % self.unit - self.margin)

    def _kept(self, first, last, start, length, bottom) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Returns which output pixels of a window at `start` are kept, and their weights if tiles are blended."""
        begin, end = tf.maximum(0, first - self.reach), tf.where(bottom, last, last + self.reach)
        bounds = (begin - start) * self.scale, (end - start) * self.scale
        if not self.reach:
            return bounds, tf.ones((1,))
        place = (tf.range(begin * self.scale, end * self.scale, dtype=tf.float32) + 0.5) / self.scale
        zone = 2.0 * self.reach
        rising = tf.where(first > 0, (place - tf.cast(first, tf.float32)) / zone + 0.5, 1.0)
        falling = tf.where(bottom, 1.0, (tf.cast(last, tf.float32) - place) / zone + 0.5)
        return bounds, tf.clip_by_value(tf.minimum(rising, falling), 0, 1)

    def _settled(self, values, carried, axis: int, is_last) -> tuple[tf.Tensor, tf.Tensor]:
        """Adds the zone carried over from the previous tile; returns final values and the zone for the next tile."""
        if not self.reach:
            return values, carried
        before = tf.shape(carried)[axis]
        head, tail = tf.split(values, tf.stack([before, tf.shape(values)[axis] - before]), axis=axis)
        # If nothing is carried, the zone is empty.
        head = tf.cond(before > 0, lambda: head + carried, lambda: head)
        values = tf.concat([head, tail], axis=axis)
        zone = tf.where(is_last, 0, 2 * self.reach * self.scale)
        return tuple(tf.split(values, tf.stack([tf.shape(values)[axis] - zone, zone]), axis=axis))


def _mirrored(values: tf.Tensor, axis: int, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
    """`numpy.pad(mode="symmetric")` along one axis, for any length."""
    length = tf.shape(values)[axis]
    index = tf.range(-before, length + after) % (2 * length)
    return tf.gather(values, tf.minimum(index, 2 * length - 1 - index), axis=axis)


def rounded(dtype: tf.DType) -> Callable[[tf.Tensor], tf.Tensor]:
    """Rounds values in [0, 1] to the integers of `dtype` like `inference`; leaves floats unchanged."""
    if dtype.is_floating:
        return lambda values: tf.cast(values, dtype)
    return lambda values: tf.cast(tf.round(tf.clip_by_value(values * dtype.max, 0, dtype.max)), dtype)
