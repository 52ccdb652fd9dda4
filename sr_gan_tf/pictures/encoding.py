"""Encodes arrays as picture files: PNG, TIFF and JPEG row by row, other formats from a scratch file on disk.

An encoder takes blocks of rows from top to bottom, so a picture may be much larger than memory. The other formats need
all rows at once; these are collected in an unlinked, memory-mapped file in the output's folder.
"""

import dataclasses
import io
import itertools
import math
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import reserve
from sr_gan_tf.pictures.animations import Frame, prepared, save_arriving, with_channels, write_gif, write_png
from sr_gan_tf.pictures.color import with_nclx
from sr_gan_tf.pictures.extra_writers import encode_extra
from sr_gan_tf.pictures.formats import is_available
from sr_gan_tf.pictures.jpeg_writer import encode_jpeg
from sr_gan_tf.pictures.metadata import NOTHING, Metadata, fitting
from sr_gan_tf.pictures.png_writer import encode_png, write_metadata
from sr_gan_tf.pictures.tiff_writer import encode_tiff

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
    ".avif": "AVIF", ".gif": "GIF",
}  # fmt: skip
# Of the extra `formats`, where their packages are installed.
for _suffix, _extra in ((".heic", "HEIF"), (".heif", "HEIF"), (".hif", "HEIF"), (".jxl", "JXL")):
    if is_available(_extra):
        FORMATS[_suffix] = _extra
LARGEST_SIDE = {
    "PNG": 2**31 - 1, "JPEG": 65500, "WEBP": 16383, "TIFF": 2**31 - 1, "BMP": 2**31 - 1, "AVIF": 32768, "GIF": 65535,
    "HEIF": 16384, "JXL": 2**18,
}  # fmt: skip
_WITH_ALPHA = ("PNG", "WEBP", "TIFF", "AVIF", "GIF", "HEIF", "JXL")
_DEEP = ("PNG", "TIFF", "HEIF", "JXL")
_BYTES_AT_ONCE = 1 << 22
_PNG_HEAD = 33  # signature and IHDR


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a picture is written.

    Args:
        format: one of `FORMATS`' values.
        quality: 1 to 100 for JPEG, WebP and JPEG XL (100 is lossless), AVIF and HEIC; others ignore it.
        compression: of PNG and TIFF; "small" takes ten times as long for about a tenth less.
    """

    format: str = "PNG"
    quality: int = 95
    compression: Literal["fast", "small"] = "fast"

    def holds_alpha(self) -> bool:
        return self.format in _WITH_ALPHA

    def sample_type(self, dtype: np.dtype) -> np.dtype:
        """uint16 if the picture has it and the format can store it, otherwise uint8."""
        deep = np.dtype(dtype) == np.uint16 and self.format in _DEEP
        return np.dtype(np.uint16 if deep else np.uint8)

    def unkept(self, pixels: np.ndarray, alpha: np.ndarray | None) -> tuple[str, ...]:
        """What of a picture's samples the format cannot store, for a note."""
        lost = []
        if pixels.dtype != self.sample_type(pixels.dtype):
            lost.append("more than 8 bits per sample")
        elif self.format == "HEIF" and not _fits_10_bits(pixels):
            lost.append("more than 10 bits per sample")
        if alpha is not None and not self.holds_alpha() and alpha.min() < np.iinfo(alpha.dtype).max:
            lost.append("transparency (shown over white)")
        return tuple(lost)

    def check_size(self, width: int, height: int, name: str) -> None:
        """Raises InputError if the format cannot store a picture of this size."""
        if max(width, height) > LARGEST_SIDE[self.format]:
            raise InputError(
                f"{name}: {width} x {height} pixels do not fit into {self.format}, which ends at "
                f"{LARGEST_SIDE[self.format]} per side; write PNG or TIFF instead"
            )
        if self.format == "BMP" and 3 * width * height > 2**32 - 1024:
            raise InputError(f"{name}: {width} x {height} pixels are more than a BMP's 4 GB; write PNG or TIFF instead")


