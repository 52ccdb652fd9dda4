"""Runs a network on pictures, independent of the runtime: integers in and out, averaging over symmetries."""

import abc
import dataclasses

import numpy as np
from numpy.typing import DTypeLike

# Pictures are extended by this many mirrored pixels at each edge, which are cropped after the network. The zero padding
# of convolutions would show as a frame, with errors of up to 35 levels on flat saturated colors; with 8 mirrored
# pixels, 0.1 level remains for the shipped networks. The edge pixel itself is repeated ("symmetric"): reducing a
# picture that is mirrored in this way gives the mirrored small picture, which matches the training data.
BORDER = 8


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """Properties of a network that tiling needs, in pixels of the network's input.

    Attributes:
        finite: whether an output pixel depends only on a limited neighborhood.
        size: side of the square that one output pixel depends on; None if not finite.
        halo: pixels that a tile needs around it to be exact; None if not finite.
        alignment: tiles start at multiples of this, the largest stride inside the network.
        why: what sees the whole picture, if not finite.
    """

    finite: bool
    size: int | None
    halo: int | None
    alignment: int
    why: str = ""


class Enlarger(abc.ABC):
    """Runs a network on windows of pictures.

    Attributes:
        scale: the network's enlargement.
        field: its receptive field.
        border: pixels by which pictures are extended at their edges.
        bytes_per_pixel: memory per input pixel.
        ensemble: whether to average over the eight flips and rotations of the picture.
        measured: a halo and its error, once halo.py has measured them.
    """

    def __init__(self, scale: int, field: ReceptiveField, border: int, bytes_per_pixel: float, ensemble: bool = False):
        self.scale = scale
        self.field = field
        self.border = border
        self.bytes_per_pixel = bytes_per_pixel
        self.ensemble = ensemble
        self.measured: tuple[int, float] | None = None

    def __call__(self, window: np.ndarray, rounded: bool = True) -> np.ndarray:
        """(H, W, C) to (scale*H, scale*W, C).

        uint8 and uint16 are rounded and clipped to the same type, or left as float32 on [0, 1] unless `rounded`;
        floats are neither rounded nor clipped. A single channel is repeated three times for the network, and its output
        is averaged.
        """
        window = np.ascontiguousarray(window)
        if self.ensemble:
            result = self._mean_of_symmetries(window)
            return as_samples(result, window.dtype) if rounded else result
        return self._run(window, rounded)

    def _mean_of_symmetries(self, window: np.ndarray) -> np.ndarray:
        """Mean over the eight symmetries of the square, each inverted after the network."""
        height, width, channels = window.shape
        total = np.zeros((height * self.scale, width * self.scale, channels), np.float32)
        for turned in (False, True):
            for rows, columns in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                x = window.swapaxes(0, 1) if turned else window
                x = self._run(np.ascontiguousarray(x[::rows, ::columns]), rounded=False)[::rows, ::columns]
                total += x.swapaxes(0, 1) if turned else x
        return total / np.float32(8)

    @property
    @abc.abstractmethod
    def identity(self) -> str:
        """Changes with the network's weights."""

    @abc.abstractmethod
    def _run(self, window: np.ndarray, rounded: bool) -> np.ndarray:
        """As `__call__`, without symmetries; raises MemoryError if memory runs out."""


def as_samples(values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Rounds and clips float32 in [0, 1] to uint8 or uint16; returns floats unchanged."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return values
    peak = np.iinfo(dtype).max
    return np.rint(np.clip(values * peak, 0, peak)).astype(dtype)
