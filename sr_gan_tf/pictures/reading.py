"""Reads picture files into arrays: 16 bits stay 16 bits, EXIF's orientation is applied.

Any defect of a file raises one `InputError` that names the file. Sizes are checked by the header, before any pixel is
decoded.
"""

import contextlib
import dataclasses
import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.files import atomic_file
from sr_gan_tf.pictures import MAX_MEGAPIXELS as MAX_MEGAPIXELS
from sr_gan_tf.pictures.containers import jpeg_with_end, png_without_damaged_chunks
from sr_gan_tf.pictures.cut_files import ends_early, missing_end, without_zero_tail, zero_filled
from sr_gan_tf.pictures.decoding import decode, first_frame, frame_count, orientation, quiet
from sr_gan_tf.pictures.deep import BareTiff, decoder_warnings, is_deep
from sr_gan_tf.pictures.encoding import Encoding, encode, format_of
from sr_gan_tf.pictures.encoding import to_uint8 as to_uint8
from sr_gan_tf.pictures.extra_formats import ExtraPicture, open_extra
from sr_gan_tf.pictures.formats import SUFFIXES as SUFFIXES
from sr_gan_tf.pictures.formats import known_content
from sr_gan_tf.pictures.metadata import NOTHING, Metadata
from sr_gan_tf.pictures.metadata_reading import damaged_chunk, read_metadata

# Not all of Pillow's formats: EPS would start an interpreter, and others do not contain pixels.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "GIF", "PPM", "JPEG2000")


# Errors for a missing file or a folder, and for a seek to an offset from a damaged file.
_DEFECTS = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EOVERFLOW,
)  # fmt: skip
_NO_END = "the end marker is missing; every pixel was read"


class Unreadable(InputError):
    """The disk or memory failed while reading a file; the picture itself may be fine."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (H, W, 1 or 3) uint8 or uint16, upright.
        alpha: (H, W) of the same type, or None.
        format: of the file, as in `FORMATS`.
        metadata: of the file.
        duration: display time of an animation's frame, in milliseconds.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    format: str = "PNG"
    metadata: Metadata = NOTHING
    duration: int = 0


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file's header says; `width` and `height` are those after applying EXIF's orientation.

    `loop` is how often an animation is shown, 0 for endlessly, None if the file doesn't say. `frames` are those of an
    animation, `pages` those of a TIFF, of which only the first one is read.
    """

    width: int
    height: int
    format: str
    frames: int = 1
    loop: int | None = None
    pages: int = 1


def read_header(source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, name: str = "") -> Header:
    """Reads size, format and number of frames from the header.

    Args:
        source: path, or the file's bytes.
        max_megapixels: refuse pictures with more megapixels.
        name: name in messages for a source given as bytes.

    Raises:
        InputError: if the file is missing, empty, not a picture, or larger than `max_megapixels`.
    """
    with _opened(source, max_megapixels, name) as (image, _, _), quiet(), _refusing(name or _name(source), source):
        width, height = image.size
        # Pillow turns a TIFF itself while decoding; its header already gives the turned size.
        if orientation(image) >= 5 and image.format != "TIFF":
            width, height = height, width
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        return Header(width, height, _format(image), frame_count(image), image.info.get("loop"), pages)


