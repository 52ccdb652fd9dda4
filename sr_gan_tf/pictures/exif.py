"""EXIF as the bytes that a camera or an editor wrote: read, and corrected in place.

An EXIF block is a small TIFF file whose text has no declared encoding. Libraries that decode and re-encode it lose what
they do not expect: Pillow loses all non-ASCII text, piexif all unknown tags. This module keeps the original bytes. It
overwrites the numbers that a new size changes and appends new values at the end, so no offset moves, not even inside a
maker note, whose format only its manufacturer knows.

Sources: Exif 2.32 (CIPA DC-008-2019), TIFF 6.0.
"""

import contextlib
import dataclasses
import struct
from collections.abc import Callable

from sr_gan_tf.pictures.places import GEOREFERENCE, focal_plane, georeference, subject

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SHORT, _LONG, _RATIONAL, _DOUBLE = 3, 4, 5, 12
_WIDTH, _HEIGHT, _ORIENTATION, _SOFTWARE = 0x0100, 0x0101, 0x0112, 0x0131
_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS = (_EXIF, _GPS, _INTEROPERABILITY)
_PIXEL_X, _PIXEL_Y, _RELATED_X, _RELATED_Y = 0xA002, 0xA003, 0x1001, 0x1002
_SUBJECTS = (0x9214, 0xA214)  # area and location, in pixels of the picture as it is stored
_FOCAL_PLANE = (0xA20E, 0xA20F)  # pixels per unit of the sensor, across and down
_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128
_EMPTY = b"II*\0\x08\0\0\0" + bytes(6)
_MOST_ENTRIES = 2000
_LARGEST_VALUE = 1 << 26


class DamagedExif(ValueError):
    """The block's directories cannot be parsed."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One tag: number, type, count, the bytes of its value, and the offset of its 12 bytes (20 in BigTIFF)."""

    tag: int
    kind: int
    count: int
    value: bytes
    place: int = 0


Directory = dict[int, Entry]


@dataclasses.dataclass(frozen=True)
class ByteLayout:
    """How a TIFF file stores numbers: the byte order, and 32-bit offsets or BigTIFF's 64-bit offsets."""

    order: str
    big: bool = False

    def number(self, data: bytes | bytearray, place: int, size: int) -> int:
        return struct.unpack_from(self.order + {2: "H", 4: "I", 8: "Q"}[size], data, place)[0]

    def pack(self, value: int, size: int) -> bytes:
        return struct.pack(self.order + {2: "H", 4: "I", 8: "Q"}[size], value)

    @property
    def word(self) -> int:
        return 8 if self.big else 4


def without_prefix(exif: bytes) -> bytes:
    r"""The block without the `Exif\0\0` prefix that JPEG uses."""
    return exif.removeprefix(b"Exif\0\0")


def directories(exif: bytes) -> tuple[ByteLayout, dict[int, Directory]]:
    """Parses a block.

    Args:
        exif: the block, without prefix.

    Returns:
        The layout, and the directories: the main one under 0, the others under the tag that points to them.

    Raises:
        DamagedExif: if the main directory cannot be parsed.
    """
    return directories_of(lambda place, size: exif[place : place + size])


def directories_of(read: Callable[[int, int], bytes]) -> tuple[ByteLayout, dict[int, Directory]]:
    """Same as `directories`; `read(offset, count)` returns bytes of the file."""
    try:
        head = read(0, 16)
        layout = ByteLayout({b"II": "<", b"MM": ">"}[head[:2]], {42: False, 43: True}[_number(head)])
        result = {0: _directory(read, layout, layout.number(head, layout.word, layout.word))}
        for tag in POINTERS:
            owner = result.get(_EXIF, {}) if tag == _INTEROPERABILITY else result[0]
            if tag in owner:
                value = owner[tag].value
                # A bad pointer loses its own directory only.
                with contextlib.suppress(DamagedExif, struct.error):
                    result[tag] = _directory(read, layout, layout.number(value, 0, 8 if len(value) == 8 else 4))
        return layout, result
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise DamagedExif(f"EXIF cannot be parsed ({error})") from error


def _number(head: bytes) -> int:
    return int.from_bytes(head[2:4], "little" if head[:2] == b"II" else "big")


