r"""What a picture file says beside its pixels: ICC profile, EXIF, XMP, IPTC and resolution.

EXIF is kept as Pillow's own bytes (with the `Exif\0\0` prefix), IPTC as the raw IIM record, so that each format's
writer can put them where that format keeps them. GIF and BMP have no room for them; WebP and AVIF none for IPTC.
"""

import dataclasses
import re
from typing import Any

from PIL import Image, TiffImagePlugin

_ORIENTATION, _WIDTH, _HEIGHT, _SOFTWARE = 0x0112, 0x0100, 0x0101, 0x0131
_EXIF_IFD, _PIXEL_X, _PIXEL_Y, _THUMBNAIL_IFD = 0x8769, 0xA002, 0xA003, 1
_TIFF_STRUCTURE = (
    0x00FE, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0111, 0x0115, 0x0116, 0x0117, 0x011A, 0x011B, 0x011C, 0x0128,
    0x013D, 0x0140, 0x0142, 0x0143, 0x0144, 0x0145, 0x014A, 0x0152, 0x0153, 0x015B, 0x0211, 0x0212, 0x0213,
    0x02BC, 0x83BB, 0x8649, 0x8773,
)  # fmt: skip
_GPS_IFD = 0x8825
_TEXTS = (0x010E, 0x010F, 0x0110, 0x0132, 0x013B, 0x8298)  # description, make, model, date, artist, copyright
_IPTC_RESOURCE = 0x0404


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Everything but the pixels; `dpi` is (horizontal, vertical) dots per inch, `note` the program that wrote it."""

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    note: str = ""

    def resized(self, width: int, height: int, software: str) -> "Metadata":
        """The metadata of the same picture at another size: sizes corrected, thumbnail dropped, `software` noted."""
        return dataclasses.replace(
            self,
            exif=_resized_exif(self.exif, width, height, software),
            xmp=_resized_xmp(self.xmp, width, height),
            note=software,
        )


NOTHING = Metadata()


def read_metadata(image: Image.Image) -> Metadata:
    """The metadata of an opened Pillow image; what is damaged is left out, since the pixels are what matters."""
    info = image.info
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode("utf-8")
    return Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=_read_exif(image),
        xmp=xmp if isinstance(xmp, bytes) and xmp.strip(b"\0 \n") else None,
        iptc=_read_iptc(image),
        dpi=_read_dpi(info.get("dpi")),
    )


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8 of an opened image; 1 where it is absent or damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, EOFError):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def exif_directories(exif: bytes | None) -> dict:
    """EXIF taken apart for a TIFF: "Image" {tag: text}, "Exif" and "GPS" as Pillow's directories where they exist."""
    if not exif:
        return {}
    block = Image.Exif()
    try:
        block.load(exif)
        result: dict[str, Any] = {
            "Image": {tag: value for tag in _TEXTS if isinstance(value := block.get(tag), str) and value}
        }
        for group, tag in (("Exif", _EXIF_IFD), ("GPS", _GPS_IFD)):
            entries = block.get_ifd(tag)
            directory = TiffImagePlugin.ImageFileDirectory_v2()
            for key, value in entries.items():
                directory[key] = value
            if len(directory) and directory.tobytes(8):
                result[group] = directory
        return result
    except Exception:
        # As in reading: whatever Pillow raises on a block that is not quite EXIF.
        return {}


def photoshop_resource(iptc: bytes) -> bytes:
    """The payload of a JPEG's APP13 segment that holds this IPTC record."""
    padding = b"\0" * (len(iptc) % 2)
    return b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + padding


def imagemagick_profile(iptc: bytes) -> str:
    """The text under which ImageMagick and exiftool keep an IPTC record in a PNG."""
    digits = iptc.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return "\niptc\n{:8d}\n{}\n".format(len(iptc), "\n".join(lines))


def _read_exif(image: Image.Image) -> bytes | None:
    try:
        exif = Image.Exif()
        exif.load(image.getexif().tobytes())  # A copy: Pillow's TIFF decoder still needs its own.
        if image.format == "TIFF":
            # A TIFF's own structure (strips, compression ...) stands in the same directory as its EXIF.
            for tag in _TIFF_STRUCTURE:
                exif.pop(tag, None)
        exif.pop(_ORIENTATION, None)  # The pixels are turned when they are read.
        return exif.tobytes() if len(exif) or len(exif.get_ifd(_EXIF_IFD)) else None
    except Exception:
        # Pillow raises almost anything on a damaged EXIF block (struct.error, KeyError, TypeError, OverflowError ...).
        return None


def _read_iptc(image: Image.Image) -> bytes | None:
    photoshop = image.info.get("photoshop")
    if isinstance(photoshop, dict) and isinstance(photoshop.get(_IPTC_RESOURCE), bytes):
        return photoshop[_IPTC_RESOURCE]
    tags = getattr(image, "tag_v2", None)
    value = tags.get(0x83BB) if tags is not None else None
    if isinstance(value, bytes):
        return value
    text = image.info.get("Raw profile type iptc")
    if isinstance(text, str):
        try:
            return bytes.fromhex("".join(text.split()[2:]))
        except ValueError:
            return None
    return None


def _read_dpi(value) -> tuple[float, float] | None:
    try:
        horizontal, vertical = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    plausible = 0 < horizontal < 1e6 and 0 < vertical < 1e6
    return (horizontal, vertical) if plausible else None


def _resized_exif(exif: bytes | None, width: int, height: int, software: str) -> bytes:
    block = Image.Exif()
    try:
        if exif:
            block.load(exif)
        ifd = block.get_ifd(_EXIF_IFD)
        if exif:
            ifd[_PIXEL_X], ifd[_PIXEL_Y] = width, height
            for tag, value in ((_WIDTH, width), (_HEIGHT, height)):
                if tag in block:
                    block[tag] = value
        block.get_ifd(_THUMBNAIL_IFD).clear()
        block[_SOFTWARE] = software
        return block.tobytes()
    except Exception:
        # A block that was read but cannot be written again is worth less than a picture that opens.
        block = Image.Exif()
        block[_SOFTWARE] = software
        return block.tobytes()


def _resized_xmp(xmp: bytes | None, width: int, height: int) -> bytes | None:
    """Corrects the sizes that XMP repeats, as attributes or as elements, without parsing what isn't ours."""
    if xmp is None:
        return None
    for names, value in ((rb"PixelXDimension|ImageWidth", width), (rb"PixelYDimension|ImageLength", height)):
        digits = b"%d" % value
        xmp = re.sub(rb"((?:exif|tiff):(?:%s)\s*=\s*[\"'])\d+" % names, rb"\g<1>" + digits, xmp)
        xmp = re.sub(rb"(<(?:exif|tiff):(?:%s)>)\d+" % names, rb"\g<1>" + digits, xmp)
    xmp = re.sub(rb"(tiff:Orientation\s*=\s*[\"'])\d+", rb"\g<1>1", xmp)
    return re.sub(rb"(<tiff:Orientation>)\d+", rb"\g<1>1", xmp)
