"""Finds out whether a picture file that cannot be read ends too early, as after an interrupted download or copy."""

import contextlib
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sr_gan_tf.pictures.exif import SIZES, ByteLayout

_LARGEST = 1 << 30  # bytes of a file that are looked at
_MOST_PARTS = 1_000_000  # chunks or boxes
_LARGEST_VALUE = 1 << 24  # bytes of a TIFF's tag
_MOST_ENTRIES = 2000  # of a TIFF's directory
_PNG_END = b"IEND\xaeB`\x82"
_SHORTEST = 16  # bytes that any format needs
_ZEROS = 512  # at the end of a file: fewer may be padding
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_PORTABLE = re.compile(rb"P[56]" + 3 * rb"(?:\s+(?:#[^\n]*\n\s*)*)(\d+)" + rb"\s")
_PLACES, _COUNTS, _TILES, _TILE_COUNTS, _BITS = _NEEDED = 0x0111, 0x0117, 0x0144, 0x0145, 0x0102
_BMP_KINDS = (12, 40, 52, 56, 64, 108, 124)  # sizes of a bitmap's header
_JXL_BOX = b"\0\0\0\x0cJXL "
_JP2_BOX = b"\0\0\0\x0cjP  "
_PICTURES = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx ")
_BEFORE, _WITHIN = ", before its pixels", ", in the middle of its pixels"


def missing_end(source: str | Path | bytes | IO[bytes]) -> str | None:
    """Says where a damaged file ends, compared to what its structure announces.

    Args:
        source: path of the file, its bytes, or the open file.

    Returns:
        A clause such as "the file ends after 200 bytes, before its pixels"; None if the file seems to be complete, or
        if its format does not show it.
    """
    with contextlib.suppress(OSError, MemoryError, ValueError, IndexError, struct.error):
        data = _content(source)
        found = _of_content(data)
        if found:
            return f"{found} (an interrupted download or copy?)"
    return None


def _content(source: str | Path | bytes | IO[bytes]) -> bytes:
    if isinstance(source, bytes):
        return source
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(open(source, "rb")) if isinstance(source, str | Path) else source
        if file.seek(0, os.SEEK_END) > _LARGEST:
            return b""
        file.seek(0)
        return file.read()


def ends_early(source: str | Path | bytes, format: str | None) -> bool:
    """Whether a PNG or GIF whose pixels can be read lacks its end marker."""
    end = {"PNG": _PNG_END, "GIF": b";"}.get(format or "")
    if end is None:
        return False
    if isinstance(source, bytes):
        return not source.endswith(end) and missing_end(source) is not None
    with open(source, "rb") as file:
        file.seek(-len(end), os.SEEK_END)
        return file.read() != end and missing_end(file) is not None


def zero_filled(source: str | Path | bytes) -> bool:
    """Whether a JPEG lacks its end because of zero bytes, which Pillow decodes as pixels without a word."""
    if isinstance(source, bytes):
        tail = source[-_ZEROS:]
    else:
        with open(source, "rb") as file:
            file.seek(-min(_ZEROS, file.seek(0, os.SEEK_END)), os.SEEK_END)
            tail = file.read()
    return not tail.strip(b"\0") and missing_end(source) is not None


def without_zero_tail(data: bytes) -> bytes:
    """The file without the zero bytes at its end, unless they are few enough to be part of it."""
    written = data.rstrip(b"\0")
    return written if len(data) - len(written) >= _ZEROS else data


def _of_content(data: bytes) -> str | None:
    if data and not data.strip(b"\0"):
        return f"all {len(data):,} bytes of the file are zero"
    # A few letters are a text.
    if 0 < len(data) < _SHORTEST and (not data.isascii() or any(data.startswith(starts) for starts, _ in _RULES)):
        return f"the file has only {len(data)} byte{'s' if len(data) > 1 else ''}"
    written = without_zero_tail(data)
    place = _missing(written)
    if place is None:
        return None
    if len(written) < len(data):
        return f"the last {len(data) - len(written):,} of {len(data):,} bytes are zero"
    return f"the file ends after {len(data):,}{place}"


