"""The EXIF of camera raw files: TIFF files, their relatives (ORF, RW2), RAF and CR3.

Sources: the format descriptions of ExifTool and of github.com/lclevy/canon_cr3.
"""

import io
from collections.abc import Iterator

from sr_gan_tf.pictures.containers import jpeg_segments
from sr_gan_tf.pictures.exif import POINTERS, ByteLayout, DamagedExif, Directory, Entry, directories
from sr_gan_tf.pictures.exif_in_tiff import from_tiff, serialized

_EXIF, _GPS = POINTERS[:2]
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_LONG = 4


def raw_exif(data: bytes) -> bytes | None:
    """The EXIF block of a camera raw file; None if there is none that can be parsed."""
    try:
        if data[:15] == b"FUJIFILMCCD-RAW":
            return _of_preview(data)
        if data[4:8] == b"ftyp":
            return _of_cr3(data)
        if data[:2] in (b"II", b"MM"):
            # Olympus and Panasonic write other numbers where TIFF has 42.
            magic = b"*\0" if data[:2] == b"II" else b"\0*"
            head = data[:2] + magic + data[4:16]
            return from_tiff(lambda place, count: head[:count] if place == 0 else data[place : place + count])
    except DamagedExif:
        pass
    return None


def _of_preview(data: bytes) -> bytes | None:
    """That of the JPEG that a RAF contains."""
    place, length = (int.from_bytes(data[start : start + 4], "big") for start in (84, 88))
    segments, _ = jpeg_segments(io.BytesIO(data[place : place + length]))
    exif = next((body[6:] for marker, body in segments if marker == 0xE1 and body.startswith(b"Exif\0\0")), None)
    if exif:
        directories(exif)
    return exif


def _of_cr3(data: bytes) -> bytes | None:
    """CR3 has a small TIFF file for each directory; the maker note's offsets would not survive in another file."""
    parts: dict[int, Directory] = {}
    layout = None
    for kind, body in _boxes(data, (b"moov", _CANON)):
        number = {b"CMT1": 0, b"CMT2": _EXIF, b"CMT4": _GPS}.get(kind)
        if number is not None and number not in parts:
            found, entries = directories(body)
            layout = layout or found
            if found == layout:
                parts[number] = entries[0]
    if layout is None or not any(parts.values()):
        return None
    main = dict(parts.get(0, {}))
    for pointer in POINTERS:
        main.pop(pointer, None)
        if pointer in parts:
            main[pointer] = Entry(pointer, _LONG, 1, bytes(4))
    return serialized(parts | {0: main}, ByteLayout(layout.order), 8)


def _boxes(data: bytes, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of the boxes inside those of `path`, one after another; a `uuid` box by its identifier."""
    place = 0
    while place + 8 <= len(data):
        size, kind, start = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], place + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), place + 16
        end = place + size if size else len(data)
        if end <= start:
            return
        if kind == b"uuid":
            kind, start = data[start : start + 16], start + 16
        body = data[start:end]
        if not path:
            yield kind, body
        elif kind == path[0]:
            yield from _boxes(body, path[1:])
        place = end
