"""Flicker: how restless an enlarged film is where the original stands still, and a filter against it.

Networks enlarge each frame for itself, so that noise too small to see in the original moves edges and texture from
frame to frame. Where the original stays (nearly) the same, the filter moves only a part of the way from the last
output to the new one: a recursive average over time. Where something moves it does nothing, so nothing is smeared.
"""

import numpy as np
from scipy import ndimage

# Gray levels of 255 by which a resting pixel's neighborhood may change: noise and compression, not motion.
STILL = 6.0
# Part of the way to the new output in still places.
STEP = 0.25


def still(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Where two frames show the same at rest.

    Args:
        before: (H, W, 3) uint8 or uint16.
        now: of the same shape and type.

    Returns:
        (H, W) float32, 1 where the 5x5 neighborhood stays within `STILL` levels, 0 where it does not, soft between.
    """
    scale = 255.0 / np.iinfo(now.dtype).max
    difference = np.abs(now.astype(np.float32) - before.astype(np.float32)).mean(axis=2) * scale
    # Both the mean (a slow pan over a smooth place) and the largest difference nearby (a moving edge) count.
    near = np.maximum(ndimage.uniform_filter(difference, 5) * 2, ndimage.maximum_filter(difference, 5) / 2)
    return ndimage.uniform_filter(np.clip((STILL - near) / (STILL / 2), 0, 1).astype(np.float32), 3)


class Stabilizer:
    """Calms the still parts of an enlarged film.

    Args:
        step: part of the way to the new output that still places go, 0 to 1; 1 changes nothing.
    """

    def __init__(self, step: float = STEP):
        self.step = step
        self._before: np.ndarray | None = None
        self._shown: np.ndarray | None = None

    def __call__(self, pixels: np.ndarray, enlarged: np.ndarray) -> np.ndarray:
        """The enlarged frame to show.

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
        """Takes over the last frame of an earlier run: the original, and the unrounded output."""
        self._before, self._shown = pixels, shown

    @property
    def state(self) -> np.ndarray | None:
        """The last output before rounding."""
        return self._shown


def flicker(originals: list[np.ndarray], enlarged: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Mean change from frame to frame in still places, in gray levels, less that of the true large film.

    Args:
        originals: (h, w, 3) uint8 frames.
        enlarged: (H, W, 3) uint8 frames.
        truth: (H, W, 3) uint8 frames that the originals were made from.
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
