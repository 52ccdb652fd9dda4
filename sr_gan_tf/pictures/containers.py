"""Parts of picture files that hold metadata: JPEG segments, PNG chunks, JP2 boxes, Photoshop image resources."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

_MOST_SEGMENTS = 100_000
_LARGEST_CHUNK = 1 << 26
_MOST_CHUNKS = 1_000_000
_PIECE = 1 << 20  # bytes read at once
_PIXEL_CHUNKS = (b"IDAT", b"fdAT", b"fcTL", b"acTL", b"PLTE", b"tRNS", b"IEND", b"IHDR")
_CHUNK_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"cICP": 4, b"tIME": 7}
_MOST_BOXES = 1000
_JPEG2000_UUIDS = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    b"JpgTiffExif->JP2": "exif",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
}
_GEO_JP2 = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
_GIF_XMP, _GIF_PROFILE = b"!\xff\x0bXMP DataXMP", b"!\xff\x0bICCRGBG1012"
IPTC_RESOURCE = 0x0404
# Copyright flag, URL, IPTC digest, and paths are valid at any size. Other resources describe a size, a print or a
# thumbnail.
_LASTING_RESOURCES = frozenset({0x040A, 0x040B, 0x0425, *range(2000, 3000)})
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


def jpeg_segments(file: IO[bytes]) -> tuple[list[tuple[int, bytes]], int]:
    """(marker, body) of the segments up to the first scan, and the number of bytes after the end of the picture."""
    data = file.read()
    segments: list[tuple[int, bytes]] = []
    place = 2
    scanned = False
    while len(segments) < _MOST_SEGMENTS:
        found = _MARKER.search(data, place)
        if found is None:
            return segments, 0
        marker, place = found.group()[-1], found.end()
        if marker == 0xD9:
            return segments, len(data) - place
        if marker == 0x01 or marker == 0xD8 or place + 2 > len(data):
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        if not scanned:
            segments.append((marker, data[place + 2 : place + length]))
        scanned = scanned or marker == 0xDA
        place += length
    return segments, 0


def jpeg_with_end(data: bytes, decode: Callable[[bytes], np.ndarray]) -> bytes | None:
    """Adds a missing end marker to a JPEG.

    After a complete scan a decoder ignores everything before the end marker; after an incomplete scan it decodes those
    bytes as pixels. So two different fillings give the same picture only if no coded pixels are missing.

    Args:
        data: the file.
        decode: returns the pixels of a JPEG.

    Returns:
        The file with an end marker; None if coded pixels are missing.
    """
    data = data.removesuffix(b"\xff")
    first, second = (decode(data + filling * 4096 + b"\xff\xd9") for filling in (b"\x55", b"\xaa"))
    return data + b"\xff\xd9" if np.array_equal(first, second) else None


def png_chunks(file: IO[bytes]) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """(type, body) of a PNG's chunks except those with pixels, and the types of damaged chunks."""
    chunks: list[tuple[bytes, bytes]] = []
    damaged: list[str] = []
    file.seek(8)
    while len(head := file.read(8)) == 8 and len(chunks) < _MOST_SEGMENTS:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            break
        if kind in _PIXEL_CHUNKS or length > _LARGEST_CHUNK:
            file.seek(length + 4, 1)
            continue
        body, check = file.read(length), file.read(4)
        if len(check) == 4 and int.from_bytes(check, "big") == zlib.crc32(body, zlib.crc32(kind)):
            chunks.append((kind, body))
        elif len(check) == 4:
            damaged.append(kind.decode("latin-1"))
    return chunks, damaged


def png_without_damaged_chunks(data: bytes) -> tuple[bytes, list[str]]:
    """A PNG without the ancillary chunks whose checksum or length is wrong, and the types of those chunks."""
    parts, damaged, place = [data[:8]], [], 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            break
        check = int.from_bytes(data[end - 4 : end], "big")
        wrong = check != zlib.crc32(data[place + 4 : end - 4]) or length != _CHUNK_LENGTHS.get(kind, length)
        if kind[0] & 0x20 and wrong:
            damaged.append(kind.decode("latin-1"))
        else:
            parts.append(data[place:end])
        place = end
    parts.append(data[place:])
    return b"".join(parts), damaged


def check_png_pixels(file: IO[bytes]) -> None:
    """Refuses a PNG whose coded pixels are damaged: Pillow looks at no checksum and may decode anything from them.

    A wrong checksum of a chunk alone is no defect, since the coded pixels contain a checksum of their own. In a file
    that ends within its pixels, Pillow finds the defect.

    Raises:
        ValueError: if both checksums are wrong.
        zlib.error: if the coded pixels cannot be decompressed.
    """
    file.seek(8)
    places, sound = [], True
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        place = file.tell()
        if kind == b"IDAT":
            places.append((place, length))
            check = zlib.crc32(kind)
            for piece in _pieces(file, place, length):
                check = zlib.crc32(piece, check)
            stored = file.read(4)
            if len(stored) < 4:
                return
            sound = sound and stored == check.to_bytes(4, "big")
        elif kind == b"IEND":
            break
        file.seek(place + length + 4)
    if sound:
        return
    file.seek(16)
    width, height = struct.unpack(">II", file.read(8))
    left = 8 * (width + 8) * (height + 8)  # bytes; no picture needs more
    decoder = zlib.decompressobj()
    for piece in (piece for place, length in places for piece in _pieces(file, place, length)):
        while piece and not decoder.eof and left > 0:
            left -= len(decoder.decompress(piece, _PIECE))
            piece = decoder.unconsumed_tail
    if not decoder.eof:
        raise ValueError("its coded pixels are incomplete")