def _fits_10_bits(pixels: np.ndarray) -> bool:
    """Whether samples were 8 or 10 bits deep before they were scaled to their present range; looks at 256 rows."""
    if pixels.dtype == np.uint8:
        return True
    from sr_gan_tf.pictures.samples import widened  # loads a decoder

    some = pixels[:: max(1, len(pixels) // 256)]
    return np.array_equal(widened(((some.astype(np.uint32) * 1023 + 32767) // 65535).astype(np.uint16), 10), some)


def format_of(path: str | Path) -> str:
    """The format of a file name, by its suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"{path}: no picture format is known by {suffix!r}; use one of {', '.join(FORMATS)}")
    return FORMATS[suffix]


def scratch_array(shape: tuple[int, ...], dtype: np.dtype, folder: str | Path | None) -> np.ndarray:
    """An array in an unlinked file in `folder`; it disappears with the process."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            # Reserve the space now: a full disk under a mapped file would kill the process without a message.
            reserve(file, max(1, math.prod(shape) * np.dtype(dtype).itemsize), folder or tempfile.gettempdir())
        except OSError as error:
            raise InputError(f"no room for a scratch file of the picture in {folder}: {error.strerror}") from error
        return np.memmap(file, dtype, "r+", shape=shape)


def encode(
    file: IO[bytes],
    blocks: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    encoding: Encoding,
    metadata: Metadata = NOTHING,
    folder: str | Path | None = None,
) -> None:
    """Writes one picture.

    Args:
        file: an empty seekable binary file, open for reading and writing.
        blocks: (rows, W, C) arrays of `dtype` from top to bottom.
        shape: (H, W, C); C is 1 for gray, 2 for gray and alpha, 3 for RGB, 4 for RGB and alpha.
        dtype: uint8, or uint16 if the format stores it.
        encoding: format and quality.
        metadata: written as far as the format can store it.
        folder: for scratch files.
    """
    metadata = fitting(metadata, encoding.format, shape[2])
    if encoding.format in ("PNG", "TIFF"):
        by_rows = encode_png if encoding.format == "PNG" else encode_tiff
        by_rows(file, blocks, shape, np.dtype(dtype), metadata, small=encoding.compression == "small")
    elif encoding.format == "JPEG":
        encode_jpeg(file, blocks, shape, metadata, encoding.quality)
    else:
        pixels = _collected(blocks, shape, dtype, folder)
        if encoding.format in ("HEIF", "JXL"):
            encode_extra(file, encoding.format, pixels, encoding.quality, metadata)
            return
        whole = _encode_bmp if encoding.format == "BMP" else _encode_by_pillow
        whole(file, pixels, encoding, metadata)


def _collected(blocks: Iterable[np.ndarray], shape: tuple, dtype: np.dtype, folder: str | Path | None) -> np.ndarray:
    blocks = iter(blocks)
    first = next(blocks)
    if first.shape == shape:
        return first
    pixels = scratch_array(shape, dtype, folder)
    row = 0
    for block in itertools.chain([first], blocks):
        pixels[row : row + len(block)] = block
        row += len(block)
    return pixels


def _encode_bmp(file, pixels, encoding, metadata) -> None:
    height, width, _channels = pixels.shape
    stride = -(-3 * width // 4) * 4
    dots = [round(value / 0.0254) for value in metadata.dpi or (0, 0)]
    file.write(struct.pack("<2sIHHI", b"BM", 54 + stride * height, 0, 0, 54))
    file.write(struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, stride * height, *dots, 0, 0))
    step = max(1, _BYTES_AT_ONCE // stride)
    for stop in range(height, 0, -step):
        block = pixels[max(0, stop - step) : stop][::-1, :, ::-1]  # bottom row first, blue before green and red
        rows = np.zeros((len(block), stride), np.uint8)
        rows[:, : 3 * width] = np.broadcast_to(block, (*block.shape[:2], 3)).reshape(len(block), -1)
        file.write(rows)


def _encode_by_pillow(file, pixels, encoding, metadata) -> None:
    image = _pillow_image(pixels)
    if encoding.format == "GIF":
        # Pillow drops the transparency of gray pictures in a GIF.
        image = image.convert("RGBA") if image.mode == "LA" else image
        image.save(file, "GIF", comment=_gif_comment(metadata))
        return
    _save(image, file, encoding, metadata, **_pillow_options(encoding, metadata))


def encode_animation(
    file: IO[bytes],
    frames: Iterable[Frame],
    loop: int | None,
    encoding: Encoding,
    count: int | None = None,
    channels: int | None = None,
) -> None:
    """Writes an animation as GIF, WebP, AVIF or animated PNG, frame by frame as they come.

    Args:
        file: an empty seekable binary file.
        frames: pixels (H, W, 1 to 4), milliseconds, and metadata, of which the first frame's counts.
        loop: how often it is shown, 0 for endlessly, None for once.
        encoding: format and quality.
        count: the number of frames; without it, or without `channels`, all frames are kept in memory first.
        channels: of the file, enough for every frame.
    """
    frames, count, channels, metadata = prepared(frames, count, channels, encoding.format)
    durations: list[int] = []

    def images() -> Iterator[tuple[Image.Image, int]]:
        for pixels, duration, _ in frames:
            durations.append(duration)
            yield _pillow_image(with_channels(to_uint8(pixels), channels)), duration

    if encoding.format == "GIF":
        write_gif(file, images(), loop, _gif_comment(metadata))
        return
    if encoding.format == "PNG":
        write_png(file, images(), count, loop, metadata)
        return
    options = _pillow_options(encoding, metadata)
    if encoding.format == "WEBP":
        options["loop"] = 1 if loop is None else loop
    coded = io.BytesIO()
    target = coded if encoding.format == "AVIF" and metadata.color.cicp else file
    save_arriving(target, encoding.format, (image for image, _ in images()), durations, count, **options)
    if target is coded:
        file.write(with_nclx(coded.getvalue(), metadata.color))


def _save(image: Image.Image, file: IO[bytes], encoding: Encoding, metadata: Metadata, **options) -> None:
    """Saves with Pillow, and adds what Pillow cannot write."""
    if encoding.format == "PNG":
        coded = io.BytesIO()
        image.save(coded, "PNG", **options)
        data = coded.getvalue()
        file.write(data[:_PNG_HEAD])
        write_metadata(file, metadata, image.mode.startswith("RGB"))
        file.write(data[_PNG_HEAD:])
    elif encoding.format == "AVIF" and metadata.color.cicp:
        coded = io.BytesIO()
        image.save(coded, "AVIF", **options)
        file.write(with_nclx(coded.getvalue(), metadata.color))
    else:
        image.save(file, encoding.format, **options)


def _gif_comment(metadata: Metadata) -> bytes:
    return metadata.comment() or metadata.note.encode("latin-1", "replace")


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """uint16 rounded to uint8 (65535 = 257 * 255); uint8 as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _pillow_image(pixels: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 to 4) as Pillow's L, LA, RGB or RGBA."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _pillow_options(encoding: Encoding, metadata: Metadata) -> dict:
    """Arguments of Pillow's `save` for WebP and AVIF."""
    options = {"icc_profile": metadata.icc_profile, "exif": metadata.exif, "xmp": metadata.xmp}
    options = {key: value for key, value in options.items() if value}
    if encoding.format == "WEBP":
        return {**options, "quality": encoding.quality, "lossless": encoding.quality == 100, "exact": True, "method": 2}
    return {**options, "quality": encoding.quality, "speed": 8, "subsampling": "4:4:4"}
