"""Enlarges a picture row by row: chains of networks, wrapped edges, matched colors, any final size.

Steps that need a whole intermediate picture (a second network, a final resize, color matching) use a scratch file on
disk, so that memory holds only one row of tiles.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.alpha import extended_colors
from sr_gan_tf.inference.chain import Chain
from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.inference.tiling import Tiling, enlarged_rows, plan
from sr_gan_tf.pictures.encoding import scratch_array, to_uint8
from sr_gan_tf.resampling import imresize_rows
from sr_gan_tf.resampling.taps import Border

# Standard deviation (pixels of the original) of the Gaussian below whose frequencies colors are matched.
_COLOR_BLUR = 8.0
_BLOCK_BYTES = 1 << 25
_ROWS_AT_ONCE = 64
_LARGEST_NUMBER = 2**31 - 1  # no format supports a longer side


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the pixels of a picture are processed.

    Args:
        scale: final enlargement; None: that of the networks.
        width, height: final size in pixels; if only one is given, the aspect ratio is kept.
        max_side: final length of the longer side.
        short_side: final length of the shorter side.
        seamless: whether opposite edges of the picture join, as in a tiled texture.
        match_color: whether to keep the low-frequency colors of the original.
        tile: side of a tile in pixels of the original; None: chosen by the free memory.
        halo: pixels around a tile; `"exact"`: the whole receptive field; None: the same, or a measured halo if that
            would more than double the work.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    max_side: int | None = None
    short_side: int | None = None
    seamless: bool = False
    match_color: bool = False
    tile: int | None = None
    halo: int | Literal["exact"] | None = None

    def __post_init__(self):
        ways = [self.scale, self.width or self.height, self.max_side, self.short_side]
        if sum(way is not None for way in ways) > 1:
            raise InputError("expected one of --scale, --width with --height, --max-side and --short-side, not several")
        for name in ("scale", "width", "height", "max_side", "short_side", "tile"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= _LARGEST_NUMBER:
                raise InputError(
                    f"--{name.replace('_', '-')} {value}: expected more than 0 and at most {_LARGEST_NUMBER}"
                )
        if isinstance(self.halo, int) and self.halo < 0:
            raise InputError(f"--halo {self.halo}: expected exact, or 0 or more pixels")

    def final_size(self, width: int, height: int, network_scale: int) -> tuple[int, int]:
        """Returns (width, height) of the enlarged picture."""
        if self.max_side is not None:
            factor = self.max_side / max(width, height)
        elif self.short_side is not None:
            factor = self.short_side / min(width, height)
        elif self.width is not None and self.height is not None:
            return self.width, self.height
        elif self.width is not None:
            return self.width, max(1, round(height * self.width / width))
        elif self.height is not None:
            return max(1, round(width * self.height / height)), self.height
        else:
            factor = network_scale if self.scale is None else self.scale
        return max(1, round(width * factor)), max(1, round(height * factor))


@dataclasses.dataclass(frozen=True)
class Enlargement:
    """An enlarged picture whose rows are computed on request.

    Attributes:
        shape: (H, W, 1 or 3).
        blocks: (rows, W, 1 or 3) of the original's type, from top to bottom; can be iterated once.
        tilings: how each network tiles its picture.
    """

    shape: tuple[int, int, int]
    blocks: Iterator[np.ndarray]
    tilings: tuple[Tiling, ...]


def enlarge(
    pixels: np.ndarray,
    chain: Chain,
    settings: Settings,
    folder: str | Path | None = None,
    report: Callable[[float], None] | None = None,
) -> Enlargement:
    """Plans the enlargement of (H, W, 1 or 3) uint8, uint16 or float32 pixels.

    Args:
        pixels: the picture.
        chain: the networks.
        settings: further processing.
        folder: location of scratch files.
        report: called after each tile with its share of the total work; the shares add up to 1.
    """
    height, width, channels = pixels.shape
    gray = channels == 3 and _is_gray(pixels)
    if gray:
        # As one channel it stays gray, whatever colors a network would add.
        pixels, channels = pixels[..., 1:2], 1
    sides = np.cumprod([1, *(enlarger.scale for enlarger in chain.enlargers[:-1])])
    shares = sides**2 / (sides**2).sum()
    tilings = tuple(
        plan(enlarger, (height * side, width * side), settings.tile, settings.halo, None, pixels.itemsize, side)
        for enlarger, side in zip(chain.enlargers, sides.tolist(), strict=True)
    )

    def rows(enlarger: Enlarger, image: np.ndarray, stage: int) -> Iterator[np.ndarray]:
        share = float(shares[stage])
        told = None if report is None else lambda part: report(part * share)
        run = _seamless_rows if settings.seamless else enlarged_rows
        return run(enlarger, image, tilings[stage], told)

    def blocks() -> Iterator[np.ndarray]:
        image, first = pixels, chain.enlargers[:-1]
        for stage, enlarger in enumerate(first):
            # 16 bits in between, so that a second network does not see rounding errors of the first.
            image = image if image.dtype != np.uint8 else image.astype(np.uint16) * 257
            image = _kept(rows(enlarger, image, stage), image, enlarger.scale, folder)
        result: Iterator[np.ndarray]
        if first and pixels.dtype == np.uint8:
            result = (to_uint8(block) for block in rows(chain.enlargers[-1], image, len(first)))
        else:
            result = rows(chain.enlargers[-1], image, len(first))
        border: Border = "wrap" if settings.seamless else "replicate"
        if settings.match_color:
            result = _matched(result, pixels, chain.scale, folder, settings.seamless)
        if size != (width * chain.scale, height * chain.scale):
            whole = _kept(result, pixels, chain.scale, folder)
            result = imresize_rows(whole, size[::-1], _bands(size, channels, pixels.dtype), border=border)
        yield from result

    size = settings.final_size(width, height, chain.scale)
    if gray:
        return Enlargement((size[1], size[0], 3), (np.repeat(block, 3, axis=2) for block in blocks()), tilings)
    return Enlargement((size[1], size[0], channels), blocks(), tilings)


def _is_gray(pixels: np.ndarray) -> bool:
    """Whether a color picture contains only gray; lossy formats round its channels up to one level apart."""
    tolerance = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 257}.get(pixels.dtype, 0)
    for start in range(0, len(pixels), _ROWS_AT_ONCE):
        band = pixels[start : start + _ROWS_AT_ONCE]
        if (band.max(axis=2) - band.min(axis=2)).max() > tolerance:
            return False
    return True


def enlarge_alpha(alpha: np.ndarray, size: tuple[int, int], seamless: bool, folder: str | Path | None) -> np.ndarray:
    """Resizes (H, W) transparency to (width, height) by bicubic interpolation, because a network would alter it."""
    result = scratch_array((size[1], size[0], 1), alpha.dtype, folder)
    row = 0
    border: Border = "wrap" if seamless else "replicate"
    for block in imresize_rows(alpha[..., None], size[::-1], _bands(size, 1, alpha.dtype), border=border):
        # Bicubic interpolation overshoots at edges; integers are already clipped to their type.
        result[row : row + len(block)] = np.clip(block, 0, 1) if alpha.dtype.kind == "f" else block
        row += len(block)
    return result[..., 0]


def visible_colors(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """The pixels that the network sees for a picture with transparency."""
    return pixels if alpha is None else extended_colors(pixels, alpha)


def _kept(blocks: Iterator[np.ndarray], image: np.ndarray, scale: int, folder: str | Path | None) -> np.ndarray:
    """Collects the blocks of a picture in a scratch file."""
    height, width, channels = image.shape
    result: np.ndarray = np.empty(0)
    row = 0
    for block in blocks:
        if row == 0:
            result = scratch_array((height * scale, width * scale, channels), block.dtype, folder)
        result[row : row + len(block)] = block
        row += len(block)
    return result


def _bands(size: tuple[int, int], channels: int, dtype: np.dtype) -> list[tuple[int, int]]:
    """Ranges of rows [first, last) that cover the height in blocks of a few megabytes."""
    width, height = size
    step = max(1, _BLOCK_BYTES // (width * channels * np.dtype(dtype).itemsize))
    return [(first, min(height, first + step)) for first in range(0, height, step)]


def _seamless_rows(enlarger: Enlarger, image: np.ndarray, tiling: Tiling, report) -> Iterator[np.ndarray]:
    """As `enlarged_rows`, for a picture that repeats: extends it by as many pixels as the network sees."""
    unit = tiling.alignment
    margin = -(-max(tiling.halo, 1) // unit) * unit
    height, width = (length * enlarger.scale for length in image.shape[:2])
    cut = margin * enlarger.scale
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="wrap")
    top = 0
    tiling = dataclasses.replace(tiling, border=0)
    for block in enlarged_rows(enlarger, wide, tiling, report):
        first, last = max(cut, top) - top, min(cut + height, top + len(block)) - top
        top += len(block)
        if last > first:
            yield block[first:last, cut : cut + width]


def _matched(
    blocks: Iterator[np.ndarray], image: np.ndarray, scale: int, folder: str | Path | None, seamless: bool
) -> Iterator[np.ndarray]:
    """Replaces the low frequencies of the enlarged picture's colors with those of the original."""
    height, width, channels = image.shape
    shrunk = np.empty(image.shape, np.float32)

    def watched() -> Iterator[np.ndarray]:
        # A block of the last network is a multiple of its scale, not of the chain's scale, so rows remain.
        row, rest = 0, np.empty((0, width * scale, channels), image.dtype)
        for block in blocks:
            rest = np.concatenate([rest, block]) if len(rest) else block
            rows = len(rest) // scale
            squares = rest[: rows * scale].reshape(rows, scale, width, scale, channels)
            shrunk[row : row + rows] = squares.mean(axis=(1, 3), dtype=np.float32)
            row, rest = row + rows, rest[rows * scale :]
            yield block

    from scipy import ndimage  # only colors to match need it

    whole = _kept(watched(), image, scale, folder)
    difference = ndimage.gaussian_filter(
        image.astype(np.float32) - shrunk, (_COLOR_BLUR, _COLOR_BLUR, 0), mode="wrap" if seamless else "nearest"
    )
    size = (width * scale, height * scale)
    bands = _bands(size, channels, np.dtype(np.float32))
    border: Border = "wrap" if seamless else "replicate"
    corrections = imresize_rows(difference, size[::-1], bands, "bilinear", border)
    for (first, last), correction in zip(bands, corrections, strict=True):
        values = whole[first:last] + correction
        if image.dtype.kind != "f":
            values = np.clip(np.rint(values), 0, np.iinfo(image.dtype).max)
        yield values.astype(image.dtype)
