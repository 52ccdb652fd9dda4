"""Measures the effective halo of a network on photographs, for networks whose exact halo is too expensive.

The receptive field of a deep network is wide, but its outer part has little effect. The probe enlarges small pieces of
photographs with increasingly wide surroundings until doubling the halo changes no value by half a gray level.
"""

import importlib
from collections.abc import Iterator

import numpy as np

from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.resampling import imresize

_CORE = 32
_FIRST_HALO = 8
_LARGEST_ERROR = 0.5  # gray levels of 255


def measured_halo(enlarger: Enlarger, exact: int) -> tuple[int, float]:
    """Sufficient halo in LR pixels and its largest error in gray levels; `exact` and 0 if none is sufficient.

    The result depends only on the network and is cached with it.
    """
    if enlarger.measured is None:
        enlarger.measured = _measure(enlarger, exact)
    return enlarger.measured


def _measure(enlarger: Enlarger, exact: int) -> tuple[int, float]:
    unit = enlarger.field.alignment
    core, halo = (-(-length // unit) * unit for length in (_CORE, _FIRST_HALO))
    narrow = _cores(enlarger, core, halo)
    while 2 * halo < exact:
        wide = _cores(enlarger, core, 2 * halo)
        error = max(float(np.abs(a - b).max()) for a, b in zip(narrow, wide, strict=True)) * 255
        if error < _LARGEST_ERROR:
            return halo, error
        halo, narrow = 2 * halo, wide
    return exact, 0.0


def _cores(enlarger: Enlarger, core: int, halo: int) -> list[np.ndarray]:
    """Enlarged centers of photographs, computed with `halo` pixels around them."""
    inner = slice(halo * enlarger.scale, (halo + core) * enlarger.scale)
    return [enlarger(piece)[inner, inner] for piece in _pieces(core, halo)]


def _pieces(core: int, halo: int) -> Iterator[np.ndarray]:
    """Centers of photographs, `core` pixels plus `halo` per side, float32; mirrored if a photograph is too small."""
    data = importlib.import_module("skimage.data")  # rarely needed, and slow to import
    for picture in (data.coffee(), data.chelsea()):
        picture = imresize(picture, 0.5)  # as sharp as low-resolution pictures are
        padding = [(max(0, core + 2 * halo - length),) * 2 for length in picture.shape[:2]]
        picture = np.pad(picture, [*padding, (0, 0)], mode="reflect")
        top, left = ((length - core) // 2 - halo for length in picture.shape[:2])
        piece = picture[top : top + core + 2 * halo, left : left + core + 2 * halo]
        yield piece.astype(np.float32) / 255
