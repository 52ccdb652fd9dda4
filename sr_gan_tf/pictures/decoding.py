"""Pixels and alpha out of an opened Pillow image of any mode.

Pillow cuts 16-bit RGB to 8 bits, so 16-bit PNG goes through libpng (imagecodecs) and 16-bit TIFF through tifffile.
"""

import contextlib
import dataclasses
import io
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.metadata import Metadata

# What tifffile has to say about odd tags would stand between the lines of a command.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# Pillow's limits and the interpreter's warning filters are global: one header at a time is read without them.
_header_lock = threading.Lock()
# Pillow refuses the header of a 16-bit grey TIFF with alpha; the pixels come from tifffile anyway.
for _order in (b"II", b"MM"):
    for _extra in ((1,), (2,)):
        TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (1,), 1, (16, 16), _extra), ("LA", "LA;16B"))

_ORIENTATION = 0x0112
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


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8 of an opened image, as its EXIF or XMP says; 1 where it is absent or damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, EOFError):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def frame_count(image: Image.Image) -> int:
    """1 for still pictures; a phone's JPEG with a second view (MPO) and a TIFF's further pages are no animation."""
    if image.format not in ("GIF", "WEBP", "PNG", "AVIF"):
        return 1
    try:
        return max(1, getattr(image, "n_frames", 1))
    except (OSError, ValueError, SyntaxError, EOFError):
        return 1


def decode(
    image: Image.Image, source: str | Path | bytes, metadata: Metadata, where: str
) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Pixels and alpha of the current frame, and the metadata that still holds for them."""
    samples = _deep_samples(image, source, where)
    if samples is not None:
        turn = orientation(image)
    else:
        if image.format == "TIFF" and image.width * image.height > _PILLOW_ASKS:
            with quiet():
                image.load()
        else:
            image.load()
        # Asked after decoding, because some of Pillow's decoders turn the picture themselves and then say 1.
        turn = orientation(image)
        if image.mode in ("CMYK", "LAB"):
            image, metadata = _to_rgb(image, metadata), dataclasses.replace(metadata, icc_profile=None)
        samples = _samples(image, where)
    if samples.ndim == 2:
        samples = samples[..., None]
    samples = _turned(samples, turn)
    channels = samples.shape[2]
    if channels in (2, 4):
        return np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1]), metadata
    return np.ascontiguousarray(samples), None, metadata


def _deep_samples(image: Image.Image, source: str | Path | bytes, where: str) -> np.ndarray | None:
    """(H, W[, C]) uint16 where the file holds 16 bits a sample, None where Pillow keeps all there is."""
    if image.format == "PNG" and frame_count(image) == 1:
        return _deep_png(source)
    if image.format == "TIFF" and set(cast(TiffImagePlugin.TiffImageFile, image).tag_v2.get(258, (1,))) == {16}:
        return _deep_tiff(source, where)
    return None


def _deep_png(source: str | Path | bytes) -> np.ndarray | None:
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        header = file.read(26)
        if header[24] != 16:  # IHDR's bit depth
            return None
        return imagecodecs.png_decode(header + file.read())


def _deep_tiff(source: str | Path | bytes, where: str) -> np.ndarray:
    with tifffile.TiffFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
        page = cast(tifffile.TiffPage, file.pages[0])
        samples = page.asarray()
        if samples.dtype != np.uint16:
            raise InputError(f"{where}: TIFF with samples of type {samples.dtype}; convert it to 8 or 16 bits a sample")
        if samples.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            samples = np.moveaxis(samples, 0, -1)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            samples = 65535 - samples
        if page.photometric == tifffile.PHOTOMETRIC.SEPARATED:
            ink = 65535 - samples[..., :4].astype(np.uint32)
            samples = ((ink[..., :3] * ink[..., 3:] + 32767) // 65535).astype(np.uint16)
        if samples.ndim == 3 and samples.shape[2] > 4:
            samples = samples[..., :3]  # Further channels of a scientific TIFF are no part of the picture.
        return samples


def _to_rgb(image: Image.Image, metadata: Metadata) -> Image.Image:
    """CMYK and Lab to sRGB: by the embedded profile where there is a usable one, else by the plain formula."""
    standard = ImageCms.createProfile("sRGB")
    try:
        profile = None
        if image.mode == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif metadata.icc_profile:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(metadata.icc_profile))
        if profile is not None:
            converted = ImageCms.profileToProfile(image, profile, standard, outputMode="RGB")
            return cast(Image.Image, converted)  # None only for a conversion in place
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A damaged profile must not cost the picture.
        pass
    return image.convert("RGB")


def _samples(image: Image.Image, where: str) -> np.ndarray:
    """(H, W) or (H, W, 2 to 4) uint8 or uint16 of a decoded Pillow image of any mode."""
    mode = image.mode
    if mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{where}: samples of 32 bits; convert it to 8 or 16 bits a sample")
        return values.astype(np.uint16)
    if mode == "F":
        raise InputError(f"{where}: floating-point samples; convert it to 8 or 16 bits a sample")
    if mode in ("PA", "RGBa", "La") or "transparency" in image.info:
        grey = mode in ("1", "L", "La")
        return np.asarray(image.convert("LA" if grey else "RGBA"))
    if mode in ("L", "LA", "RGB", "RGBA"):
        return np.asarray(image)
    return np.asarray(image.convert("L" if mode == "1" else "RGB"))


def _turned(samples: np.ndarray, turn: int) -> np.ndarray:
    """The picture as EXIF orientation 1 to 8 wants it shown."""
    if turn >= 5:
        samples = np.swapaxes(samples, 0, 1)
    if turn in (3, 4, 7, 8):
        samples = samples[::-1]
    if turn in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