def picture_size(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> tuple[int, int]:
    """(width, height) of the upright picture, from the header alone."""
    header = read_header(path, max_megapixels)
    return header.width, header.height


def read_image(source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, name: str = "") -> Picture:
    """Reads a picture, or the first frame of an animation, with alpha, 16 bits and metadata.

    Args:
        source: path, or the file's bytes.
        max_megapixels: refuse pictures with more megapixels, before anything is decoded.
        name: name in messages for a source given as bytes.

    Raises:
        InputError: if the file cannot be read as a picture.
    """
    return next(read_frames(source, max_megapixels, name))


def read_frames(
    source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, name: str = ""
) -> Iterator[Picture]:
    """Yields the frames of an animation, each composed to a full picture; a still picture has one frame."""
    where, original = name or _name(source), source
    with _opened(source, max_megapixels, name) as (image, source, lost):
        with quiet(), _refusing(where, original):
            metadata = read_metadata(image, source)
            frames, first = frame_count(image), first_frame(image)
            if frames > 1 and is_deep(image.format, source):
                lost = (*lost, "more than 8 bits per sample of an animation")
            if first:
                lost = (*lost, "the still picture before the animation")
            remarks = (_NO_END,) if ends_early(original, image.format) else ()
            metadata = dataclasses.replace(metadata, lost=(*lost, *metadata.lost), remarks=remarks)
        for index in range(first, first + frames):
            with _refusing(where, original):
                if index and isinstance(image, Image.Image):
                    image.seek(index)
                pixels, alpha, metadata = _decoded(image, source, metadata, where)
            duration = image.info.get("duration", 0) if frames > 1 else 0
            yield Picture(pixels, alpha, _format(image), metadata, int(duration or 0))


def _decoded(image, source, metadata: Metadata, where: str) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Same as `decode`, but also reads a JPEG without its end marker, since every viewer shows it."""
    try:
        if image.format == "JPEG" and zero_filled(source):
            raise OSError("filled with zero bytes")
        with decoder_warnings() as warned:
            pixels, alpha, metadata = decode(image, source, metadata, where)
        remarks = dict.fromkeys((*metadata.remarks, *(f"the decoder warns: {text}" for text in warned)))
        return pixels, alpha, dataclasses.replace(metadata, remarks=tuple(remarks))
    except OSError as error:
        if image.format != "JPEG" or error.errno is not None:
            raise
        data = without_zero_tail(source if isinstance(source, bytes) else Path(source).read_bytes())
        with quiet():
            whole = jpeg_with_end(data, lambda coded: np.asarray(Image.open(io.BytesIO(coded), formats=("JPEG",))))
            if whole is None:
                raise
            image = Image.open(io.BytesIO(whole), formats=("JPEG",))
        metadata = dataclasses.replace(metadata, remarks=(_NO_END,))
        return decode(image, whole, metadata, where)


def read_rgb(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """(H, W, 3) uint8 for training: without alpha, rounded to 8 bits, gray repeated, CMYK converted, upright."""
    picture = read_image(path, max_megapixels)
    pixels = to_uint8(picture.pixels)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def write_image(
    path: str | Path,
    pixels: np.ndarray,
    alpha: np.ndarray | None = None,
    metadata: Metadata = NOTHING,
    quality: int = 95,
) -> None:
    """Writes a picture; it appears under its final name only when it is complete.

    Args:
        path: PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF, HEIC or JPEG XL by its suffix.
        pixels: uint8 or uint16 (H, W), (H, W, 1) or (H, W, 3); values are rounded for 8-bit formats.
        alpha: (H, W) of the same type; for formats without alpha the picture is composed over white.
        metadata: written as far as the format can store it.
        quality: 1 to 100 for JPEG, WebP (100 is lossless) and AVIF.
    """
    encoding = Encoding(format_of(path), quality)
    samples = joined(pixels, alpha, encoding)
    encoding.check_size(samples.shape[1], samples.shape[0], str(path))
    with atomic_file(path) as file:
        encode(file, [samples], samples.shape, samples.dtype, encoding, metadata, Path(path).parent)


def joined(pixels: np.ndarray, alpha: np.ndarray | None, encoding: Encoding) -> np.ndarray:
    """(H, W, 1 to 4) samples as `encoding` stores them: with alpha or composed over white, 8 or 16 bits."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if alpha is not None and not encoding.holds_alpha():
        top = np.iinfo(pixels.dtype).max
        weight = alpha[..., None].astype(np.float32) / top
        pixels = np.rint(pixels * weight + top * (1 - weight)).astype(pixels.dtype)
    elif alpha is not None:
        pixels = np.concatenate([pixels, alpha[..., None]], axis=2)
    return pixels if encoding.sample_type(pixels.dtype) == np.uint16 else to_uint8(pixels)


@contextlib.contextmanager
def naming_faults(where: str) -> Iterator[None]:
    """Turns errors of disk and memory into `Unreadable`; errors about the file itself pass."""
    try:
        yield
    except MemoryError as error:
        raise Unreadable(f"{where}: not enough memory to decode it; free some or split the picture") from error
    except OSError as error:
        # Decoders also raise OSError, but without a number.
        if error.errno is None or error.errno in _DEFECTS:
            raise
        reason = error.strerror or one_line(error)
        raise Unreadable(f"cannot read {where}: {reason}; make it readable and start again") from error


@contextlib.contextmanager
def _refusing(where: str, source: str | Path | bytes) -> Iterator[None]:
    """Turns any exception of a decoder into one line that names the file."""
    try:
        with naming_faults(where):
            yield
    except Unreadable:
        raise
    except Exception as error:
        reason = missing_end(source)
        if reason is None and isinstance(error, InputError):
            raise
        reason = reason or f"damaged or unsupported picture ({one_line(error) or type(error).__name__})"
        raise InputError(f"{where}: {reason}; replace or remove it") from error


@contextlib.contextmanager
def _opened(
    source: str | Path | bytes, max_megapixels: float, name: str
) -> Iterator[tuple[Image.Image | BareTiff | ExtraPicture, str | Path | bytes, tuple[str, ...]]]:
    """Yields the opened picture, the source it was opened from after any repair, and what the repair lost."""
    where = name or _name(source)
    try:
        # A file object, not a path: from a path, Pillow maps an uncompressed TIFF and scrambles a turned one.
        with naming_faults(where):
            # Closed by the `with` below.
            file = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or one_line(error)}; pass a picture file") from error
    with file:
        with quiet(), _refusing_unknown(where, file):
            image, repaired, lost = _identified(file)
        if image.width < 1 or image.height < 1:
            reason = missing_end(file) or f"{image.width} x {image.height} pixels by its header"
            raise InputError(f"{where}: {reason}; replace or remove it")
        megapixels = image.width * image.height / 1e6
        if megapixels > max_megapixels:
            raise InputError(
                f"{where}: {image.width} x {image.height} = {megapixels:,.0f} megapixels by its header, the limit is "
                f"{max_megapixels:,.0f}; if you trust the file, raise the limit with --max-megapixels"
            )
        yield image, source if repaired is None else repaired, lost


