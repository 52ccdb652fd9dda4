"""Enlarges frame after frame, and computes only what has changed since the last one."""

import numpy as np

from sr_gan_tf.inference.chain import Chain
from sr_gan_tf.inference.passes import Settings, enlarge

_TILE = 64  # side in pixels of the squares that are compared; smaller ones save more work but add more halo
_MOST_CHANGED = 0.5  # above this share, enlarging the whole frame at once is faster


class FrameEnlarger:
    """Enlarges the frames of a film.

    A square whose input window (the square and everything that the network sees around it) is unchanged since the last
    frame keeps its enlargement. That is exact, because the output depends on nothing else.

    Args:
        chain: the networks.
        settings: final size, colors, edges, tiles.

    Attributes:
        computed: squares that were enlarged.
        reused: squares that were copied from the last frame.
    """

    def __init__(self, chain: Chain, settings: Settings):
        self.chain, self.settings = chain, settings
        self.computed = self.reused = 0
        self._before: np.ndarray | None = None
        self._enlarged: np.ndarray | None = None
        field = chain.enlargers[0].field
        # Squares can be enlarged alone only if a single network with a finite receptive field makes the result.
        plain = settings == Settings(tile=settings.tile, halo=settings.halo)
        alone = plain and len(chain.enlargers) == 1 and field.finite and _TILE % field.alignment == 0
        self._halo = -(-(field.halo or 0) // field.alignment) * field.alignment if alone else None

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Enlarges (H, W, 3) uint8 or uint16 to the final size, in the same type."""
        before, enlarged = self._before, self._enlarged
        squares = -(-pixels.shape[0] // _TILE) * -(-pixels.shape[1] // _TILE)
        if before is None or enlarged is None or before.shape != pixels.shape:
            result = self._whole(pixels)
            self.computed += squares
        elif np.array_equal(before, pixels):
            self.reused += squares
            return enlarged
        else:
            changed = self._changed(before, pixels)
            if changed is None or len(changed) > _MOST_CHANGED * squares:
                result = self._whole(pixels)
                self.computed += squares
            else:
                result = self._renewed(pixels, enlarged, changed)
                self.computed += len(changed)
                self.reused += squares - len(changed)
        self._before, self._enlarged = pixels, result
        return result

    def resume(self, pixels: np.ndarray, enlarged: np.ndarray) -> None:
        """Continues after the last frame of an earlier run."""
        self._before, self._enlarged = pixels, enlarged

    def _whole(self, pixels: np.ndarray) -> np.ndarray:
        return np.concatenate(list(enlarge(pixels, self.chain, self.settings).blocks))

    def _changed(self, before: np.ndarray, pixels: np.ndarray) -> list[tuple[int, int]] | None:
        """Top left corners of the squares whose input window changed; None if squares cannot be enlarged alone."""
        if self._halo is None:
            return None
        height, width = pixels.shape[:2]
        different = (before != pixels).any(axis=2)
        found = []
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                rows, columns = self._window(top, height), self._window(left, width)
                if different[rows, columns].any():
                    found.append((top, left))
        return found

    def _window(self, start: int, length: int) -> slice:
        halo = self._halo or 0
        return slice(max(0, start - halo), min(length, start + _TILE + halo))

    def _renewed(self, pixels: np.ndarray, enlarged: np.ndarray, squares: list[tuple[int, int]]) -> np.ndarray:
        result, scale = enlarged.copy(), self.chain.scale
        height, width = pixels.shape[:2]
        for top, left in squares:
            rows, columns = self._window(top, height), self._window(left, width)
            part = self._whole(pixels[rows, columns])
            bottom, right = min(height, top + _TILE), min(width, left + _TILE)
            inside = part[
                (top - rows.start) * scale : (bottom - rows.start) * scale,
                (left - columns.start) * scale : (right - columns.start) * scale,
            ]
            result[top * scale : bottom * scale, left * scale : right * scale] = inside
        return result
