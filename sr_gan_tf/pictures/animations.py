"""Writes animations frame by frame: memory holds a frame or two, however long they are.

GIF and animated PNG are assembled here from single pictures that Pillow encodes, because Pillow itself keeps all frames
of these in memory. For WebP and AVIF, Pillow's encoders request one frame after another, so they are given pictures
whose pixels are computed on request. These two keep the compressed frames until the end.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.metadata import Metadata, fitting
from sr_gan_tf.pictures.png_writer import write_metadata

Frame = tuple[np.ndarray, int, Metadata]
_LONGEST = 65535  # the maximum: milliseconds in an animated PNG, hundredths of a second in a GIF


def write_gif(file: IO[bytes], frames: Iterable[tuple[Image.Image, int]], loop: int | None, comment: bytes) -> None:
    """Writes (picture, milliseconds) as they come, each with a palette of its own.

    Args:
        file: an empty binary file.
        frames: pictures of one size.
        loop: number of repetitions, 0 for endless, None for showing it once.
        comment: a comment, or nothing.
    """
    for number, (image, duration) in enumerate(frames):
        if number == 0:
            file.write(b"GIF89a" + struct.pack("<HHBBB", *image.size, 0x70, 0, 0))
            if loop is not None:
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", min(loop, 65535), 0))
            if comment:
                file.write(b"\x21\xfe")
                for start in range(0, len(comment), 255):
                    part = comment[start : start + 255]
                    file.write(bytes([len(part)]) + part)
                file.write(b"\0")
        palette, transparent, descriptor, pixels = _gif_parts(image)
        control = 0x08 | (transparent is not None)  # cleared after it was shown, so that no frame shines through
        delay = min(round(duration / 10), _LONGEST)
        file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", control, delay, transparent or 0, 0))
        size = (len(palette) // 3).bit_length() - 2
        file.write(descriptor[:9] + bytes([0x80 | descriptor[9] & 0x40 | size]) + palette + pixels)
    file.write(b"\x3b")


def _gif_parts(image: Image.Image) -> tuple[bytes, int | None, bytes, bytes]:
    """Palette, transparent index, image descriptor and pixel data of a picture that Pillow writes as GIF."""
    spare = None
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] == 255:
            # Every frame has a transparent color, needed or not: readers conclude from the first one for all.
            image, spare = image.convert("RGB").quantize(255), 255
    coded = io.BytesIO()
    image.save(coded, "GIF", interlace=0)
    data = coded.getvalue()
    place = 13
    palette = b""
    if data[10] & 0x80:
        length = 3 << (data[10] & 7) + 1
        palette = data[place : place + length]
        place += length
    transparent = None
    while data[place] == 0x21:
        if data[place + 1] == 0xF9 and data[place + 3] & 1:
            transparent = data[place + 6]
        place = _gif_blocks_end(data, place + 2)
    descriptor = data[place : place + 10]
    place += 10
    if descriptor[9] & 0x80:
        length = 3 << (descriptor[9] & 7) + 1
        palette = data[place : place + length]
        place += length
    if spare is not None:
        palette, transparent = palette.ljust(768, b"\0"), spare
    return palette, transparent, descriptor, data[place : _gif_blocks_end(data, place + 1)]


def _gif_blocks_end(data: bytes, place: int) -> int:
    while data[place]:
        place += 1 + data[place]
    return place + 1


def write_png(
    file: IO[bytes], frames: Iterable[tuple[Image.Image, int]], count: int, loop: int | None, metadata: Metadata
) -> None:
    """Writes (picture, milliseconds) as an animated PNG.

    Args:
        file: an empty seekable binary file.
        frames: pictures of one size and mode, `count` of them.
        count: the number of frames.
        loop: number of times it is shown, 0 for endless, None for once.
        metadata: written before the frames.
    """
    sequence = itertools.count()

    def chunk(kind: bytes, body: bytes) -> None:
        file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))))

    for number, (image, duration) in enumerate(frames):
        coded = io.BytesIO()
        image.save(coded, "PNG", compress_level=6)
        data = coded.getvalue()
        if number == 0:
            file.write(data[:33])  # the signature and IHDR, the same for every frame
            write_metadata(file, metadata, image.mode.startswith("RGB"))
            chunk(b"acTL", struct.pack(">II", count, 1 if loop is None else loop))
        timing = struct.pack(">HHBB", min(duration, _LONGEST), 1000, 0, 0)
        chunk(b"fcTL", struct.pack(">IIIII", next(sequence), *image.size, 0, 0) + timing)
        for body in _png_data(data):
            if number == 0:
                chunk(b"IDAT", body)
            else:
                chunk(b"fdAT", struct.pack(">I", next(sequence)) + body)
    chunk(b"IEND", b"")


def _png_data(data: bytes) -> Iterator[bytes]:
    """The contents of a PNG's IDAT chunks."""
    place = 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        if data[place + 4 : place + 8] == b"IDAT":
            yield data[place + 8 : place + 8 + length]
        place += length + 12