def _directory(read: Callable[[int, int], bytes], layout: ByteLayout, start: int) -> Directory:
    size, step = (8, 20) if layout.big else (2, 12)
    count = layout.number(read(start, size), 0, size)
    if not start or count > _MOST_ENTRIES:
        raise DamagedExif(f"EXIF cannot be parsed (a directory of {count} entries at {start})")
    result: Directory = {}
    for index in range(count):
        place = start + size + step * index
        entry = read(place, step)
        tag, kind, number = layout.number(entry, 0, 2), layout.number(entry, 2, 2), layout.number(entry, 4, layout.word)
        length = SIZES.get(kind, 0) * number
        inline = entry[4 + layout.word :]
        if length > _LARGEST_VALUE:
            continue
        value = inline[:length] if length <= layout.word else read(layout.number(inline, 0, layout.word), length)
        if length and len(value) == length:  # Skip values that lie beyond the end of the block.
            result.setdefault(tag, Entry(tag, kind, number, value, place))
    return result


def orientation(exif: bytes | None) -> int:
    """EXIF orientation, 1 to 8; 1 if it is absent or damaged."""
    if not exif:
        return 1
    try:
        layout, parts = directories(exif)
        entry = parts[0].get(_ORIENTATION)
        value = layout.number(entry.value, 0, 2) if entry and entry.kind == _SHORT else 1
    except (DamagedExif, struct.error):
        return 1
    return value if 1 <= value <= 8 else 1


def resized(
    exif: bytes | None, before: tuple[int, int], after: tuple[int, int], software: str, turn: int | None = None
) -> bytes:
    """Updates a block for the same picture at another size.

    Corrects sizes and places, sets the orientation to upright, removes the thumbnail, and records `software`.

    Args:
        exif: the block, without prefix; None for a new one.
        before: (width, height) of the upright picture, in pixels.
        after: (width, height) of the result, in pixels.
        software: the program that made the result.
        turn: orientation, 1 to 8, that was applied to the pixels; None for the block's own.

    Returns:
        The new block.

    Raises:
        DamagedExif: if the block cannot be parsed.
    """
    if not exif:
        exif = _EMPTY
    layout, parts = directories(exif)
    data = bytearray(exif)
    turn = orientation(exif) if turn is None else turn
    stored = before[::-1] if turn >= 5 else before

    def overwrite(entry: Entry | None, *values: int) -> None:
        """Replaces the numbers of a SHORT or LONG tag in place; a number beyond 16 bits becomes an inline LONG."""
        if entry is None or entry.kind not in (_SHORT, _LONG) or entry.count != len(values):
            return
        kind = _LONG if len(values) == 1 and max(values) > 65535 else entry.kind
        size = SIZES[kind]
        coded = b"".join(layout.pack(min(value, 256**size - 1), size) for value in values)
        data[entry.place + 2 : entry.place + 4] = layout.pack(kind, 2)
        inline = len(coded) <= layout.word
        place = entry.place + 8 if inline else layout.number(data, entry.place + 8, 4)
        data[place : place + len(coded)] = coded

    details, related = parts.get(_EXIF, {}), parts.get(_INTEROPERABILITY, {})
    for directory, across, down in (
        (parts[0], _WIDTH, _HEIGHT),
        (details, _PIXEL_X, _PIXEL_Y),
        (related, _RELATED_X, _RELATED_Y),
    ):
        overwrite(directory.get(across), after[0])
        overwrite(directory.get(down), after[1])
    overwrite(parts[0].get(_ORIENTATION), 1)
    for tag in _SUBJECTS:
        if tag in details and details[tag].kind == _SHORT:
            numbers = struct.unpack(f"{layout.order}{details[tag].count}H", details[tag].value)
            overwrite(details[tag], *subject(numbers, turn, stored, before, after))
    # If both are there, each in the direction that it has in the upright picture.
    focal = [details[tag] for tag in _FOCAL_PLANE if tag in details and details[tag].kind == _RATIONAL]
    if len(focal) == 2 and all(item.count == 1 for item in focal):
        fractions = [struct.unpack(f"{layout.order}2I", item.value) for item in focal[:: -1 if turn >= 5 else 1]]
        for axis, item in enumerate(focal):
            place = layout.number(data, item.place + 8, 4)
            top, bottom = focal_plane(fractions[axis], after[axis] / before[axis])
            struct.pack_into(f"{layout.order}2I", data, place, top, bottom)
    for tag, size in GEOREFERENCE.items():
        entry = parts[0].get(tag)
        if entry is not None and entry.kind == _DOUBLE and entry.count % size == 0:
            coded = struct.Struct(f"{layout.order}{entry.count}d")
            place = layout.number(data, entry.place + 8, 4)
            data[place : place + coded.size] = coded.pack(*georeference(tag, coded.unpack(entry.value), before, after))
    small = _without_thumbnail(bytes(data), layout)
    text = software.encode() + b"\0"
    return _with_entries(small, [Entry(_SOFTWARE, 2, len(text), text)])


