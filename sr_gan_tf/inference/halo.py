"""How far a network looks in effect: a halo measured on photographs, where the exact one is too dear.

A deep network's receptive field is wide, but what lies at its rim hardly counts. The probe enlarges a few small pieces
of photographs with ever wider surroundings until twice the halo changes no value by half a grey level.
"""

import numpy as np
from skimage import data

from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.resampling import imresize

_CORE = 32
_FIRST_HALO = 8
_LARGEST_ERROR = 0.5  # grey levels of 255


def measured_halo(enlarger: Enlarger, exact: int) -> tuple[int, float]:
    """LR pixels that suffice, and the largest error in grey levels that was left; `exact` and 0 where none does.

    The answer depends on the network alone, and is kept with it.
    """
    if enlarger.measured is None:
        enlarger.measured = _measure(enlarger, exact)
    return enlarger.measured


def _measure(enlarger: Enlarger, exact: int) -> tuple[int, float]:
    unit = enlarger.field.alignment
    halo = -(-_FIRST_HALO // unit) * unit
    pieces = _pieces(unit)
    narrow = [_core(enlarger, piece, halo, unit) for piece in pieces]
    while 2 * halo < exact and 2 * (2 * halo) + _CORE <= min(pieces[0].shape[:2]):
        wide = [_core(enlarger, piece, 2 * halo, unit) for piece in pieces]
        error = max(float(np.abs(a - b).max()) for a, b in zip(narrow, wide, strict=True)) * 255
        if error < _LARGEST_ERROR:
            return halo, error
        halo, narrow = 2 * halo, wide
    return exact, 0.0


def _pieces(unit: int) -> list[np.ndarray]:
    """Photographs at half size, so that they are as sharp as low-resolution pictures are."""
    pictures = [imresize(picture, 0.5)[:150, :200] for picture in (data.coffee(), data.chelsea())]
    return [np.ascontiguousarray(picture, np.float32) / 255 for picture in pictures]


def _core(enlarger: Enlarger, piece: np.ndarray, halo: int, unit: int) -> np.ndarray:
    """The enlarged middle of a piece, computed with `halo` pixels around it."""
    core = -(-_CORE // unit) * unit
    top, left = ((length - core) // 2 // unit * unit for length in piece.shape[:2])
    window = piece[top - halo : top + core + halo, left - halo : left + core + halo]
    inner = slice(halo * enlarger.scale, (halo + core) * enlarger.scale)
    return enlarger(window)[inner, inner]
