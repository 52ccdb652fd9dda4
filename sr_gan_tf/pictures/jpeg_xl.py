"""The parts of a JPEG XL file that stand around its coded pixels: boxes and the picture's size."""

from collections.abc import Iterator

import imagecodecs


def jxl_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of a JPEG XL file's boxes; a bare codestream is a `jxlc`, its parts count as one."""
    if data[:2] == b"\xff\x0a":
        yield b"jxlc", data
        return
    place, parts = 0, []
    while place + 8 <= len(data):
        size, kind, start = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], place + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), place + 16
        end = len(data) if size == 0 else place + size
        if end < start:
            break
        body = data[start:end]
        if kind == b"brob" and body[:4] in (b"Exif", b"xml "):
            kind, body = body[:4], bytes(imagecodecs.brotli_decode(body[4:]))
        if kind == b"jxlp":
            parts.append(body[4:])
        elif kind in (b"jxlc", b"Exif", b"xml "):
            yield kind, bytes(body)
        place = end
    if parts:
        yield b"jxlc", b"".join(parts)


def jxl_size(stream: bytes) -> tuple[int, int]:
    """(width, height) of the upright picture from a codestream's head (ISO/IEC 18181-1, annex D)."""
    if stream[:2] != b"\xff\x0a" or len(stream) < 16:
        raise ValueError("no JPEG XL codestream")
    bits = int.from_bytes(stream[2:34], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(small: int) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    across, down = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
    width = height * across // down if ratio else side(small)
    turn = 1
    if not take(1) and take(1):  # neither all defaults nor without the extra fields
        turn = take(3) + 1
    return (height, width) if turn >= 5 else (width, height)
