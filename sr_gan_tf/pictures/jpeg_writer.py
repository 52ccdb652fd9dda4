"""Writes JPEG strip by strip: strips are encoded separately and joined by restart markers (ITU-T T.81, E.1.4).

A restart interval begins with fresh predictors, as a separate picture does. So the encoded rows of small pictures, with
a marker between them, are the encoded rows of the large picture, which never has to be in memory as a whole.
"""

import struct
from collections.abc import Callable, Iterable
from typing import IO

import imagecodecs
import numpy as np

from sr_gan_tf.pictures.containers import iptc_resource
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.strips import strips
from sr_gan_tf.pictures.xmp import jpeg_parts

_BYTES_AT_ONCE = 1 << 22
_LONGEST_INTERVAL = 65535  # blocks between markers
_LONGEST_SEGMENT = 65533


def encode_jpeg(
    file: IO[bytes], blocks: Iterable[np.ndarray], shape: tuple[int, int, int], metadata: Metadata, quality: int
) -> None:
    """Writes a JPEG.

    Args:
        file: an empty binary file.
        blocks: (rows, W, 1 or 3) uint8, from top to bottom.
        shape: (H, W, 1 or 3).
        metadata: written as far as JPEG can store it.
        quality: 1 to 100.
    """
    height, width, channels = shape
    # At a quality of 90 and more, halving the color resolution would lose more than the rest of the compression.
    subsampling = None if channels == 1 else "444" if quality >= 90 else "420"
    unit = 16 if subsampling == "420" else 8
    across = -(-width // unit)
    rows = max(1, min(_LONGEST_INTERVAL // across, _BYTES_AT_ONCE // (unit * width * channels))) * unit
    for index, strip in enumerate(strips(blocks, rows)):
        data = imagecodecs.jpeg8_encode(
            np.ascontiguousarray(strip[..., 0] if channels == 1 else strip),
            level=quality,
            subsampling=subsampling,
            optimize=False,
        )
        tables, scan = _parts(bytes(data))
        if index == 0:
            _write_head(file, tables, height, rows // unit * across, metadata)
        else:
            file.write(bytes([0xFF, 0xD0 + (index - 1) % 8]))
        file.write(scan)
    file.write(b"\xff\xd9")


def _parts(data: bytes) -> tuple[list[tuple[int, bytes]], memoryview]:
    """A small picture's segments (marker, body) from after SOI up to SOS, and its encoded rows."""
    segments, place = [], 2
    while True:
        marker, length = struct.unpack_from(">xBH", data, place)
        segments.append((marker, data[place + 4 : place + 2 + length]))
        place += 2 + length
        if marker == 0xDA:
            return segments, memoryview(data)[place:-2]


def _write_head(
    file: IO[bytes], tables: list[tuple[int, bytes]], height: int, interval: int, metadata: Metadata
) -> None:
    """Writes everything before the encoded rows: the first strip's tables, the full height, metadata."""

    def segment(marker: int, body: bytes) -> None:
        if len(body) <= _LONGEST_SEGMENT:  # `Metadata.unkept` reports what is longer
            file.write(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)

    file.write(b"\xff\xd8")
    for marker, body in tables:
        if marker == 0xE0:  # JFIF: the resolution follows the version
            if metadata.dpi:
                dots = (min(65535, max(1, round(value))) for value in metadata.dpi)
                body = body[:7] + struct.pack(">BHH", 1, *dots) + body[12:]
            segment(marker, body)
            _write_metadata(segment, metadata)
            continue
        if marker == 0xC0:
            body = body[:1] + struct.pack(">H", height) + body[3:]
        if marker == 0xDA:
            segment(0xDD, struct.pack(">H", interval))
        segment(marker, body)


def _write_metadata(segment: Callable[[int, bytes], None], metadata: Metadata) -> None:
    if metadata.exif:
        segment(0xE1, b"Exif\0\0" + metadata.exif)
    for part in (jpeg_parts(metadata.xmp) or []) if metadata.xmp else []:
        segment(0xE1, part)
    if metadata.icc_profile:
        parts = [metadata.icc_profile[place : place + 65519] for place in range(0, len(metadata.icc_profile), 65519)]
        for number, part in enumerate(parts, 1):
            segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part)
    resources = (iptc_resource(metadata.iptc) if metadata.iptc else b"") + (metadata.photoshop or b"")
    # A resource may continue in the next segment.
    for place in range(0, len(resources), _LONGEST_SEGMENT - 14):
        segment(0xED, b"Photoshop 3.0\0" + resources[place : place + _LONGEST_SEGMENT - 14])
    if comment := metadata.comment():
        segment(0xFE, comment)
