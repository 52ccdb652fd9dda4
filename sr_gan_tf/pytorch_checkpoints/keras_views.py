"""Bicubic enlargement by 3x3 convolutions with zero padding, exact including the replicated edges.

A bicubic kernel reaches two pixels in each direction and replicates the edges. Here one convolution with a ReLU makes
sixteen views of each color: along rows and along columns, the picture is shifted by one pixel backward or forward, or
reduced to its first or last line. A second convolution enlarges from the views. To reduce a picture to its first line,
a channel of ones, shifted by one line, is multiplied by a large number and subtracted; after a ReLU only the line
without a predecessor remains.
"""

import numpy as np

from sr_gan_tf.layers.bicubic import enlarging_rows

# The views along one axis.
_BACK, _FORTH, _FIRST, _LAST = range(4)
_VIEWS = [(row, column) for row in range(4) for column in range(4)]
COUNT = 3 * len(_VIEWS)
# Which pixel a view shows, and on which side the first or last line has no neighbor.
_OFFSETS = {_BACK: -1, _FORTH: 1, _FIRST: 0, _LAST: 0}
_BEFORE = {_FIRST: -1, _LAST: 1}
# Larger than any value of a picture.
_MUCH = 64.0


def viewing() -> tuple[np.ndarray, np.ndarray]:
    """Returns the convolution that makes the views.

    Returns:
        The kernel (3, 3, 4, 48), applied to a picture in [0, 1] and a channel of ones; and (48,), whether each view
        needs a ReLU. The other views must pass unchanged.
    """
    kernel, reduced = np.zeros((3, 3, 4, COUNT), np.float32), np.zeros(COUNT, bool)
    for color in range(3):
        for number, (row, column) in enumerate(_VIEWS):
            own = color * len(_VIEWS) + number
            down, across = _OFFSETS[row], _OFFSETS[column]
            kernel[1 + down, 1 + across, color, own] = 1
            if row in _BEFORE:
                kernel[1 + _BEFORE[row], 1 + across, 3, own] -= _MUCH
            if column in _BEFORE:
                kernel[1 + down, 1 + _BEFORE[column], 3, own] -= _MUCH
            reduced[own] = row in _BEFORE or column in _BEFORE
    return kernel, reduced


def enlarging(scale: int, base: np.ndarray) -> np.ndarray:
    """Returns the convolution before a pixel shuffle that enlarges from the views.

    Args:
        scale: enlargement.
        base: (5, scale), weights along one axis of the enlargement that the network adds itself; it is subtracted.

    Returns:
        The kernel, (3, 3, 48, 3 * scale**2).
    """
    kernel = sum(
        sign * np.einsum("yvi,xwj->yxvwij", _axis(rows), _axis(rows))
        for sign, rows in ((1, enlarging_rows(scale)), (-1, base))
    )
    kernel = np.einsum("yxvwij,cd->yxcvwijd", kernel, np.eye(3))
    return kernel.reshape(3, 3, COUNT, 3 * scale**2).astype(np.float32)


def nearest_rows(scale: int) -> np.ndarray:
    """(5, scale): weights of nearest-neighbor enlargement along one axis."""
    rows = np.zeros((5, scale))
    rows[2] = 1
    return rows


def bilinear_rows(scale: int) -> np.ndarray:
    """(5, scale): weights of bilinear enlargement along one axis."""
    places = (np.arange(scale) + 0.5) / scale - 0.5
    return np.maximum(0, 1 - np.abs(places[None] - np.arange(-2, 3)[:, None]))


def _axis(rows: np.ndarray) -> np.ndarray:
    """Converts five-pixel kernels with replicated edges, (5, scale), to three-pixel kernels on the views.

    Returns:
        (3, 4, scale).
    """
    far_left, left, center, right, far_right = rows
    kernel = np.zeros((3, 4, rows.shape[1]))
    kernel[0, _BACK], kernel[1, _BACK] = far_left, left
    kernel[0, _FORTH], kernel[1, _FORTH], kernel[2, _FORTH] = center, right, far_right
    # The forward view lacks the first pixel itself, which would have to be stored before the picture.
    kernel[1, _FIRST], kernel[0, _FIRST] = far_left + left + center, far_left
    kernel[1, _LAST], kernel[2, _LAST] = right + far_right, far_right
    return kernel
