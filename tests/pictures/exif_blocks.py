"""EXIF blocks made by hand for tests, with what cameras and editors put into them, and a reader of their raw values."""

import struct

import tifffile

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
ARTIST = "José Müller".encode()
MAKER_NOTE = bytes(range(200, 256)) * 5


def exif_block(order: str = "<", turn: int = 1, size: tuple[int, int] = (90, 60)) -> bytes:
    """A block in `<` or `>` order with texts in UTF-8, a maker note, unknown tags, four directories and a thumbnail."""
    number = lambda value: (3, 1, struct.pack(order + "H", value))  # noqa: E731
    text = lambda value: (2, len(value) + 1, value + b"\0")  # noqa: E731
    interoperability = {1: text(b"R03"), 2: (7, 4, b"0100"), 0x1001: number(size[0]), 0x1002: number(size[1])}
    details = {
        0x9000: (7, 4, b"0232"), 0x927C: (7, len(MAKER_NOTE), MAKER_NOTE), 0xA002: number(size[0]),
        0xA003: number(size[1]), 0xA005: interoperability, 0x9286: (7, 14, b"UNICODE\0\xe9\0\xe8\0\0\0"),
        0xA430: text("写真家".encode()), 0xFDE9: (7, 6, b"\1\2\3\4\5\6"),
        0x9214: (3, 4, struct.pack(order + "4H", 30, 20, 10, 6)),
    }  # fmt: skip
    gps = {0: (1, 4, bytes([2, 3, 0, 0])), 1: text(b"N"), 2: (5, 3, struct.pack(order + "6I", 47, 1, 18, 1, 0, 1))}
    main = {
        0x010E: text("Zürich, Limmat".encode()), 0x010F: text(b"Camera"), 0x0112: number(turn),
        0x013B: text(ARTIST), 0x013C: text(b"host"), 0x8298: text("© 写真".encode()), 
        0x9C9B: (1, 8, "Titl".encode("utf-16-le")), 0xC4A5: (7, 5, b"Print"), 0x8769: details,
        0x8825: gps,
    }  # fmt: skip
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8))
    thumbnail = b"\xff\xd8" + b"T" * 300 + b"\xff\xd9"
    ends = _write(out, main, order)
    start = len(out)
    small = {
        0x0103: number(6),
        0x0201: (4, 1, struct.pack(order + "I", 0)),
        0x0202: (4, 1, struct.pack(order + "I", 304)),
    }
    _write(out, small, order)
    struct.pack_into(order + "I", out, ends, start)
    struct.pack_into(order + "I", out, start + 2 + 12 + 8, len(out))
    return bytes(out + thumbnail)


def _write(out: bytearray, directory: dict, order: str) -> int:
    """Appends a directory and its values; gives the place of its pointer to the next one."""
    start = len(out)
    out.extend(struct.pack(order + "H", len(directory)) + bytes(12 * len(directory) + 4))
    for index, tag in enumerate(sorted(directory)):
        entry = directory[tag]
        if isinstance(entry, dict):
            place = len(out)
            _write(out, entry, order)
            kind, count, value = 4, 1, struct.pack(order + "I", place)
        else:
            kind, count, value = entry
            if len(value) > 4:
                place = len(out)
                out.extend(value + b"\0" * (len(value) % 2))
                value = struct.pack(order + "I", place)
        struct.pack_into(order + "HHI", out, start + 2 + 12 * index, tag, kind, count)
        out[start + 10 + 12 * index : start + 14 + 12 * index] = value.ljust(4, b"\0")
    return start + 2 + 12 * len(directory)


def raw_values(block: bytes) -> dict[str, dict[int, bytes]]:
    """The raw bytes of each tag of a block or a classic TIFF file, by directory; read apart from the package."""
    order = "<" if block[:2] == b"II" else ">"

    def read(place: int) -> dict[int, bytes]:
        result = {}
        for index in range(struct.unpack_from(order + "H", block, place)[0]):
            tag, kind, count, pointer = struct.unpack_from(order + "HHII", block, place + 2 + 12 * index)
            length = tifffile.TIFF.DATA_FORMATS[kind]
            length = struct.calcsize(length) * count
            start = pointer if length > 4 else place + 10 + 12 * index
            result[tag] = block[start : start + length]
        return result

    main = read(struct.unpack_from(order + "I", block, 4)[0])
    parts = {"main": main}
    for name, tag, owner in (("exif", 0x8769, "main"), ("gps", 0x8825, "main"), ("interoperability", 0xA005, "exif")):
        if tag in parts.get(owner, {}):
            parts[name] = read(struct.unpack(order + "I", parts[owner][tag])[0])
    return parts
