"""Colours behind transparent pixels: carried on from the visible ones, so that no dark fringe appears.

What stands in a fully transparent pixel is arbitrary, mostly black, and a network would draw it into the visible
edge. The colours are averaged over ever larger squares of visible pixels, and each hidden pixel takes the smallest
square's that has any: the pull and push of Gortler et al. 1996 (The Lumigraph, section 3.4), on two levels a factor 2.
"""

import numpy as np


def extended_colours(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`pixels` (H, W, C) with the colours of those whose `alpha` (H, W) is 0 replaced by their visible neighbours'."""
    visible = alpha > 0
    if visible.all() or not visible.any():
        return pixels
    levels = [(pixels.astype(np.float32) * visible[..., None], visible.astype(np.float32))]
    while levels[-1][1].min() == 0:
        sums, counts = levels[-1]
        sums, counts = _halved(sums), _halved(counts[..., None])[..., 0]
        any_seen = counts > 0
        # Averages, not sums: a square of one visible pixel counts as much as a full one.
        means = np.where(any_seen[..., None], sums / np.maximum(counts, 1)[..., None], 0)
        levels.append((means, any_seen.astype(np.float32)))
    filled = levels.pop()[0]
    while levels:
        colours, seen = levels.pop()
        wider = filled.repeat(2, axis=0).repeat(2, axis=1)[: colours.shape[0], : colours.shape[1]]
        filled = np.where(seen[..., None] > 0, colours, wider)
    result = pixels.copy()
    hidden = ~visible
    # Whole levels, unless the pixels are fractions of 1.
    result[hidden] = filled[hidden] if pixels.dtype.kind == "f" else np.rint(filled[hidden])
    return result


def _halved(values: np.ndarray) -> np.ndarray:
    """Sums over squares of 2 x 2; an odd side is continued by zeros."""
    height, width = values.shape[:2]
    values = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