def _pieces(file: IO[bytes], place: int, length: int) -> Iterator[bytes]:
    file.seek(place)
    while length > 0 and (piece := file.read(min(length, _PIECE))):
        length -= len(piece)
        yield piece


def png_background(file: IO[bytes], body: bytes) -> bytes | None:
    """A PNG's bKGD chunk as 1 or 3 big-endian samples of 16 bits; None if it does not fit the picture."""
    file.seek(24)
    depth, kind = file.read(2)
    if kind != 3:
        if len(body) != (2 if kind in (0, 4) else 6):
            return None
        top = 2**depth - 1
        values = [min(value, top) * 65535 // top for (value,) in struct.iter_unpack(">H", body)]
        return struct.pack(f">{len(values)}H", *values)
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"PLTE":
            color = file.read(length)[3 * body[0] : 3 * body[0] + 3] if len(body) == 1 else b""
            return struct.pack(">3H", *(257 * value for value in color)) if len(color) == 3 else None
        file.seek(length + 4, 1)
    return None


def png_text(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """(keyword, text) of a tEXt, zTXt or iTXt chunk; the text is empty if it is damaged."""
    keyword, _, rest = body.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, _LARGEST_CHUNK)
        except zlib.error:
            rest = b""
    return keyword, rest


def raw_profile(value: bytes) -> bytes | None:
    """Decodes the text that ImageMagick and exiftool use to store a block in a PNG: a name, a length, digits."""
    found = re.match(rb"\s*[^\n]*\n\s*(\d+)\s*\n([0-9A-Fa-f\s]*)", value)
    if not found:
        return None
    try:
        return bytes.fromhex(found.group(2).decode("ascii"))[: int(found.group(1))] or None
    except ValueError:
        return None


def raw_profile_text(name: str, data: bytes) -> bytes:
    """Encodes a block as the text that ImageMagick and exiftool use in a PNG."""
    digits = data.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return "\n{}\n{:8d}\n{}\n".format(name, len(data), "\n".join(lines)).encode()


def gif_extensions(data: bytes) -> dict[str, bytes]:
    """The XMP and the ICC profile of a GIF, under Pillow's names."""
    found: dict[str, bytes] = {}
    start = data.find(_GIF_XMP) + len(_GIF_XMP)
    end = data.find(b"\x01\xff\xfe\xfd", start)  # start of the bytes that lead a block reader to the end
    if start >= len(_GIF_XMP) and end > start:
        found["xmp"] = data[start:end]
    place = data.find(_GIF_PROFILE) + len(_GIF_PROFILE)
    if place >= len(_GIF_PROFILE):
        profile = b""
        while place < len(data) and data[place]:
            profile += data[place + 1 : place + 1 + data[place]]
            place += 1 + data[place]
        found["icc_profile"] = profile
    return found


def jpeg2000_boxes(file: IO[bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Reads a JP2 file (ISO/IEC 15444-1, annex I).

    Returns:
        The ICC profile, XMP, EXIF and IPTC, under Pillow's names, and descriptions of other contents.
    """
    found: dict[str, bytes] = {}
    others: dict[str, None] = {}
    places = [(0, 1 << 62)]
    for _ in range(_MOST_BOXES):
        place, end = places[-1]
        file.seek(place)
        head = file.read(16)
        if place >= end or len(head) < 8:
            places.pop()
            if not places:
                break
            continue
        length, kind = struct.unpack_from(">I4s", head)
        start = 16 if length == 1 else 8
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < start:  # 0 means up to the end of the file
            places.pop()
            if not places:
                break
            continue
        places[-1] = (place + length, end)
        if kind == b"jp2h":
            places.append((place + start, place + length))
        elif kind in (b"colr", b"uuid") and length < _LARGEST_CHUNK:
            file.seek(place + start)
            body = file.read(length - start)
            if kind == b"colr" and body[:1] == b"\x02":
                found.setdefault("icc_profile", body[3:])
            elif body[:16] in _JPEG2000_UUIDS:
                found[_JPEG2000_UUIDS[body[:16]]] = body[16:]
            elif kind == b"uuid":
                others["georeference" if body[:16] == _GEO_JP2 else f"box {body[:16].hex()}"] = None
        elif kind in (b"xml ", b"jumb"):
            others[f"box {kind.decode().strip()}"] = None
    return found, tuple(others)


def photoshop_resources(block: bytes) -> tuple[bytes | None, bytes | None]:
    """The IPTC record among Photoshop's image resources, and the other resources that are valid at any size."""
    block = block.removeprefix(b"Photoshop 3.0\0")
    iptc, others, place = None, b"", 0
    while block[place : place + 4] == b"8BIM" and place + 12 <= len(block):
        number, name = struct.unpack_from(">HB", block, place + 4)
        start = place + 6 + (name + 2) // 2 * 2
        length = int.from_bytes(block[start : start + 4], "big")
        end = start + 4 + length
        if end > len(block):
            break
        if number == IPTC_RESOURCE:
            iptc = block[start + 4 : end] or None
        elif number in _LASTING_RESOURCES:
            others += block[place:end] + b"\0" * (length % 2)
        place = end + length % 2
    return iptc, others or None


def iptc_resource(iptc: bytes) -> bytes:
    """Wraps an IPTC record as a Photoshop image resource."""
    return b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)
