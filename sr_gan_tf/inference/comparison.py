"""Draws a comparison of nearest neighbor, bicubic and the network, with insets of the areas with the most detail.

Only the insets and a small overview of the enlarged picture are kept, so a comparison needs little memory.
"""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from sr_gan_tf.files import atomic_file
from sr_gan_tf.pictures.reading import to_uint8
from sr_gan_tf.resampling import imresize

_INSET = 40  # pixels of the original per side
_OVERVIEW = 640  # pixels of the longer side
_COLORS = ("#ffb000", "#40c4ff")


class Comparison:
    """Collects parts of an enlarged picture as its rows pass, then draws the comparison.

    Args:
        pixels: the original, (H, W, 1 or 3).
        size: (width, height) of the enlarged picture.
    """

    def __init__(self, pixels: np.ndarray, size: tuple[int, int]):
        self.original = to_uint8(pixels)
        self.size = size
        height, width = pixels.shape[:2]
        self.ratio = (size[1] / height, size[0] / width)
        self.step = max(1, -(-max(size) // _OVERVIEW))
        self.overview = np.zeros((-(-size[1] // self.step), -(-size[0] // self.step), pixels.shape[2]), np.uint8)
        self.side = min(_INSET, height, width)
        self.places = _detailed(self.original, self.side, len(_COLORS))
        self.insets = [np.zeros((*self._extent(place)[1], pixels.shape[2]), np.uint8) for place in self.places]

    def see(self, row: int, block: np.ndarray) -> None:
        """Receives rows row ... row + len(block) - 1 of the enlarged picture."""
        first = -row % self.step
        part = to_uint8(block[first :: self.step, :: self.step])
        start = (row + first) // self.step
        self.overview[start : start + len(part)] = part
        for place, inset in zip(self.places, self.insets, strict=True):
            (top, left), (height, width) = self._extent(place)
            above, below = max(top, row), min(top + height, row + len(block))
            if below > above:
                part = block[above - row : below - row, left : left + width]
                inset[above - top : below - top] = to_uint8(part)

    def write(self, path: Path, name: str) -> None:
        """Draws the comparison as PNG: the three pictures above, the insets below."""
        columns = {"nearest neighbor": "nearest", "bicubic": "bicubic", name: None}
        shape = self.overview.shape[:2]
        rows = 1 + len(self.places)
        width = 4.0
        figure = Figure(figsize=(3 * width, width * shape[0] / shape[1] + len(self.places) * width + 0.4), dpi=110)
        axes = figure.subplots(
            rows, 3, squeeze=False, gridspec_kw={"height_ratios": [shape[0] / shape[1]] + [1] * len(self.places)}
        )
        for column, (title, kernel) in enumerate(columns.items()):
            axes[0, column].set_title(title, fontsize=11)
            _show(axes[0, column], self.overview if kernel is None else _resized(self.original, shape, kernel))
            for row, place in enumerate(self.places):
                color = _COLORS[row]
                (top, left), extent = self._extent(place)
                corner = (left / self.step, top / self.step)
                box = Rectangle(corner, extent[1] / self.step, extent[0] / self.step, fill=False, color=color, lw=1.5)
                axes[0, column].add_patch(box)
                y, x = place
                cut = self.original[y : y + self.side, x : x + self.side]
                _show(axes[1 + row, column], self.insets[row] if kernel is None else _resized(cut, extent, kernel))
                for spine in axes[1 + row, column].spines.values():
                    spine.set(visible=True, color=color, linewidth=2)
        figure.tight_layout(pad=0.6)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
        with atomic_file(path) as file:
            file.write(drawn.getvalue())

    def _extent(self, place: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(top, left) and (height, width) of an inset in the enlarged picture."""
        first = [round(value * ratio) for value, ratio in zip(place, self.ratio, strict=True)]
        last = [round((value + self.side) * ratio) for value, ratio in zip(place, self.ratio, strict=True)]
        return (first[0], first[1]), (max(1, last[0] - first[0]), max(1, last[1] - first[1]))


def _detailed(pixels: np.ndarray, side: int, count: int) -> list[tuple[int, int]]:
    """(row, column) of the squares with the strongest edges, apart from each other."""
    step = max(1, max(pixels.shape[:2]) // 2000)
    gray = pixels[::step, ::step].mean(axis=2, dtype=np.float32)
    window = max(1, side // step)
    strength = ndimage.uniform_filter(np.hypot(*(ndimage.sobel(gray, axis) for axis in (0, 1))), window)
    half = window // 2
    strength = strength[half : strength.shape[0] - (window - half) + 1, half : strength.shape[1] - (window - half) + 1]
    strength = strength.copy()
    places: list[tuple[int, int]] = []
    while len(places) < count and strength.size and strength.max() > -1:
        row, column = np.unravel_index(int(strength.argmax()), strength.shape)
        limit = [length - side for length in pixels.shape[:2]]
        places.append((min(int(row) * step, limit[0]), min(int(column) * step, limit[1])))
        near = 2 * window  # so that they show different areas
        strength[max(0, row - near) : row + near, max(0, column - near) : column + near] = -1
    return places


def _resized(pixels: np.ndarray, shape: tuple[int, int], kernel: str) -> np.ndarray:
    return imresize(pixels, size=shape, kernel=kernel)


def _show(axis, pixels: np.ndarray) -> None:
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
