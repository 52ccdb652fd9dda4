"""Chooses the shipped network for a picture without --model, by JPEG quality and noise.

A network trained on clean pictures treats the blocks and ringing of a JPEG as detail, enlarges them, and keeps noise.
One trained on degraded pictures removes both, at the cost of clean detail. The quality of a JPEG is read from its
quantization tables; noise is estimated in the flattest parts of the picture. The thresholds are where both networks are
equally good by LPIPS: `python tools/network_choice.py` prints the values for three photographs.
"""

import dataclasses
import io
from pathlib import Path

import numpy as np
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import Header, read_image, to_uint8
from sr_gan_tf.shipped import DEFAULT_MODEL, shipped_models

# Like the default for clean pictures, it invents no detail; span_x4_photo, which does, must be asked for.
FOR_DAMAGED = "span_x4_real"
LOWEST_CLEAN_QUALITY = 80
MOST_NOISE = 4.0  # gray levels
# Larger pictures are not decoded an additional time to estimate their noise.
_MOST_MEGAPIXELS = 25.0
# Luminance table of the JPEG standard (ITU-T T.81, annex K), the quality 50 of the Independent JPEG Group.
_STANDARD_SUM = 3676
_BLOCK, _ROWS, _FLATTEST = 16, 64, 0.1


@dataclasses.dataclass(frozen=True)
class Choice:
    """The chosen network and the reason.

    Attributes:
        model: a shipped name.
        reason: text that follows "span_x4, ".
    """

    model: str
    reason: str


def choose_network(file: str | Path | bytes, header: Header) -> Choice:
    """Chooses by a picture file. An unreadable file counts as clean; reading it later reports the error.

    Args:
        file: path, or the file's bytes.
        header: its header, from `read_header`.
    """
    quality = jpeg_quality(file) if header.format == "JPEG" else None
    if quality is not None and quality < LOWEST_CLEAN_QUALITY:
        return Choice(_for_damaged(), f"for a JPEG of quality {quality}, under {LOWEST_CLEAN_QUALITY}")
    look = f"a JPEG of quality {quality}" if quality is not None else f"a picture in {header.format}"
    if header.width * header.height > _MOST_MEGAPIXELS * 1e6:
        return Choice(DEFAULT_MODEL, f"for {look}, too large to estimate its noise")
    try:
        pixels = read_image(file).pixels
    except InputError:
        return Choice(DEFAULT_MODEL, f"for {look} with little noise")
    return choose_for_pixels(pixels, look)


def choose_for_pixels(pixels: np.ndarray, look: str) -> Choice:
    """Chooses by noise alone.

    Args:
        pixels: uint8 or uint16 (H, W, C).
        look: description for the reason, e.g. "a picture in PNG".
    """
    noise = flat_deviation(to_uint8(pixels))
    if noise <= MOST_NOISE:
        return Choice(DEFAULT_MODEL, f"for {look} with little noise")
    reason = f"for {look} with noise of {noise:.1f} gray levels in flat places, over {MOST_NOISE:.1f}"
    return Choice(_for_damaged(), reason)


def _for_damaged() -> str:
    return FOR_DAMAGED if FOR_DAMAGED in shipped_models() else DEFAULT_MODEL


def jpeg_quality(file: str | Path | bytes) -> int | None:
    """The quality (1 to 100, Independent JPEG Group) with an equally coarse luminance table; None without a table."""
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            tables = getattr(image, "quantization", None)
    except (OSError, ValueError, SyntaxError):
        return None
    if not tables or not tables.get(0):
        return None
    scale = 100 * sum(tables[0]) / _STANDARD_SUM
    quality = 5000 / scale if scale > 100 else (200 - scale) / 2
    return int(np.clip(round(quality), 1, 100))


def flat_deviation(image: np.ndarray) -> float:
    """Standard deviation of the noise in the flattest tenth of a uint8 picture's 16 x 16 blocks, in gray levels.

    Immerkaer 1996: a difference of two Laplacians removes linear parts. Excludes blocks that touch black or white,
    where noise is clipped; returns 0 if fewer than eight blocks remain.
    """
    image = image.reshape(*image.shape[:2], -1)
    image = image[..., : 3 if image.shape[2] > 2 else 1]
    rows, columns = (length // _BLOCK for length in image.shape[:2])
    if rows * columns == 0:
        return 0.0
    blocks = image[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK, -1)
    # For a large picture, evenly spaced rows and columns of blocks.
    blocks = blocks[:: -(-rows // _ROWS), :, :: -(-columns // _ROWS)]
    blocks = blocks.mean(axis=-1, dtype=np.float32).transpose(0, 2, 1, 3).reshape(-1, _BLOCK, _BLOCK)
    blocks = blocks[(blocks.min(axis=(1, 2)) > 2) & (blocks.max(axis=(1, 2)) < 253)]
    if len(blocks) < 8:
        return 0.0
    across = blocks[:, :, :-2] - 2 * blocks[:, :, 1:-1] + blocks[:, :, 2:]
    both = (
        across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    )  # (blocks, 14, 14); its deviation is 6 times that of the noise
    deviations = np.sqrt(np.mean(both**2, axis=(1, 2))) / 6
    return float(np.mean(np.sort(deviations)[: max(1, round(_FLATTEST * len(deviations)))]))
