"""Decodes an opened picture of any mode into pixels and alpha.

Pillow truncates 16-bit RGB to 8 bits, so `deep` decodes deeper pictures. `samples` interprets the samples of all.
"""

import contextlib
import dataclasses
import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.containers import check_png_pixels
from sr_gan_tf.pictures.deep import BareTiff, deep_samples
from sr_gan_tf.pictures.extra_formats import ExtraPicture
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.samples import Samples, interpreted

# Pillow's limits and the warning filters are global, so only one header at a time is read without them.
_header_lock = threading.Lock()
_ORIENTATION = 0x0112
_DIRECTORIES = (0x8769, 0x8825)
_PHOTOMETRIC, _YCBCR, _SAMPLE_FORMAT = 262, 6, 339
_PILLOW_ASKS = 80_000_000  # pixels above which Pillow's TIFF decoder checks its own limit again


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lifts Pillow's own size limit, which ours replaces, and hides its warnings about odd headers."""
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def orientation(image: Image.Image | BareTiff | ExtraPicture) -> int:
    """Orientation, 1 to 8, of an opened image by its EXIF or XMP; 1 if it is absent or damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, EOFError):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def first_frame(image: Image.Image | BareTiff | ExtraPicture) -> int:
    """Index of the first frame that is shown: an animated PNG may begin with a still picture for other programs."""
    return int(image.format == "PNG" and bool(getattr(image, "default_image", False)))


def frame_count(image: Image.Image | BareTiff | ExtraPicture) -> int:
    """Number of frames of an animation; 1 for still pictures, for MPO, and for a TIFF of several pages."""
    if image.format not in ("GIF", "WEBP", "PNG", "AVIF"):
        return 1
    try:
        return max(1, getattr(image, "n_frames", 1) - first_frame(image))
    except (OSError, ValueError, SyntaxError, EOFError):
        return 1


def decode(
    image: Image.Image | BareTiff | ExtraPicture, source: str | Path | bytes, metadata: Metadata, where: str
) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Decodes the current frame.

    Args:
        image: the opened picture.
        source: its file, or the file's bytes.
        metadata: of the file.
        where: name of the picture in messages.

    Returns:
        Pixels (H, W, 1 or 3), alpha (H, W) or None, and the metadata that is still valid for them.
    """
    if isinstance(image, ExtraPicture):
        return interpreted(image.samples(where), metadata)
    samples = deep_samples(image, source, frame_count(image) + first_frame(image), where)
    if samples is not None and image.format != "TIFF":
        samples = dataclasses.replace(samples, turn=orientation(image))
    if isinstance(image, BareTiff) or samples is not None:
        return interpreted(cast(Samples, samples), metadata)
    if image.format == "TIFF":
        with quiet():
            _read_exif(image)
        _correct_ycbcr(image)
    if image.format == "PNG" and image.tell() <= first_frame(image):
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            check_png_pixels(file)
    _correct_transparency(image)
    if image.format == "TIFF" and image.width * image.height > _PILLOW_ASKS:
        with quiet():
            image.load()
    else:
        image.load()
    # After decoding, because some of Pillow's decoders turn the picture themselves and then report 1.
    return interpreted(dataclasses.replace(pillow_samples(image, where), turn=orientation(image)), metadata)


def _correct_ycbcr(image: Image.Image) -> None:
    """Pillow before 13 reads an uncompressed YCbCr TIFF as four bytes per pixel, and the data ends too early."""
    if not isinstance(image, TiffImageFile) or image.tag_v2.get(_PHOTOMETRIC) != _YCBCR:
        return
    if image.tile and all(tile.codec_name == "raw" and cast(tuple, tile.args)[0] == "RGBX" for tile in image.tile):
        image._mode = "YCbCr"
        image.tile = [tile._replace(args=("YCbCr", *cast(tuple, tile.args)[1:])) for tile in image.tile]


def _correct_transparency(image: Image.Image) -> None:
    """Pillow scales a PNG's gray of 2 and 4 bits to 8, but not the gray that its tRNS chunk makes transparent."""
    hidden = image.info.get("transparency")
    if image.format != "PNG" or image.mode != "L" or not isinstance(hidden, int):
        return
    rawmode = next((tile.args for tile in getattr(image, "tile", ())), None)
    top = {"L;2": 3, "L;4": 15}.get(rawmode if isinstance(rawmode, str) else "")
    if top and hidden <= top:
        image.info["transparency"] = hidden * 255 // top


def _read_exif(image: Image.Image) -> None:
    """Reads the directories that Pillow asks for while decoding a TIFF, as it warns about damaged ones."""
    with contextlib.suppress(Exception):  # any error of Pillow's on damaged EXIF; decoding reads it again
        exif = image.getexif()
        for tag in _DIRECTORIES:
            exif.get_ifd(tag)


def pillow_samples(image: Image.Image, where: str) -> Samples:
    """The samples of a Pillow image of any mode, without applying its orientation."""
    mode, format = image.mode, image.format
    if mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            # Pillow shows unsigned samples of 32 bits as signed ones.
            signed = not isinstance(image, TiffImageFile) or 2 in image.tag_v2.get(_SAMPLE_FORMAT, (1,))
            found = "below 0" if values.min() < 0 and signed else "above 65535"
            raise InputError(f"{where}: samples {found}; convert it to 8 or 16 bits per sample")
        deep, hidden = values.astype(np.uint16)[..., None], image.info.get("transparency")
        if isinstance(hidden, int):
            alpha = np.where(deep == hidden, 0, 65535).astype(np.uint16)
            return Samples(np.concatenate([deep, alpha], axis=2), "gray", "straight")
        return Samples(deep, "gray")
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
        gray = mode in ("1", "L", "La", "LA")
        image = image.convert("LA" if gray else "RGBA")
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if mode == "1" else "RGB")
    values = np.asarray(image)
    values = values[..., None] if values.ndim == 2 else values
    if format == "BMP" and values.shape[2] == 4 and not values[..., 3].any():
        values = values[..., :3]  # The alpha byte was never set; Windows shows such pictures as opaque.
    return Samples(values, "gray" if values.shape[2] <= 2 else "rgb", "straight" if values.shape[2] in (2, 4) else "")
