"""The kinds of picture files: those that are read here, those that need an extra, and those that are only recognized.

A folder is searched by suffixes, so every suffix that can be read must be in `SUFFIXES`; pictures with a known suffix
that cannot be read are counted and reported.
"""

import functools
import importlib.util
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

_ALWAYS = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".mpo": "JPEG",
    ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".dib": "BMP", ".avif": "AVIF", ".avifs": "AVIF",
    ".gif": "GIF", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM", ".jp2": "JPEG2000", ".j2k": "JPEG2000",
    ".j2c": "JPEG2000", ".jpc": "JPEG2000", ".jpf": "JPEG2000", ".jpx": "JPEG2000",
}  # fmt: skip
# Format -> the module that reads it, and its package.
EXTRAS = {
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
    "RAW": ("rawpy", "rawpy"),
}
_BY_EXTRA = {
    ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".jxl": "JXL", ".dng": "RAW", ".arw": "RAW", ".cr2": "RAW",
    ".cr3": "RAW", ".nef": "RAW", ".nrw": "RAW", ".orf": "RAW", ".pef": "RAW", ".raf": "RAW", ".rw2": "RAW",
    ".srw": "RAW",
}  # fmt: skip
_NEVER = (
    ".3fr", ".ai", ".bpg", ".crw", ".cur", ".dcm", ".dcr", ".dds", ".djvu", ".emf", ".eps", ".erf", ".exr", ".fff",
    ".fits", ".gpr", ".hdr", ".heics", ".icns", ".ico", ".iiq", ".jng", ".jpm", ".jxr", ".kdc", ".kra", ".mef", ".mng",
    ".mos", ".mrw", ".ora", ".pam", ".pcx", ".pdf", ".pfm", ".pict", ".psb", ".psd", ".qoi", ".ras", ".rgb", ".rgba",
    ".rwl", ".sgi", ".sr2", ".srf", ".svg", ".svgz", ".tga", ".wdp", ".wmf", ".x3f", ".xbm", ".xcf", ".xpm",
)  # fmt: skip


_TEXTS = {
    b"version https://git-lfs": "a Git LFS pointer instead of the picture; run git lfs pull",
    b"<!doctype html": "a web page", b"<html": "a web page", b"<?xml": "XML or SVG", b"<svg": "SVG",
    b"%pdf": "PDF", b"%!ps": "PostScript",
}  # fmt: skip
_CONTENTS = {
    b"8BPS": "a Photoshop document", b"gimp xcf": "a GIMP document", b"\0\0\1\0": "an icon", b"DDS ": "a DDS texture",
    b"qoif": "QOI", b"farbfeld": "farbfeld", b"II\xbc\1": "JPEG XR", b"P7\n": "PAM", b"PF\n": "PFM",
    b"\x1f\x8b": "gzip", b"PK\3\4": "a ZIP archive", b"\x1a\x45\xdf\xa3": "a film",
    b"RIFF": "a RIFF file other than WebP",
    b"\xff\xd8\xff\xf7": "JPEG-LS", b"\xff\xd8\xff": "a damaged JPEG, or one of 12 or more bits per sample",
    b"\x89PNG\n\x1a\n": "a PNG whose line ends were converted (a transfer in text mode?)",
    b"\x89PNG": "a damaged PNG",
}  # fmt: skip


@functools.cache
def is_available(format: str) -> bool:
    """Whether a format can be read here: those of the extra `formats` need their package."""
    return format not in EXTRAS or importlib.util.find_spec(EXTRAS[format][0]) is not None


# Suffixes that can be read, in lower case.
SUFFIXES = (*_ALWAYS, *(suffix for suffix, format in _BY_EXTRA.items() if is_available(format)))
# Suffixes of pictures that cannot be read here.
UNREAD = (*_NEVER, *(suffix for suffix in _BY_EXTRA if suffix not in SUFFIXES))


def format_by_suffix(suffix: str) -> str | None:
    """Returns the format for a suffix, e.g. "HEIF" for `.heic`; None for suffixes that are not read."""
    return _ALWAYS.get(suffix.lower()) or _BY_EXTRA.get(suffix.lower())


def missing_package(suffix: str) -> str | None:
    """Returns the package that would read files with this suffix; None if there is none or it is installed."""
    format = _BY_EXTRA.get(suffix.lower())
    return None if format is None or is_available(format) else EXTRAS[format][1]


def known_content(head: bytes) -> str | None:
    """What a file is that contains no picture for this package, by its first 64 bytes; None if it is unknown.

    Args:
        head: the file's first bytes.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, name in _TEXTS.items():
        if text.startswith(start):
            return name
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis"):
            return "a damaged AVIF"
        return "a film or another file of its family"
    return next((name for start, name in _CONTENTS.items() if head.startswith(start)), None)


def unread(names: Iterable[str | PurePath]) -> Counter:
    """Counts the names with a picture suffix that cannot be read here, by suffix."""
    suffixes = (PurePath(name).suffix.lower() for name in names)
    return Counter(suffix for suffix in suffixes if suffix in UNREAD)


def unread_note(found: Counter) -> str:
    """`3 pictures left out that cannot be read here: 2 .heic, 1 .psd; ...`."""
    listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(found.items()))
    total = sum(found.values())
    text = f"{total} picture{'s' if total > 1 else ''} left out that cannot be read here: {listed}"
    if any(missing_package(suffix) for suffix in found):
        text += "; pip install 'sr_gan_tf[formats]' reads HEIC, JPEG XL and camera raw"
    return text
