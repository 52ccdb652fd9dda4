"""Which kinds of picture files there are: those that are read here, those of an extra, and those that are only known.

A folder is searched by the endings of names, so every ending that can be read must be in `SUFFIXES`; pictures whose
ending is known but cannot be read are counted, never passed over in silence.
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


@functools.cache
def is_available(format: str) -> bool:
    """Whether a format can be read here: those of the extra `formats` need their package."""
    return format not in EXTRAS or importlib.util.find_spec(EXTRAS[format][0]) is not None


# Endings of names that can be read, in lower case.
SUFFIXES = (*_ALWAYS, *(suffix for suffix, format in _BY_EXTRA.items() if is_available(format)))
# Endings that are pictures' but cannot be read here.
UNREAD = (*_NEVER, *(suffix for suffix in _BY_EXTRA if suffix not in SUFFIXES))


def format_by_suffix(suffix: str) -> str | None:
    """The format that an ending stands for, e.g. "HEIF" for `.heic`; None for endings that are not read."""
    return _ALWAYS.get(suffix.lower()) or _BY_EXTRA.get(suffix.lower())


def missing_package(suffix: str) -> str | None:
    """The package that would read files of this ending, None where there is none or it is installed."""
    format = _BY_EXTRA.get(suffix.lower())
    return None if format is None or is_available(format) else EXTRAS[format][1]


def unread(names: Iterable[str | PurePath]) -> Counter:
    """How many of the names have a picture's ending that cannot be read here, by ending."""
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
