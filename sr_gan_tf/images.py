"""Picture files to arrays: any kind that Pillow reads, 16 bits kept at 16 bits, turned as EXIF says.

Pillow cuts 16-bit RGB to 8 bits, so 16-bit PNG goes through libpng (imagecodecs) and 16-bit TIFF through tifffile.
Whatever is wrong with a file ends in one `InputError` that names it; sizes are judged by the header, before any
pixel is decoded.
"""

import contextlib
import dataclasses
import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.picture_metadata import Metadata, orientation, read_metadata

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".gif")
MAX_MEGAPIXELS = 500.0

# Not every format of Pillow's: EPS would start an interpreter, and others are no pictures of pixels.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF", "PPM", "JPEG2000")

# Pillow's limits and the interpreter's warning filters are global: one header at a time is read without them.
_header_lock = threading.Lock()
# Pillow refuses the header of a 16-bit grey TIFF with alpha; the pixels come from tifffile anyway.
for _order in (b"II", b"MM"):
    for _extra in ((1,), (2,)):
        TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (1,), 1, (16, 16), _extra), ("LA", "LA;16B"))

_PILLOW_ASKS = 80_000_000  # pixels above which Pillow's TIFF decoder asks for its own limit once more


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded picture: `pixels` (H, W, 1 or 3) uint8 or uint16, `alpha` (H, W) of the same type or None.

    `duration` is how long an animation shows this frame, in milliseconds.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    format: str = "PNG"
    metadata: Metadata = Metadata()
    duration: int = 0


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says before its pixels are decoded; `width` and `height` are those after EXIF's turn.

    `loop` is how often an animation is shown, 0 for endlessly, None where the file doesn't say.
    """

    width: int
    height: int
    format: str
    frames: int = 1
    loop: int | None = None


def read_header(source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, name: str = "") -> Header:
    """Size, format and number of frames, from the header alone.

    Raises:
        InputError: where the file is missing, empty, no picture, or larger than `max_megapixels`.
    """
    with _opened(source, max_megapixels, name) as image:
        with _quiet():
            width, height = image.size
            # Pillow turns a TIFF itself while decoding; its header already gives the turned size.
            if orientation(image) >= 5 and image.format != "TIFF":
                width, height = height, width
            return Header(width, height, _format(image), _frame_count(image), image.info.get("loop"))


def picture_size(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> tuple[int, int]:
    """(width, height) after EXIF's turn, from the header alone."""
    header = read_header(path, max_megapixels)
    return header.width, header.height


def read_image(source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, name: str = "") -> Picture:
    """The picture in a file (its first frame), with alpha, 16 bits and metadata kept.

    Args:
        source: path, or the file's bytes.
        max_megapixels: pictures whose header names more are refused before anything is decoded.
        name: what messages call a source given as bytes.

    Raises:
        InputError: where the file cannot be read as a picture.
    """
    return next(read_frames(source, max_megapixels, name))


def read_frames(
    source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, name: str = ""
) -> Iterator[Picture]:
    """The frames of an animation one by one, each composed to the whole picture; a still picture has one."""
    with _opened(source, max_megapixels, name) as image:
        where = name or _name(source)
        with _quiet():
            metadata = read_metadata(image)
            frames = _frame_count(image)
        for index in range(frames):
            with _refusing(where):
                if index:
                    image.seek(index)
                pixels, alpha, metadata = _decode(image, source, metadata, where)
            duration = image.info.get("duration", 0) if frames > 1 else 0
            yield Picture(pixels, alpha, _format(image), metadata, int(duration or 0))


def read_rgb(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """(H, W, 3) uint8 for training: alpha dropped, 16 bits rounded to 8, grey repeated, CMYK converted, turned."""
    picture = read_image(path, max_megapixels)
    pixels = to_uint8(picture.pixels)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """uint16 rounded to uint8 (65535 = 257 * 255); uint8 as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's own size limit is lifted (ours replaces it) and its remarks on odd headers are not shown."""
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Decoders raise whatever they meet in a damaged file; all of it becomes one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{where}: not enough memory to decode it; free some or split the picture") from error
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise InputError(f"{where}: damaged or unsupported picture ({reason}); replace or remove it") from error


@contextlib.contextmanager
def _opened(source: str | Path | bytes, max_megapixels: float, name: str) -> Iterator[Image.Image]:
    where = name or _name(source)
    try:
        # A file object, not its path: given a path, Pillow maps an uncompressed TIFF and scrambles a turned one.
        file = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or one_line(error)}; give a picture file") from error
    with file:
        with _quiet(), _refusing_unknown(where, file):
            image = Image.open(file, formats=_FORMATS)
        megapixels = image.width * image.height / 1e6
        if megapixels > max_megapixels:
            raise InputError(
                f"{where}: its header names {image.width} x {image.height} = {megapixels:,.0f} megapixels, "
                f"the limit is {max_megapixels:,.0f}; raise it with --max-megapixels if the file is trusted"
            )
        yield image


@contextlib.contextmanager
def _refusing_unknown(where: str, file: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        if file.seek(0, io.SEEK_END) == 0:
            raise InputError(f"{where}: the file is empty; replace or remove it") from error
        raise InputError(
            f"{where}: no picture that can be read; expected PNG, JPEG, WebP, BMP, TIFF, AVIF or GIF"
        ) from error
    except Exception as error:
        raise InputError(f"{where}: damaged picture ({one_line(error)}); replace or remove it") from error


def _name(source: str | Path | bytes) -> str:
    return "standard input" if isinstance(source, bytes) else str(source)


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else image.format or "PNG"


def _frame_count(image: Image.Image) -> int:
    """1 for still pictures; a phone's JPEG with a second view (MPO) and a TIFF's further pages are no animation."""
    if image.format not in ("GIF", "WEBP", "PNG", "AVIF"):
        return 1
    try:
        return max(1, getattr(image, "n_frames", 1))
    except (OSError, ValueError, SyntaxError, EOFError):
        return 1


def _decode(
    image: Image.Image, source: str | Path | bytes, metadata: Metadata, where: str
) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Pixels and alpha of the current frame, and the metadata that still holds for them."""
    samples = _deep_samples(image, source, where)
    if samples is not None:
        turn = orientation(image)
    else:
        if image.format == "TIFF" and image.width * image.height > _PILLOW_ASKS:
            with _quiet():
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
    if image.format == "PNG" and _frame_count(image) == 1:
        return _deep_png(source)
    if image.format == "TIFF" and set(image.tag_v2.get(258, (1,))) == {16}:
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
        page = file.pages[0]
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
        if image.mode == "LAB":
            return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), standard, outputMode="RGB")
        if metadata.icc_profile:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(metadata.icc_profile))
            return ImageCms.profileToProfile(image, profile, standard, outputMode="RGB")
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