class _Arriving(Image.Image):
    """Picture of an animation whose pixels are computed on request; those of the previous picture are then released."""

    def __init__(self, mode: str, size: tuple[int, int], arrive, before: "_Arriving | None"):
        super().__init__()
        self._mode, self._size = mode, size
        self._arrive, self._before = arrive, before
        self._arrived = False

    def load(self):
        if not self._arrived:
            self._arrived = True
            image = self._arrive()
            if (image.mode, image.size) != (self.mode, self.size):
                raise ValueError(f"a frame is {image.mode} {image.size}, expected {self.mode} {self.size}")
            self._im = image.im
            if self._before is not None:
                self._before._im = None
                self._before = None
        return super().load()


class _Durations(list):
    """Durations of frames, each known when its picture has arrived; Pillow asks for some before."""

    def __init__(self, durations: list[int], arriving: list[_Arriving]):
        super().__init__()
        self.durations, self.arriving = durations, arriving

    def __getitem__(self, index):
        self.arriving[index].load()
        return self.durations[index]


def save_arriving(
    file: IO[bytes], format: str, frames: Iterable[Image.Image], durations: list[int], count: int, **options
) -> None:
    """Saves an animation by Pillow whose frames are computed while it is written.

    Args:
        file: an empty seekable binary file.
        format: "WEBP" or "AVIF".
        frames: `count` pictures of one mode and size, taken in order.
        durations: milliseconds of the frames that were requested so far.
        count: the number of frames.
        options: of Pillow's writer.
    """
    source = iter(frames)
    first = next(source)
    source = itertools.chain([first], source)
    arriving: list[_Arriving] = []
    for _ in range(count):
        arriving.append(_Arriving(first.mode, first.size, lambda: next(source), arriving[-1] if arriving else None))
    options["duration"] = _Durations(durations, arriving)
    arriving[0].save(file, format, save_all=True, append_images=arriving[1:], **options)


def prepared(
    frames: Iterable[Frame], count: int | None, channels: int | None, format: str
) -> tuple[Iterator[Frame], int, int, Metadata]:
    """The frames again, their number and channels where those are not given, and the metadata to be written."""
    if count is None or channels is None:
        frames = list(frames)
        gray = all(pixels.shape[2] <= 2 for pixels, _, _ in frames)
        alpha = any(pixels.shape[2] in (2, 4) for pixels, _, _ in frames)
        count, channels = len(frames), (1 if gray else 3) + alpha
    iterator = iter(frames)
    first = next(iterator)
    return _counted(itertools.chain([first], iterator), count), count, channels, fitting(first[2], format, channels)


def _counted(frames: Iterable[Frame], count: int) -> Iterator[Frame]:
    """Yields the frames; raises an error if their number differs from the file's header."""
    number = 0
    for frame in frames:
        number += 1
        yield frame
    if number != count:
        raise InputError(f"the animation has {number} frames, its header says {count}; it may be damaged")


def with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """(H, W, 1 to 4) with as many channels: gray repeated, opaque alpha added."""
    found = pixels.shape[2]
    colors, alpha = (pixels[..., :-1], pixels[..., -1:]) if found in (2, 4) else (pixels, None)
    if channels >= 3 and colors.shape[2] == 1:
        colors = np.repeat(colors, 3, axis=2)
    if channels in (2, 4):
        alpha = np.full_like(colors[..., :1], 255) if alpha is None else alpha
        colors = np.concatenate([colors, alpha], axis=2)
    return colors
