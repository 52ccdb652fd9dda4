r"""What a picture file says besides its pixels: profile, color, EXIF, XMP, IPTC, resolution and texts.

Everything is kept as the bytes that came, so that each format's writer can put them where that format keeps them.
"""

import dataclasses

from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures import xmp as xmp_packets
from sr_gan_tf.pictures.color import NO_COLOR, Color, adapted

# What each format has room for; what is missing here is named in a note when a picture is written.
KEPT = {
    "PNG": ("ICC profile", "color", "EXIF", "XMP", "IPTC", "Photoshop resources", "resolution", "comment", "texts"),
    "JPEG": ("ICC profile", "EXIF", "XMP", "IPTC", "Photoshop resources", "resolution", "comment"),
    "TIFF": ("ICC profile", "EXIF", "XMP", "IPTC", "Photoshop resources", "resolution"),
    "WEBP": ("ICC profile", "EXIF", "XMP", "resolution"),
    "AVIF": ("ICC profile", "color", "EXIF", "XMP", "resolution"),
    "HEIF": ("ICC profile", "EXIF", "XMP", "resolution"),
    "JXL": ("EXIF", "XMP", "resolution"),
    "GIF": ("comment",),
    "BMP": ("resolution",),
}
_JPEG_SEGMENT = 65533
_COMMENT = b"Comment"


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Everything but the pixels.

    Args:
        icc_profile: ICC profile.
        exif: EXIF block, with or without JPEG's prefix.
        xmp: XMP packet, whole.
        iptc: IPTC IIM record.
        dpi: (horizontal, vertical) dots per inch.
        note: the program that wrote the picture.
        photoshop: Photoshop's image resources that hold for another size, too (paths, copyright flag, URL).
        color: what the samples mean, where the file says so without a profile.
        texts: (type, body) of PNG's text chunks; comments of other formats are texts named `Comment`.
        turn: EXIF orientation by which the pixels were turned.
        lost: what the file held that cannot be read or does not hold for another size.
        remarks: what was odd about the file, though its picture could be read.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    note: str = ""
    photoshop: bytes | None = None
    color: Color = NO_COLOR
    texts: tuple[tuple[bytes, bytes], ...] = ()
    turn: int = 1
    lost: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def resized(self, before: tuple[int, int], after: tuple[int, int], software: str) -> "Metadata":
        """The metadata of the same picture at another size: sizes corrected, thumbnail dropped, `software` noted.

        Args:
            before: (width, height) of the picture, upright.
            after: (width, height) of the result.
            software: what made the result.
        """
        lost, xmp = list(self.lost), self.xmp
        if xmp:
            xmp, promised = xmp_packets.resized(xmp, before, after, self.turn)
            lost += [name for name in promised if name not in lost]
        block = exif_blocks.without_prefix(self.exif) if self.exif else None
        try:
            exif = exif_blocks.resized(block, before, after, software)
        except exif_blocks.DamagedExif:
            exif = exif_blocks.resized(None, before, after, software)
            lost.append("damaged EXIF")
        return dataclasses.replace(self, exif=exif, xmp=xmp, note=software, lost=tuple(lost))

    def comment(self) -> bytes | None:
        """The text named `Comment`, as JPEG and GIF keep one."""
        for kind, body in self.texts:
            keyword, _, rest = body.partition(b"\0")
            if keyword == _COMMENT and kind == b"tEXt":
                return rest
            if keyword == _COMMENT and kind == b"iTXt" and rest[:1] == b"\0":
                return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        return None

    def unkept(self, format: str, channels: int) -> tuple[str, ...]:
        """What a format has no room for, in the words of notes.

        Args:
            format: one of `KEPT`.
            channels: of the samples that are written, alpha included.
        """
        room, lost = KEPT.get(format, ()), []
        held = {
            "EXIF": self.exif, "XMP": self.xmp, "IPTC": self.iptc, "Photoshop resources": self.photoshop,
            "resolution": self.dpi, "comment": self.comment(),
        }  # fmt: skip
        if self.icc_profile and "ICC profile" in room and adapted(self.icc_profile, _coded(format, channels)) is None:
            lost.append(f"ICC profile (for {self.icc_profile[16:20].decode('latin-1').strip()} samples)")
        elif self.icc_profile and "ICC profile" not in room:
            lost.append("ICC profile")
        lost += [name for name, value in held.items() if value and name not in room]
        if "texts" not in room:
            names = {body.partition(b"\0")[0].decode("latin-1") for _, body in self.texts} - {_COMMENT.decode()}
            lost += [f"text {name!r}" for name in sorted(names)]
        if "color" not in room and not self.icc_profile:
            if self.color.hdr:
                lost.append(f"{self.color.hdr} transfer function (write PNG or AVIF to keep it)")
            elif "ICC profile" not in room and self.color.profile(3):
                lost.append("color space")
        if format == "JPEG":
            if self.exif and len(self.exif) + 600 > _JPEG_SEGMENT:
                lost.append(f"EXIF of {len(self.exif)} bytes")
            if (comment := self.comment()) and len(comment) > _JPEG_SEGMENT:
                lost.append(f"comment of {len(comment)} bytes")
            if self.xmp and xmp_packets.jpeg_parts(self.xmp) is None:
                lost.append(f"XMP of {len(self.xmp)} bytes")
        return tuple(lost)


NOTHING = Metadata()


def fitting(metadata: Metadata, format: str, channels: int) -> Metadata:
    """The metadata as one format says it.

    A profile is adapted to the samples or left out, color is said by a profile where the format has no other words, and
    resolution by EXIF where the format has no other place.
    """
    channels = _coded(format, channels)
    profile = metadata.icc_profile and adapted(metadata.icc_profile, channels)
    if metadata.icc_profile is None and "color" not in KEPT.get(format, ()):
        profile = metadata.color.profile(channels)
    exif = exif_blocks.upright(exif_blocks.without_prefix(metadata.exif)) if metadata.exif else None
    if metadata.dpi and format in ("WEBP", "AVIF", "HEIF", "JXL"):
        exif = exif_blocks.with_resolution(exif, metadata.dpi)
    if exif and format in ("AVIF", "HEIF", "JXL"):
        # AVIF turns pictures by a property of its own, and Pillow decodes and encodes EXIF that speaks of a turn.
        exif = exif_blocks.without_orientation(exif)
    return dataclasses.replace(metadata, icc_profile=profile, exif=exif)


def _coded(format: str, channels: int) -> int:
    """Channels in the file: WebP and AVIF hold grey as RGB."""
    return max(3, channels) if format in ("WEBP", "AVIF") else channels


def text(keyword: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A PNG text chunk (type, body) of bytes whose encoding may be UTF-8 or older."""
    if not value.isascii():
        try:
            value.decode("utf-8")
            return b"iTXt", keyword + b"\0\0\0\0\0" + value
        except UnicodeDecodeError:
            pass
    return b"tEXt", keyword + b"\0" + value