def resolution(exif: bytes | None) -> tuple[float, float] | None:
    """(horizontal, vertical) dots per inch; None if the block has no resolution."""
    if not exif:
        return None
    try:
        layout, parts = directories(exif)
        unit = layout.number(parts[0][_UNIT].value, 0, 2) if _UNIT in parts[0] else 2
        across, down = (struct.unpack(layout.order + "II", parts[0][tag].value) for tag in (_ACROSS, _DOWN))
        factor = {2: 1.0, 3: 2.54}[unit]
        return across[0] / across[1] * factor, down[0] / down[1] * factor
    except (DamagedExif, KeyError, struct.error, ZeroDivisionError):
        return None


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The block with this resolution, in dots per inch."""
    known = resolution(exif)
    if exif and known and all(abs(ours - theirs) < 0.5 for ours, theirs in zip(known, dpi, strict=True)):
        return exif
    exif = exif or _EMPTY
    layout, _ = directories(exif)
    lengths = [struct.pack(layout.order + "II", round(value * 1000), 1000) for value in dpi]
    return _with_entries(
        exif,
        [Entry(_ACROSS, 5, 1, lengths[0]), Entry(_DOWN, 5, 1, lengths[1]), Entry(_UNIT, _SHORT, 1, layout.pack(2, 2))],
    )


def upright(exif: bytes) -> bytes:
    """The block with its orientation set to 1, for pixels that have been turned already."""
    if orientation(exif) == 1:
        return exif
    layout, parts = directories(exif)
    place = parts[0][_ORIENTATION].place
    return exif[: place + 8] + layout.pack(1, 2) + exif[place + 10 :]


def without_orientation(exif: bytes) -> bytes:
    """The block without an orientation tag."""
    return _with_entries(exif, [], leave=_ORIENTATION) if _ORIENTATION in directories(exif)[1][0] else exif


def _with_entries(data: bytes, new: list[Entry], leave: int | None = None) -> bytes:
    """Appends a new main directory: the old one has no room for more tags, and it links to the thumbnail."""
    layout, parts = directories(data)
    main = parts[0] | {entry.tag: entry for entry in new}
    if leave is not None:
        main.pop(leave, None)
    data += b"\0" * (len(data) % 2)
    return data[:4] + layout.pack(len(data), 4) + data[8:] + _repointed(main, data, layout)


def _repointed(main: Directory, data: bytes, layout: ByteLayout) -> bytes:
    """A main directory to append to `data`: existing entries are copied, new ones bring their values."""
    start = len(data) + 2 + 12 * len(main) + 4
    entries, values = b"", b""
    for tag in sorted(main):
        entry = main[tag]
        if entry.place:
            entries += data[entry.place : entry.place + 12]
            continue
        entries += layout.pack(tag, 2) + layout.pack(entry.kind, 2) + layout.pack(entry.count, 4)
        if len(entry.value) <= 4:
            entries += entry.value.ljust(4, b"\0")
        else:
            entries += layout.pack(start + len(values), 4)
            values += entry.value + b"\0" * (len(entry.value) % 2)
    return layout.pack(len(main), 2) + entries + layout.pack(0, 4) + values


def _without_thumbnail(data: bytes, layout: ByteLayout) -> bytes:
    """Cuts the thumbnail off the end of the block, where cameras put it, or blanks it elsewhere."""
    start = layout.number(data, 4, 4)
    count = layout.number(data, start, 2)
    try:
        following = layout.number(data, start + 2 + 12 * count, 4)
        small = _directory(lambda place, size: data[place : place + size], layout, following) if following else {}
        place, length = (layout.number(small[tag].value, 0, 4) for tag in (0x0201, 0x0202))
    except (struct.error, KeyError, DamagedExif):
        return data
    if not 8 < place <= place + length <= len(data):
        return data
    used = _spans(data, layout)
    if any(place < end and begin < place + length for begin, end in used):
        return data  # The offset is damaged: other data would be blanked.
    if place + length >= len(data) - 2 and max(end for _, end in used) <= place:
        return data[:place]
    return data[:place] + bytes(length) + data[place + length :]


def _spans(data: bytes, layout: ByteLayout) -> list[tuple[int, int]]:
    """(start, end) of every directory entry and value in a block."""
    result = [(0, 8)]
    for part in directories(data)[1].values():
        for entry in part.values():
            result.append((entry.place, entry.place + 12))
            if len(entry.value) > 4:
                place = layout.number(data, entry.place + 8, 4)
                result.append((place, place + len(entry.value)))
    return result
