"""Pixels and alpha out of an opened Pillow image of any mode.

Pillow cuts 16-bit RGB to 8 bits; `deep` decodes what holds more. What samples mean is decided in `samples`, for all.
"""

import contextlib
import dataclasses
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.deep import BareTiff, deep_samples
from sr_gan_tf.pictures.extra_formats import ExtraPicture
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.samples import Samples, interpreted

# Pillow's limits and the interpreter's warning filters are global: one header at a time is read without them.
_header_lock = threading.Lock()
_ORIENTATION = 0x0112
_DIRECTORIES = (0x8769, 0x8825)
_PILLOW_ASKS = 80_000_000  # pixels above which Pillow's TIFF decoder asks for its own limit once more


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Pillow's own size limit is lifted (ours replaces it) and its remarks on odd headers are not shown."""
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def orientation(image: Image.Image | BareTiff | ExtraPicture) -> int:
    """EXIF orientation 1 to 8 of an opened image, as its EXIF or XMP says; 1 where it is absent or damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, EOFError):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def frame_count(image: Image.Image | BareTiff | ExtraPicture) -> int:
    """1 for still pictures; a phone's JPEG with a second view (MPO) and a TIFF's further pages are no animation."""
    if image.format not in ("GIF", "WEBP", "PNG", "AVIF"):
        return 1
    try:
        return max(1, getattr(image, "n_frames", 1))
    except (OSError, ValueError, SyntaxError, EOFError):
        return 1


def decode(
    image: Image.Image | BareTiff | ExtraPicture, source: str | Path | bytes, metadata: Metadata, where: str
) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Pixels and alpha of the current frame, and the metadata that still holds for them.

    Args:
        image: the opened picture.
        source: its file, or the file's bytes.
        metadata: what the file says besides its pixels.
        where: what messages call it.
    """
    if isinstance(image, ExtraPicture):
        return interpreted(image.samples(where), metadata)
    samples = deep_samples(image, source, frame_count(image), where)
    if samples is not None and image.format != "TIFF":
        samples = dataclasses.replace(samples, turn=orientation(image))
    if isinstance(image, BareTiff) or samples is not None:
        return interpreted(cast(Samples, samples), metadata)
    if image.format == "TIFF":
        with quiet():
            _read_exif(image)
    if image.format == "TIFF" and image.width * image.height > _PILLOW_ASKS:
        with quiet():
            image.load()
    else:
        image.load()
    # Asked after decoding, because some of Pillow's decoders turn the picture themselves and then say 1.
    return interpreted(dataclasses.replace(pillow_samples(image, where), turn=orientation(image)), metadata)


def _read_exif(image: Image.Image) -> None:
    """Reads the directories that Pillow asks for while decoding a TIFF, as it warns about damaged ones."""
    with contextlib.suppress(Exception):  # whatever Pillow raises on what is not quite EXIF; decoding asks again
        exif = image.getexif()
        for tag in _DIRECTORIES:
            exif.get_ifd(tag)


def pillow_samples(image: Image.Image, where: str) -> Samples:
    """The samples of a Pillow image of any mode, not turned."""
    mode, format = image.mode, image.format
    if mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{where}: 32-bit samples; convert it to 8 or 16 bits per sample")
        return Samples(values.astype(np.uint16)[..., None], "grey")
    if mode == "F":
        raise InputError(
            f"{where}: floating-point samples, which have no fixed white; convert it to 8 or 16 bits per sample"
        )
    if mode == "CMYK":
        return Samples(np.asarray(image), "cmyk")
    if mode == "LAB":
        values = np.asarray(image).copy()
        values[..., 1:] ^= 128  # a and b are signed
        return Samples(values, "lab")
    if mode in ("PA", "RGBa", "La") or "transparency" in image.info:
        grey = mode in ("1", "L", "La", "LA")
        image = image.convert("LA" if grey else "RGBA")
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if mode == "1" else "RGB")
    values = np.asarray(image)
    values = values[..., None] if values.ndim == 2 else values
    if format == "BMP" and values.shape[2] == 4 and not values[..., 3].any():
        values = values[..., :3]  # The fourth byte was never filled; Windows shows such pictures opaque.
    return Samples(values, "grey" if values.shape[2] <= 2 else "rgb", "straight" if values.shape[2] in (2, 4) else "")
