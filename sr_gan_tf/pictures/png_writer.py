"""Writes PNG row by row, so a picture may be larger than memory.

"fast" filters every row with Sub and compresses with ISA-L (igzip), which takes about a quarter of the time of zlib
level 1 on photographs at the same size. "small" chooses the best filter for each row and compresses with zlib level 9.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
from isal import isal_zlib

from sr_gan_tf.pictures import color
from sr_gan_tf.pictures.containers import raw_profile_text
from sr_gan_tf.pictures.metadata import Metadata

_BYTES_AT_ONCE = 1 << 22


def encode_png(
    file: IO[bytes],
    blocks: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    metadata: Metadata,
    small: bool,
) -> None:
    """Writes a PNG.

    Args:
        file: an empty binary file.
        blocks: (rows, W, C) of `dtype`, from top to bottom.
        shape: (H, W, C); C is 1 for gray, 2 for gray and alpha, 3 for RGB, 4 for RGB and alpha.
        dtype: uint8 or uint16.
        metadata: written as far as PNG can store it.
        small: compress better and much more slowly.
    """
    height, width, channels = shape
    deep = dtype == np.uint16

    def chunk(kind: bytes, body: bytes) -> None:
        _write_chunk(file, kind, body)

    file.write(b"\x89PNG\r\n\x1a\n")
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if deep else 8, kind, 0, 0, 0))
    write_metadata(file, metadata, channels >= 3, deep)
    packer = zlib.compressobj(9) if small else isal_zlib.compressobj(1)
    above = np.zeros((1, width * channels * dtype.itemsize), np.uint8)
    for block in _slices(blocks):
        rows = np.ascontiguousarray(block, dtype=">u2" if deep else np.uint8).reshape(len(block), -1).view(np.uint8)
        filtered = _filtered(rows, above, channels * dtype.itemsize, small)
        above = rows[-1:].copy()
        packed = packer.compress(filtered.data)
        if packed:
            chunk(b"IDAT", packed)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def _write_chunk(file: IO[bytes], kind: bytes, body: bytes) -> None:
    file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))))


def write_metadata(file: IO[bytes], metadata: Metadata, colored: bool, deep: bool = False) -> None:
    """Writes all metadata chunks; they belong directly after IHDR.

    Args:
        file: a PNG after IHDR.
        metadata: of the picture.
        colored: whether the samples are RGB.
        deep: whether the samples have 16 bits.
    """

    def chunk(kind: bytes, body: bytes) -> None:
        _write_chunk(file, kind, body)

    for kind, body in color.color_chunks(metadata.color):
        # An sRGB chunk and a profile exclude each other.
        if kind != b"sRGB" or not metadata.icc_profile:
            chunk(kind, body)
    if metadata.icc_profile:
        chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.dpi:
        chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in metadata.dpi), 1))
    if metadata.exif:
        chunk(b"eXIf", metadata.exif)
    if metadata.note:
        chunk(b"tEXt", b"Software\0" + metadata.note.encode("latin-1", "replace"))
    if metadata.xmp:
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    if metadata.iptc:
        chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(raw_profile_text("iptc", metadata.iptc)))
    if metadata.photoshop:
        chunk(b"zTXt", b"Raw profile type 8bim\0\0" + zlib.compress(raw_profile_text("8bim", metadata.photoshop)))
    for kind, body in (*metadata.chunks, *metadata.texts):
        body = _background(body, colored, deep) if kind == b"bKGD" else body
        if body:
            chunk(kind, body)


def _background(body: bytes, colored: bool, deep: bool) -> bytes:
    """A background color as the picture's samples; nothing for a color in a gray picture."""
    values = [value for (value,) in struct.iter_unpack(">H", body)]
    values = values * 3 if colored and len(values) == 1 else values if colored else values[: len(set(values)) == 1]
    return struct.pack(f">{len(values)}H", *(value if deep else (value + 128) // 257 for value in values))


def _filtered(rows: np.ndarray, above: np.ndarray, step: int, adaptive: bool) -> np.ndarray:
    """Applies PNG's row filters: Sub for all rows, or for each row the smallest sum of absolute differences."""
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    result = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    result[:, 0] = 1
    np.subtract(rows, left, out=result[:, 1:])
    if not adaptive:
        return result
    up = np.concatenate([above, rows[:-1]])
    corner = np.zeros_like(rows)
    corner[:, step:] = up[:, :-step]
    best = np.abs(result[:, 1:].view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64)
    mean = ((left.astype(np.uint16) + up) // 2).astype(np.uint8)
    for kind, prediction in ((2, up), (3, mean), (4, _paeth(left, up, corner))):
        candidate = rows - prediction
        cost = np.abs(candidate.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64)
        better = cost < best
        result[better, 0], result[better, 1:] = kind, candidate[better]
        best = np.minimum(best, cost)
    return result


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    a, b, c = (plane.astype(np.int16) for plane in (left, up, corner))
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest_left = (to_left <= to_up) & (to_left <= to_corner)
    return np.where(nearest_left, left, np.where(to_up <= to_corner, up, corner))


def _slices(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Cuts the blocks into pieces of a few megabytes, which keeps the encoder's own copies small."""
    for block in blocks:
        rows = max(1, _BYTES_AT_ONCE // max(1, block[0].nbytes))
        for start in range(0, len(block), rows):
            yield block[start : start + rows]
