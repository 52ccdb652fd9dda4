"""Metadata of a picture: ICC profile, color, EXIF, XMP, IPTC, resolution, texts.

Everything is kept as the original bytes; each format's writer stores them where that format wants them.
"""

import dataclasses

from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures import xmp as xmp_packets
from sr_gan_tf.pictures.color import NO_COLOR, Color, adapted

# What each format can store; everything else is reported in a note when a picture is written.
KEPT = {
    "PNG": (
        "ICC profile",
        "color",
        "EXIF",
        "XMP",
        "IPTC",
        "Photoshop resources",
        "resolution",
        "comment",
        "texts",
        "background and time",
    ),
    "JPEG": ("ICC profile", "EXIF", "XMP", "IPTC", "Photoshop resources", "resolution", "comment"),
    "TIFF": ("ICC profile", "EXIF", "XMP", "IPTC", "Photoshop resources", "resolution"),
    "WEBP": ("ICC profile", "EXIF", "XMP", "resolution"),
    "AVIF": ("ICC profile", "color", "EXIF", "XMP", "resolution"),
    "HEIF": ("ICC profile", "EXIF", "XMP", "resolution"),
    "JXL": ("EXIF", "XMP", "resolution"),
    "GIF": ("comment",),
    "BMP": ("resolution",),
}
# Formats whose writers convert colors to sRGB.
_AS_SRGB = ("JXL",)
_JPEG_SEGMENT = 65533
_COMMENT = b"Comment"
# Chunks of a PNG that stay valid at another size, and their names in notes.
KEPT_CHUNKS = {b"bKGD": "background color", b"tIME": "time of change"}


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Everything except the pixels.

    Args:
        icc_profile: ICC profile.
        exif: EXIF block, with or without JPEG's prefix.
        xmp: complete XMP packet.
        iptc: IPTC IIM record.
        dpi: (horizontal, vertical) dots per inch.
        note: name of the program that wrote the picture.
        photoshop: Photoshop image resources that are valid at any size (paths, copyright flag, URL).
        color: color space that the file describes without a profile.
        texts: (type, body) of PNG text chunks; comments of other formats become texts named `Comment`.
        chunks: (type, body) of `KEPT_CHUNKS`; the background color as 1 or 3 big-endian samples of 16 bits.
        turn: EXIF orientation, 1 to 8, that was applied to the pixels.
        lost: contents of the file that cannot be read or are not valid at another size.
        remarks: defects of the file that did not prevent reading it.
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
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    turn: int = 1
    lost: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def resized(self, before: tuple[int, int], after: tuple[int, int], software: str) -> "Metadata":
        """Updates the metadata for the same picture at another size.

        Args:
            before: (width, height) of the upright picture, in pixels.
            after: (width, height) of the result, in pixels.
            software: name of the program that made the result.

        Returns:
            Metadata with corrected sizes, without a thumbnail, with `software` recorded.
        """
        lost, xmp = list(self.lost), self.xmp
        if xmp:
            xmp, promised = xmp_packets.resized(xmp, before, after, self.turn)
            lost += [name for name in promised if name not in lost]
        block = exif_blocks.without_prefix(self.exif) if self.exif else None
        try:
            exif = exif_blocks.resized(block, before, after, software, self.turn)
        except exif_blocks.DamagedExif:
            exif = exif_blocks.resized(None, before, after, software)
            lost.append("damaged EXIF")
        return dataclasses.replace(self, exif=exif, xmp=xmp, note=software, lost=tuple(lost))

    def comment(self) -> bytes | None:
        """The text named `Comment`, which JPEG and GIF can store; None if there is none."""
        for kind, body in self.texts:
            keyword, _, rest = body.partition(b"\0")
            if keyword == _COMMENT and kind == b"tEXt":
                return rest
            if keyword == _COMMENT and kind == b"iTXt" and rest[:1] == b"\0":
                return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        return None

    def unkept(self, format: str, channels: int) -> tuple[str, ...]:
        """Lists what a format cannot store.

        Args:
            format: a key of `KEPT`.
            channels: number of channels that are written, alpha included.

        Returns:
            Descriptions for a note.
        """
        room, lost = KEPT.get(format, ()), []
        held = {
            "EXIF": self.exif, "XMP": self.xmp, "IPTC": self.iptc, "Photoshop resources": self.photoshop,
            "resolution": self.dpi, "comment": self.comment(),
        }  # fmt: skip
        if self.icc_profile and "ICC profile" in room and adapted(self.icc_profile, _coded(format, channels)) is None:
            lost.append(f"ICC profile (for {self.icc_profile[16:20].decode('latin-1').strip()} samples)")
        elif self.icc_profile and "ICC profile" not in room and format not in _AS_SRGB:
            lost.append("ICC profile")
        lost += [name for name, value in held.items() if value and name not in room]
        if "texts" not in room:
            names = {body.partition(b"\0")[0].decode("latin-1") for _, body in self.texts} - {_COMMENT.decode()}
            lost += [f"text {name!r}" for name in sorted(names)]
        if "background and time" not in room:
            lost += [KEPT_CHUNKS[kind] for kind, _ in self.chunks]
        if "color" not in room and not self.icc_profile:
            if self.color.hdr:
                lost.append(f"{self.color.hdr} transfer function (write PNG or AVIF to keep it)")
            elif "ICC profile" not in room and format not in _AS_SRGB and self.color.profile(3):
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
    """Prepares metadata for one format.

    The profile is adapted to the channels or left out. Color becomes a profile if the format has no other way to store
    it, and resolution goes into EXIF if the format has no other place for it.

    Args:
        metadata: of the picture.
        format: a key of `KEPT`.
        channels: number of channels that are written, alpha included.
    """
    channels = _coded(format, channels)
    profile = metadata.icc_profile and adapted(metadata.icc_profile, channels)
    if metadata.icc_profile is None and "color" not in KEPT.get(format, ()):
        profile = metadata.color.profile(channels)
    exif = exif_blocks.upright(exif_blocks.without_prefix(metadata.exif)) if metadata.exif else None
    if metadata.dpi and format in ("WEBP", "AVIF", "HEIF", "JXL"):
        exif = exif_blocks.with_resolution(exif, metadata.dpi)
    if exif and format in ("AVIF", "HEIF", "JXL"):
        # These formats have a rotation of their own, and Pillow re-encodes EXIF that contains an orientation.
        exif = exif_blocks.without_orientation(exif)
    return dataclasses.replace(metadata, icc_profile=profile, exif=exif)


def _coded(format: str, channels: int) -> int:
    """Number of channels in the file: WebP and AVIF store gray as RGB, HEIC does so with alpha."""
    as_rgb = format in ("WEBP", "AVIF") or (format == "HEIF" and channels == 2)
    return max(3, channels) if as_rgb else channels


def text(keyword: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A PNG text chunk (type, body) for bytes in UTF-8 or an older encoding."""
    if not value.isascii():
        try:
            value.decode("utf-8")
            return b"iTXt", keyword + b"\0\0\0\0\0" + value
        except UnicodeDecodeError:
            pass
    return b"tEXt", keyword + b"\0" + value
