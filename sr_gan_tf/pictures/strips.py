"""Regroups blocks of rows into strips of equal height."""

from collections.abc import Iterable, Iterator

import numpy as np


def strips(blocks: Iterable[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """Regroups blocks (any rows, W, C) into strips of `rows` rows; each strip is valid until the next."""
    held: np.ndarray | None = None
    filled = 0
    for block in blocks:
        if held is None:
            held = np.empty((rows, *block.shape[1:]), block.dtype)
        start = 0
        while start < len(block):
            count = min(rows - filled, len(block) - start)
            held[filled : filled + count] = block[start : start + count]
            filled, start = filled + count, start + count
            if filled == rows:
                yield held
                filled = 0
    if held is not None and filled:
        yield held[:filled]
