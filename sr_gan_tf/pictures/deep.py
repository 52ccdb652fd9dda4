"""Decodes samples of more than 8 bits, which Pillow would truncate, by imagecodecs and tifffile."""

import contextlib
import io
import logging
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.samples import Samples, widened

# tifffile's log messages about odd tags must not appear between a command's lines.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
_heard = threading.local()


class _Listener(logging.Handler):
    """Collects warnings of libpng and others, which do not name the file, for `decoder_warnings`."""

    def emit(self, record: logging.LogRecord) -> None:
        messages = getattr(_heard, "messages", None)
        if messages is not None:
            messages.append(record.getMessage().removeprefix("PNG warning: "))


logging.getLogger("imagecodecs").addHandler(_Listener())


@contextlib.contextmanager
def decoder_warnings() -> Iterator[list[str]]:
    """Collects the warnings of decoders in this thread."""
    _heard.messages = []
    try:
        yield _heard.messages
    finally:
        _heard.messages = None


_HEAD = 1 << 16
_BITS, _COMPRESSION, _PLANES, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _WEBP = 258, 259, 284, 338, 339, 50001
_KINDS = {"f": "floating-point", "i": "signed", "c": "complex"}


class BareTiff:
    """A TIFF file that Pillow cannot open, with the attributes of a Pillow image that reading needs."""

    format = "TIFF"
    mode = "RGB"

    def __init__(self, file: IO[bytes]):
        with tifffile.TiffFile(file) as tiff:
            page = cast(tifffile.TiffPage, tiff.pages[0])
            self.turn = _turn(page)
            self.width, self.height = (int(page.imagewidth), int(page.imagelength))[:: -1 if self.turn >= 5 else 1]
            self.n_frames = len(tiff.pages)
        self.info: dict[str, Any] = {}

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def getexif(self) -> dict[int, int]:
        return {}


def deep_samples(image: Image.Image | BareTiff, source: str | Path | bytes, frames: int, where: str) -> Samples | None:
    """Decodes a picture of more than 8 bits per sample.

    Args:
        image: the opened picture.
        source: its file, or the file's bytes.
        frames: number of frames; Pillow decodes animations.
        where: name of the picture in messages.

    Returns:
        The samples; None if Pillow can decode the picture without loss.

    Raises:
        InputError: for a TIFF whose samples are not a picture of 1 to 16 bits.
    """
    if isinstance(image, BareTiff) or (image.format == "TIFF" and _beyond_pillow(image)):
        return _tiff(source, where)
    if frames > 1:
        return None
    reader = {"PNG": _png, "AVIF": _avif, "JPEG2000": _jpeg2000, "PPM": _ppm}.get(image.format or "")
    return reader(source) if reader else None


def _beyond_pillow(image: Any) -> bool:
    """Whether Pillow cannot decode a TIFF that it has opened, or only with a loss."""
    bits = image.tag_v2.get(_BITS, (1,))
    deepest = max(bits) if isinstance(bits, tuple) and bits else 1
    if 2 in image.tag_v2.get(_SAMPLE_FORMAT, (1,)):
        return deepest <= 8  # signed samples, which Pillow interprets as unsigned
    planes = image.tag_v2.get(_PLANES) == 2 and image.tag_v2.get(_EXTRA_SAMPLES)
    return 8 < deepest <= 16 or bool(planes) or image.tag_v2.get(_COMPRESSION) == _WEBP


