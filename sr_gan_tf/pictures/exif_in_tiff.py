"""EXIF in TIFF files, where its tags are part of the file's main directory."""

from collections.abc import Callable

from sr_gan_tf.pictures.exif import POINTERS, ByteLayout, Directory, directories, directories_of

LONG = 4

# Tags that describe the samples of the TIFF file itself, and tags that `Metadata` keeps in other fields (XMP, IPTC,
# Photoshop resources, ICC profile) or that are valid for the original only (Photoshop layers, content credentials).
TIFF_STRUCTURE = frozenset({
    0x00FE, 0x00FF, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0107, 0x0108, 0x0109, 0x010A, 0x0111, 0x0112, 0x0115,
    0x0116, 0x0117, 0x0118, 0x0119, 0x011A, 0x011B, 0x011C, 0x0120, 0x0121, 0x0122, 0x0123, 0x0124, 0x0125, 0x0128,
    0x012D, 0x013D, 0x013E, 0x013F, 0x0140, 0x0141, 0x0142, 0x0143, 0x0144, 0x0145, 0x0146, 0x0147, 0x0148, 0x014A,
    0x014C, 0x014D, 0x014E, 0x0150, 0x0151, 0x0152, 0x0153, 0x0154, 0x0155, 0x0156, 0x015B, 0x0200, 0x0201, 0x0202,
    0x0203, 0x0205, 0x0206, 0x0207, 0x0208, 0x0209, 0x0211, 0x0212, 0x0213, 0x0214, 0x02BC, 0x83BB, 0x8649, 0x8773,
    0x935C, 0xCD41,
})  # fmt: skip


def from_tiff(read: Callable[[int, int], bytes]) -> bytes | None:
    """Extracts an EXIF block from a TIFF file: all tags except those that describe the samples.

    Args:
        read: `read(offset, count)` returns bytes of the file.

    Returns:
        The block, or None if no tag is left.

    Raises:
        DamagedExif: if the file's directories cannot be parsed.
    """
    layout, parts = directories_of(read)
    # Tags below are no TIFF's: the settings of Panasonic's sensors.
    parts[0] = {tag: entry for tag, entry in parts[0].items() if tag not in TIFF_STRUCTURE and tag >= 0x00FE}
    return serialized(parts, ByteLayout(layout.order), 8) if any(parts.values()) else None


def tiff_values(read: Callable[[int, int], bytes], tags: tuple[int, ...]) -> dict[int, bytes]:
    """The raw values of the given tags in a TIFF file's first directory."""
    _, parts = directories_of(read)
    return {tag: parts[0][tag].value for tag in tags if tag in parts[0]}


def for_big_tiff(exif: bytes, start: int) -> tuple[bytes, list[bytes]]:
    """The values and directories of a block, laid out for a BigTIFF file at offset `start`, and its main entries."""
    layout, parts = directories(exif)
    kept = {tag: entry for tag, entry in parts[0].items() if tag not in TIFF_STRUCTURE}
    return _laid_out(parts | {0: kept}, ByteLayout(layout.order, big=True), start)


def main_entries(exif: bytes) -> dict[int, bytes]:
    """The 12-byte entry of each main tag that belongs in a TIFF file's own directory."""
    _, parts = directories(exif)
    return {
        tag: exif[entry.place : entry.place + 12]
        for tag, entry in parts[0].items()
        if tag not in TIFF_STRUCTURE and (tag not in POINTERS or tag in parts)
    }


def serialized(parts: dict[int, Directory], layout: ByteLayout, start: int) -> bytes:
    """A complete block with these directories."""
    body, entries = _laid_out(parts, layout, start)
    head = (b"II" if layout.order == "<" else b"MM") + layout.pack(42, 2) + layout.pack(start + len(body), 4)
    return head + body + layout.pack(len(entries), 2) + b"".join(entries) + layout.pack(0, 4)


def _laid_out(parts: dict[int, Directory], layout: ByteLayout, start: int) -> tuple[bytes, list[bytes]]:
    """Everything except the main directory, laid out from offset `start`, and the main directory's entries."""
    body = bytearray()

    def put(value: bytes) -> int:
        body.extend(b"\0" * ((start + len(body)) % 2))
        place = start + len(body)
        body.extend(value)
        return place

    def entries(directory: Directory) -> list[bytes]:
        result = []
        for tag in sorted(directory):
            entry = directory[tag]
            if tag in POINTERS:
                if tag not in parts:
                    continue
                lines = entries(parts[tag])
                listing = layout.pack(len(lines), 8 if layout.big else 2) + b"".join(lines) + bytes(layout.word)
                kind, count, value = 16 if layout.big else LONG, 1, layout.pack(put(listing), layout.word)
            else:
                kind, count, value = entry.kind, entry.count, entry.value
            if len(value) > layout.word:
                value = layout.pack(put(value), layout.word)
            result.append(
                layout.pack(tag, 2) + layout.pack(kind, 2) + layout.pack(count, layout.word)
                + value.ljust(layout.word, b"\0")
            )  # fmt: skip
        return result

    main = entries(parts[0])
    body.extend(b"\0" * ((start + len(body)) % 2))
    return bytes(body), main