def _missing(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _boxes(data) if data[8:12] in _PICTURES else None
    return next((rule(data) for starts, rule in _RULES if data.startswith(starts)), None)


def _bytes(expected: int, data: bytes) -> str | None:
    """The clause for a file that should have `expected` bytes; None if it has them."""
    return f" of {expected:,} bytes" if expected > len(data) else None


def _jpeg(data: bytes) -> str | None:
    if data.rstrip(b"\0").endswith(b"\xff\xd9") or data[2:4] == b"\xff\xf7":  # the latter is JPEG-LS
        return None
    place = 2
    while found := _MARKER.search(data, place):
        marker, place = found.group()[-1], found.end()
        if marker == 0xDA:
            return None if b"\xff\xd9" in data[place:] else f" bytes{_WITHIN}"
        if marker == 0xD9:
            return None
        place += int.from_bytes(data[place : place + 2], "big")
    return f" bytes{_BEFORE}"


def _png(data: bytes) -> str | None:
    if data.rstrip(b"\0").endswith(_PNG_END):  # then a damaged length leads beyond the end
        return None
    place, pixels = 8, False
    for _ in range(_MOST_PARTS):
        if place + 8 > len(data):
            return f" bytes{_WITHIN if pixels else _BEFORE}"
        length, kind = struct.unpack_from(">I4s", data, place)
        if not kind.isalpha():  # not a chunk: the file is damaged in another way
            return None
        if kind == b"IEND":
            return None
        pixels = pixels or kind == b"IDAT"
        place += 12 + length
    return None


def _webp(data: bytes) -> str | None:
    return _bytes(8 + int.from_bytes(data[4:8], "little"), data) if data[8:12] == b"WEBP" else None


def _bmp(data: bytes) -> str | None:
    if len(data) < 26:
        return f" bytes{_BEFORE}"
    size, start, kind = struct.unpack_from("<I4xII", data, 2)
    if kind not in _BMP_KINDS:
        return None
    return f" bytes{_BEFORE}" if len(data) <= start < size else _bytes(size, data)


def _gif(data: bytes) -> str | None:
    def table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    place, pixels = 13 + table(data[10]), False
    while place < len(data) and data[place] != 0x3B:
        if data[place] == 0x2C:
            pixels, place = True, place + 10
            if place <= len(data):
                place += table(data[place - 1]) + 1
        elif data[place] == 0x21:
            place += 2
        else:
            return None
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1
    return None if place < len(data) else f" bytes{_WITHIN if pixels else _BEFORE}"


def _tiff(data: bytes) -> str | None:
    big = data[2:4] in (b"+\0", b"\0+")
    layout = ByteLayout("<" if data[:2] == b"II" else ">", big)
    if len(data) < 16:
        return f" bytes{_BEFORE}"
    start = layout.number(data, layout.word, layout.word)
    if start >= len(data):
        return f" bytes, but its directory begins at byte {start:,}"
    count = layout.number(data[start : start + 8].ljust(8, b"\0"), 0, 8 if big else 2)
    if count > _MOST_ENTRIES:
        return None
    if max(start + 8, start + count * (4 + 2 * layout.word)) > len(data):
        return f" bytes{_BEFORE}"
    entries = _entries(data, layout, start + (8 if big else 2), count)
    if any(place + length > len(data) for place, length, _ in entries.values()):
        return f" bytes{_BEFORE}"

    def numbers(tag: int) -> list[int]:
        place, length, size = entries.get(tag, (0, 0, 1))
        return [layout.number(data, place + step, size) for step in range(0, length, size)]

    ends = [
        place + count
        for places, counts in ((_PLACES, _COUNTS), (_TILES, _TILE_COUNTS))
        for place, count in zip(numbers(places), numbers(counts), strict=False)
    ]
    return _bytes(max(ends, default=0), data)


def _entries(data: bytes, layout: ByteLayout, start: int, count: int) -> dict[int, tuple[int, int, int]]:
    """A TIFF directory's tags that its pixels need: where their values are, how many bytes, and of which size."""
    found = {}
    for place in range(start, start + count * (4 + 2 * layout.word), 4 + 2 * layout.word):
        tag, size = layout.number(data, place, 2), SIZES.get(layout.number(data, place + 2, 2), 0)
        length, value = size * layout.number(data, place + 4, layout.word), place + 4 + layout.word
        if tag in _NEEDED and size in (2, 4, 8) and length < _LARGEST_VALUE:
            found[tag] = (value if length <= layout.word else layout.number(data, value, layout.word), length, size)
    return found


def _boxes(data: bytes) -> str | None:
    """For AVIF, HEIC, JPEG XL and JPEG 2000: the box that does not end within the file."""
    place, pixels = 0, False
    for _ in range(_MOST_PARTS):
        if place >= len(data):
            break
        if place + 16 > len(data):
            return f" bytes{_WITHIN if pixels else _BEFORE}"
        size, kind = struct.unpack_from(">I4s", data, place)
        pixels = pixels or kind in (b"mdat", b"jp2c", b"jxlc", b"jxlp")
        size = int.from_bytes(data[place + 8 : place + 16], "big") if size == 1 else size
        if size < 8:  # 0: up to the end of the file
            break
        place += size
    return f" of at least {place:,} bytes" if place > len(data) else _without_pixels(data)


def _without_pixels(data: bytes) -> str | None:
    kinds = (b"mdat", b"idat", b"jp2c", b"jxlc", b"jxlp")
    return None if any(kind in data for kind in kinds) else f" bytes{_BEFORE}"


def _portable(data: bytes) -> str | None:
    found = _PORTABLE.match(data)
    if found is None:
        return None
    width, height, top = (int(word) for word in found.groups())
    samples = width * height * (3 if data[:2] == b"P6" else 1)
    return _bytes(found.end() + samples * (2 if top > 255 else 1), data)


_RULES: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], str | None]], ...] = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"GIF8", _gif),
    (b"BM", _bmp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    ((_JXL_BOX, _JP2_BOX), _boxes),
    ((b"P5", b"P6"), _portable),
)