def _opened(source: str | Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def is_deep(format: str | None, source: str | Path | bytes) -> bool:
    """Whether a PNG or AVIF has more than 8 bits per sample, by its head."""
    with _opened(source) as file:
        head = file.read(_HEAD)
    return (format == "PNG" and _is_deep_png(head)) or (format == "AVIF" and bool(_avif_flags(head) & 0x40))


def _is_deep_png(head: bytes) -> bool:
    return head[24] == 16  # IHDR's bit depth


def _avif_flags(head: bytes) -> int:
    """The depth bits of the first configuration box."""
    place = head.find(b"av1C")
    return head[place + 6] if 0 <= place < len(head) - 6 else 0


def _png(source: str | Path | bytes) -> Samples | None:
    with _opened(source) as file:
        header = file.read(26)
        if not _is_deep_png(header):
            return None
        return _by_channels(imagecodecs.png_decode(_coded_pixels(header + file.read())))


def _coded_pixels(data: bytes) -> bytes:
    """A PNG's chunks that its pixels are decoded from: libpng prints warnings about the others, without a name."""
    kept, place = [data[:8]], 8
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        kind = data[place + 4 : place + 8]
        if kind == b"IDAT":
            # Like Pillow for 8 bits: the compressed pixels have their own checksum.
            body = data[place + 8 : end - 4]
            kept.append(data[place : place + 8] + body + zlib.crc32(kind + body).to_bytes(4, "big"))
        elif kind in (b"IHDR", b"PLTE", b"tRNS", b"IEND"):
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _avif(source: str | Path | bytes) -> Samples | None:
    with _opened(source) as file:
        head = file.read(_HEAD)
        flags = _avif_flags(head)
        if not flags & 0x40:
            return None
        values = imagecodecs.avif_decode(head + file.read())
    # Pillow reports AVIF's own rotation as EXIF orientation; the caller applies it.
    return _by_channels(widened(values, 12 if flags & 0x20 else 10)) if values.dtype == np.uint16 else None


def _jpeg2000(source: str | Path | bytes) -> Samples | None:
    with _opened(source) as file:
        head = file.read(_HEAD)
        place = head.find(b"\xff\x4f\xff\x51")
        # Pillow converts luma and chroma (enumerated color space 18).
        if place < 0 or len(head) < place + 43 or b"colr\x01\0\0\0\0\0\x12" in head:
            return None
        channels = int.from_bytes(head[place + 40 : place + 42], "big")
        bits = (head[place + 42] & 0x7F) + 1
        if bits <= 8 or bits > 16 or channels > 4:
            return None
        values = imagecodecs.jpeg2k_decode(head + file.read())
    return _by_channels(widened(values, bits)) if values.dtype == np.uint16 else None


def _ppm(source: str | Path | bytes) -> Samples | None:
    """P5 or P6 of more than 8 bits, big-endian."""
    with _opened(source) as file:
        words: list[bytes] = []
        while len(words) < 4 and len(words[-1] if words else b"") < 20:
            word = b""
            while (letter := file.read(1)) not in (b"", b" ", b"\t", b"\r", b"\n"):
                if letter == b"#":
                    file.readline()
                    break
                word += letter
            if word:
                words.append(word)
            elif not letter:
                return None
        if words[0] not in (b"P5", b"P6") or not words[-1].isdigit() or not 255 < int(words[3]) <= 65535:
            return None
        width, height, top = (int(word) for word in words[1:])
        channels = 3 if words[0] == b"P6" else 1
        data = file.read(2 * width * height * channels)
    if len(data) < 2 * width * height * channels:
        raise ValueError("the file ends before the picture does")
    values = np.frombuffer(data, ">u2").reshape(height, width, channels).astype(np.uint16)
    if top != 65535:
        values = ((np.minimum(values, top).astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)
    return Samples(values, "rgb" if channels == 3 else "gray")


def _by_channels(values: np.ndarray) -> Samples:
    """Gray or color, with or without straight alpha, by the number of channels."""
    values = values[..., None] if values.ndim == 2 else values
    channels = values.shape[2]
    return Samples(values, "gray" if channels <= 2 else "rgb", "straight" if channels in (2, 4) else "")


def _tiff(source: str | Path | bytes, where: str) -> Samples:
    with tifffile.TiffFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
        page = cast(tifffile.TiffPage, file.pages[0])
        kind = np.dtype(page.dtype).kind if page.dtype is not None else "?"
        bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
        if kind != "u" or bits > 16:
            held = "floating-point" if kind == "f" else f"{_KINDS.get(kind, '')} {bits}-bit".strip()
            reason = ", which have no fixed white" if kind == "f" else ""
            raise InputError(f"{where}: TIFF with {held} samples{reason}; convert it to 8 or 16 bits per sample")
        space = _space(page, where)
        values = page.asarray()
        turn = _turn(page)
        extras = tuple(int(extra) for extra in page.extrasamples)
        if values.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            values = np.moveaxis(values, 0, -1)
        values = values[..., None] if values.ndim == 2 else values
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
            colors = page.colormap if bits > 8 else (page.colormap >> 8).astype(np.uint8)
            return Samples(np.moveaxis(colors[:, values[..., 0]], 0, -1), space, "", turn)
        if values.shape != (page.imagelength, page.imagewidth, page.samplesperpixel):
            raise ValueError(f"samples of shape {values.shape} are no picture")
        if 8 < bits < 16:
            values = widened(values, bits)
        elif bits < 8:
            values = (values.astype(np.uint16) * 255 // (2**bits - 1)).astype(np.uint8)
        top = np.iinfo(values.dtype).max
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            values = np.concatenate([top - values[..., :1], values[..., 1:]], axis=2)
        if page.photometric == tifffile.PHOTOMETRIC.CIELAB:  # a and b are signed
            values = np.concatenate([values[..., :1], values[..., 1:3] ^ (top // 2 + 1), values[..., 3:]], axis=2)
        if space == "lab" and top == 65535:
            # ICC encodes 128 as 128 * 257, TIFF as 128 * 256.
            whole = slice(0 if page.photometric == tifffile.PHOTOMETRIC.ICCLAB else 1, 3)
            values[..., whole] = np.minimum(np.rint(values[..., whole] * (257 / 256)), 65535)
        count = {"gray": 1, "rgb": 3, "lab": 3, "cmyk": 4}[space]
        first = next((index for index, extra in enumerate(extras) if extra in (1, 2)), None)
        if first is None or values.shape[2] <= count + first:
            return Samples(values[..., :count], space, "", turn)
        values = np.concatenate([values[..., :count], values[..., count + first : count + first + 1]], axis=2)
        return Samples(values, space, "premultiplied" if extras[first] == 1 else "straight", turn)


def _space(page: tifffile.TiffPage, where: str) -> Any:
    kinds = tifffile.PHOTOMETRIC
    if page.photometric == kinds.YCBCR and page.compression == tifffile.COMPRESSION.JPEG:
        return "rgb"  # as the decoder of its codec returns it
    space = {
        kinds.MINISWHITE: "gray", kinds.MINISBLACK: "gray", kinds.RGB: "rgb", kinds.PALETTE: "rgb",
        kinds.SEPARATED: "cmyk", kinds.CIELAB: "lab", kinds.ICCLAB: "lab",
    }.get(kinds(page.photometric))  # fmt: skip
    needed = {"gray": 1, "rgb": 3, "lab": 3, "cmyk": 4}.get(space or "", 0)
    needed = 1 if page.photometric == kinds.PALETTE else needed
    if space is None or page.samplesperpixel < needed:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(
            f"{where}: TIFF with {page.samplesperpixel} samples of {page.bitspersample} bits per pixel as {name}; "
            "convert it to gray, RGB, CMYK or Lab"
        )
    return space


def _turn(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(274)
    value = tag.value if tag is not None else 1
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1
