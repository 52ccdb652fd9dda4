"""The parts of a JPEG XL file around its coded pixels: boxes, and the head of the codestream."""

import dataclasses
from collections.abc import Iterable, Iterator

import imagecodecs

_KEPT = (b"jxlc", b"Exif", b"xml ", b"jhgm", b"jumb")
_BARE = b"\xff\x0a"
_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "


@dataclasses.dataclass(frozen=True)
class JxlHead:
    """What a codestream says before its pixels.

    Args:
        size: (width, height) of the upright picture.
        turn: the orientation, 1 to 8, that decoders apply.
        animated: whether it is an animation.
        bits: depth of the samples.
    """

    size: tuple[int, int]
    turn: int
    animated: bool
    bits: int


def jxl_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of a JPEG XL file's boxes; a bare codestream is a `jxlc`, its parts count as one."""
    if data[:2] == _BARE:
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
        elif kind in _KEPT:
            yield kind, bytes(body)
        place = end
    if parts:
        yield b"jxlc", b"".join(parts)


def with_boxes(coded: bytes, boxes: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Adds (type, content) of further boxes to a JPEG XL file, before its codestream."""
    if coded[:2] == _BARE:
        coded = _SIGNATURE + (len(coded) + 8).to_bytes(4, "big") + b"jxlc" + coded
    place = 0
    while coded[place + 4 : place + 8] in (b"JXL ", b"ftyp", b"jxll"):
        place += int.from_bytes(coded[place : place + 4], "big")
    added = b"".join((len(body) + 8).to_bytes(4, "big") + kind + body for kind, body in boxes)
    return coded[:place] + added + coded[place:]


def jxl_head(stream: bytes) -> JxlHead:
    """Reads a codestream's head (ISO/IEC 18181-1, annex D)."""
    if stream[:2] != _BARE or len(stream) < 16:
        raise ValueError("no JPEG XL codestream")
    bits = int.from_bytes(stream[2:34], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(small: int) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    def preview_side(by_eights: int) -> int:
        kind = take(2)
        if by_eights:
            return (16, 32)[kind] if kind < 2 else take((5, 9)[kind - 2]) + (1, 33)[kind - 2]
        return take((6, 8, 10, 12)[kind]) + (1, 65, 321, 1345)[kind]

    def size(side) -> tuple[int, int]:
        small = take(1)
        height, ratio = side(small), take(3)
        across, down = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
        return (height * across // down if ratio else side(small)), height

    width, height = size(side)
    turn, animated, depth = 1, False, 8
    if not take(1):  # not all defaults
        if take(1):  # with the extra fields
            turn = take(3) + 1
            if take(1):
                size(side)  # the intrinsic size
            if take(1):
                size(preview_side)
            animated = bool(take(1))
            if animated:
                # Ticks per second as a fraction, the number of loops, and whether there are time codes.
                take((0, 0, 10, 30)[take(2)])
                take((0, 0, 8, 10)[take(2)])
                take((0, 3, 16, 32)[take(2)])
                take(1)
        floating, kind = take(1), take(2)
        depth = (32, 16, 24)[kind] if floating and kind < 3 else (8, 10, 12)[kind] if kind < 3 else 1 + take(6)
    return JxlHead((height, width) if turn >= 5 else (width, height), turn, animated, depth)
