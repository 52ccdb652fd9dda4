"""Flicker: measures how much the still parts of an enlarged film change, and filters it.

Networks enlarge each frame independently, so noise that is too weak to see in the original moves edges and texture from
frame to frame. Where the original stays (nearly) the same, the filter moves only part of the way from the last output
to the new one: a recursive average over time. Where something moves, it does nothing, so nothing is smeared.
"""

import numpy as np
from scipy import ndimage

# Gray levels of 255 by which the neighborhood of a still pixel may change: noise and compression, not motion.
STILL = 6.0
# Fraction of the way to the new output in still places.
STEP = 0.25


def still(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Returns where two frames are still.

    Args:
        before: (H, W, 3) uint8 or uint16.
        now: of the same shape and type.

    Returns:
        (H, W) float32: 1 where the 5x5 neighborhood changes by less than about `STILL` levels, 0 where it changes more,
        with a soft transition.
    """
    scale = 255.0 / np.iinfo(now.dtype).max
    difference = np.abs(now.astype(np.float32) - before.astype(np.float32)).mean(axis=2) * scale
    # The mean (a slow pan over a smooth area) and the largest difference nearby (a moving edge) both count.
    near = np.maximum(ndimage.uniform_filter(difference, 5) * 2, ndimage.maximum_filter(difference, 5) / 2)
    return ndimage.uniform_filter(np.clip((STILL - near) / (STILL / 2), 0, 1).astype(np.float32), 3)


class Stabilizer:
    """Reduces flicker in the still parts of an enlarged film.

    Args:
        step: fraction of the way to the new output in still places, 0 to 1; 1 changes nothing.
    """

    def __init__(self, step: float = STEP):
        self.step = step
        self._before: np.ndarray | None = None
        self._shown: np.ndarray | None = None

    def __call__(self, pixels: np.ndarray, enlarged: np.ndarray) -> np.ndarray:
        """Returns the enlarged frame to show.

        Args:
            pixels: (h, w, 3), the original frame.
            enlarged: (H, W, 3) of the same type, its enlargement.
        """
        before, shown = self._before, self._shown
        if before is None or shown is None or before.shape != pixels.shape or shown.shape != enlarged.shape:
            result = enlarged.astype(np.float32)
        else:
            rest = still(before, pixels)
            rows = np.arange(enlarged.shape[0]) * rest.shape[0] // enlarged.shape[0]
            columns = np.arange(enlarged.shape[1]) * rest.shape[1] // enlarged.shape[1]
            share = 1 - (1 - self.step) * rest[rows][:, columns, None]
            result = shown + (enlarged.astype(np.float32) - shown) * share
        # float32, so that small steps are not lost in rounding.
        self._before, self._shown = pixels, result
        return np.rint(result).astype(enlarged.dtype)

    def resume(self, pixels: np.ndarray, shown: np.ndarray) -> None:
        """Continues after the last frame of an earlier run: the original, and the output before rounding."""
        self._before, self._shown = pixels, shown

    @property
    def state(self) -> np.ndarray | None:
        """The last output before rounding."""
        return self._shown


def flicker(originals: list[np.ndarray], enlarged: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Returns the mean change between frames in still places, in gray levels, minus that of the true large film.

    Args:
        originals: (h, w, 3) uint8 frames.
        enlarged: (H, W, 3) uint8 frames.
        truth: (H, W, 3) uint8 frames from which the originals were made.
    """
    values = []
    for index in range(1, len(originals)):
        rest = still(originals[index - 1], originals[index]) > 0.99
        rows = np.arange(enlarged[index].shape[0]) * rest.shape[0] // enlarged[index].shape[0]
        columns = np.arange(enlarged[index].shape[1]) * rest.shape[1] // enlarged[index].shape[1]
        where = rest[rows][:, columns]
        if where.any():
            change = [
                np.abs(film[index].astype(np.float32) - film[index - 1].astype(np.float32)).mean(axis=2)[where].mean()
                for film in (enlarged, truth)
            ]
            values.append(change[0] - change[1])
    return float(np.mean(values)) if values else 0.0