def _identified(file: IO[bytes]) -> tuple[Image.Image | BareTiff | ExtraPicture, bytes | None, tuple[str, ...]]:
    """The opened picture, the repaired bytes or None, and what the repair lost."""
    extra = open_extra(file)
    if extra is not None:
        return extra, None, ()
    try:
        return Image.open(file, formats=_FORMATS), None, ()
    except (UnidentifiedImageError, SyntaxError, ValueError):
        file.seek(0)
        head = file.read(8)
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            file.seek(0)
            return BareTiff(file), None, ()
        if head != b"\x89PNG\r\n\x1a\n":
            raise
        data, damaged = png_without_damaged_chunks(head + file.read())
        if not damaged:
            raise
        image = Image.open(io.BytesIO(data), formats=("PNG",))
        return image, data, tuple(damaged_chunk(kind) for kind in damaged)


@contextlib.contextmanager
def _refusing_unknown(where: str, file: IO[bytes]) -> Iterator[None]:
    try:
        with naming_faults(where):
            yield
    except InputError:  # already describes the defect
        raise
    except Exception as error:
        if file.seek(0, io.SEEK_END) == 0:
            raise InputError(f"{where}: the file is empty; replace or remove it") from error
        reason = missing_end(file)
        if reason is None and isinstance(error, UnidentifiedImageError):
            file.seek(0)
            content = known_content(file.read(64))
            found = f", but {content}" if content else ""
            raise InputError(
                f"{where}: no picture that can be read{found}; expected PNG, JPEG, WebP, BMP, TIFF, AVIF, GIF, PPM or "
                "JPEG 2000, or with 'sr_gan_tf[formats]' HEIC, JPEG XL or camera raw"
            ) from error
        reason = reason or f"damaged picture ({one_line(error)})"
        raise InputError(f"{where}: {reason}; replace or remove it") from error


def _name(source: str | Path | bytes) -> str:
    return "standard input" if isinstance(source, bytes) else str(source)


def _format(image: Image.Image | BareTiff | ExtraPicture) -> str:
    return "JPEG" if image.format == "MPO" else image.format or "PNG"
