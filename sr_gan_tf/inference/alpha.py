"""Extends the colors of visible pixels under transparent ones, so that no dark fringe appears.

The color of a fully transparent pixel is arbitrary, usually black, and a network would draw it into the visible edge.
Colors of visible pixels are averaged over squares of doubling size. Each hidden pixel receives the average of the
smallest square that contains a visible pixel: pull and push by Gortler et al. 1996 (The Lumigraph, section 3.4).
"""

import numpy as np


def extended_colors(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Replaces the colors of fully transparent pixels with those of their visible neighbors.

    Args:
        pixels: (H, W, C) uint8, uint16 or float32.
        alpha: (H, W); 0 is fully transparent.

    Returns:
        An array like `pixels`; `pixels` itself if there is nothing to replace.
    """
    visible = alpha > 0
    if visible.all() or not visible.any():
        return pixels
    levels = [(pixels.astype(np.float32) * visible[..., None], visible.astype(np.float32))]
    while levels[-1][1].min() == 0:
        sums, counts = levels[-1]
        sums, counts = _halved(sums), _halved(counts[..., None])[..., 0]
        any_seen = counts > 0
        # Averages, not sums: a square with one visible pixel counts as much as a full one.
        means = np.where(any_seen[..., None], sums / np.maximum(counts, 1)[..., None], 0)
        levels.append((means, any_seen.astype(np.float32)))
    filled = levels.pop()[0]
    while levels:
        colors, seen = levels.pop()
        wider = filled.repeat(2, axis=0).repeat(2, axis=1)[: colors.shape[0], : colors.shape[1]]
        filled = np.where(seen[..., None] > 0, colors, wider)
    result = pixels.copy()
    hidden = ~visible
    # Integer levels, unless the pixels are floats.
    result[hidden] = filled[hidden] if pixels.dtype.kind == "f" else np.rint(filled[hidden])
    return result


def _halved(values: np.ndarray) -> np.ndarray:
    """Sums over squares of 2 x 2; an odd side is padded with zeros."""
    height, width = values.shape[:2]
    values = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
