"""Reads metadata from picture files as raw bytes; damaged parts are left out and reported."""

import io
import struct
from pathlib import Path
from typing import IO, Any

from PIL import Image

from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures import exif_in_tiff
from sr_gan_tf.pictures import xmp as xmp_packets
from sr_gan_tf.pictures.color import NO_COLOR, color_of_avif, color_of_png
from sr_gan_tf.pictures.containers import (
    jpeg2000_boxes,
    jpeg_segments,
    photoshop_resources,
    png_chunks,
    png_text,
    raw_profile,
)
from sr_gan_tf.pictures.deep import BareTiff
from sr_gan_tf.pictures.extra_formats import ExtraPicture
from sr_gan_tf.pictures.metadata import Metadata, text

_ICC, _XMP, _IPTC, _PHOTOSHOP, _RESOLUTION = 0x8773, 0x02BC, 0x83BB, 0x8649, (0x011A, 0x011B, 0x0128)
_HEAD = 1 << 16
_CREDENTIALS = "content credentials (C2PA), which are valid for the original only"


def read_metadata(image: Image.Image | BareTiff | ExtraPicture, source: str | Path | bytes) -> Metadata:
    """The metadata of an opened picture.

    Args:
        image: as Pillow opened it, not decoded yet.
        source: the file, or its bytes.
    """
    with _stream(source) as file:
        if isinstance(image, BareTiff):
            return _of_tiff(file)
        if isinstance(image, ExtraPicture):
            image.complete_info()
            return _of_others(image, file)
        if image.format in ("JPEG", "MPO"):
            return _of_jpeg(image, file)
        if image.format == "PNG":
            return _of_png(image, file)
        if image.format == "TIFF":
            return _of_tiff(file)
        return _of_others(image, file)


def _stream(source: str | Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def _of_jpeg(image: Image.Image, file: IO[bytes]) -> Metadata:
    segments, extra = jpeg_segments(file)
    lost = []
    first = [body for marker, body in segments if marker == 0xE1]
    packet, complete = xmp_packets.from_jpeg_parts(first)
    if not complete:
        lost.append("damaged part of XMP")
    exif = b"".join(body[6:] for body in first if body.startswith(b"Exif\0\0")) or None
    exif, more = _sound_exif(exif)
    resources = [body for marker, body in segments if marker == 0xED and body.startswith(b"Photoshop 3.0\0")]
    iptc, photoshop = photoshop_resources(b"".join(body[14:] for body in resources))
    if any(marker == 0xEB and b"c2pa" in body for marker, body in segments):
        lost.append(_CREDENTIALS)
    if image.format == "MPO" and getattr(image, "n_frames", 1) > 1:
        lost.append("further pictures in the file (gain map, depth map or another view)")
    elif extra > 64:
        lost.append(f"{extra} bytes after the picture (a video, gain map or another picture)")
    comments = tuple(text(b"Comment", body) for marker, body in segments if marker == 0xFE and body)
    profile = image.info.get("icc_profile") or None
    return Metadata(
        profile, exif, packet, iptc, _dpi(image.info.get("dpi")), photoshop=photoshop, texts=comments,
        turn=exif_blocks.orientation(exif), lost=(*lost, *more),
    )  # fmt: skip


def _of_png(image: Image.Image, file: IO[bytes]) -> Metadata:
    chunks, damaged = png_chunks(file)
    found: dict[str, bytes | None] = dict.fromkeys(("exif", "xmp", "iptc", "photoshop"))
    texts, lost = [], [damaged_chunk(kind) for kind in damaged]
    for kind, body in chunks:
        if kind == b"eXIf":
            found["exif"] = exif_blocks.without_prefix(body)
        elif kind == b"caBX":
            lost.append(_CREDENTIALS)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, value = png_text(kind, body)
            if keyword == b"XML:com.adobe.xmp":
                found["xmp"] = value
            elif keyword.startswith(b"Raw profile type "):
                _take_raw_profile(keyword[17:].lower(), raw_profile(value), found)
            elif keyword != b"Software":
                texts.append((kind, body))
    exif, more = _sound_exif(found["exif"])
    return Metadata(
        image.info.get("icc_profile") or None, exif, found["xmp"], found["iptc"], _dpi(image.info.get("dpi")),
        photoshop=found["photoshop"], color=color_of_png(chunks), texts=tuple(texts),
        turn=exif_blocks.orientation(exif), lost=(*lost, *more),
    )  # fmt: skip


def damaged_chunk(kind: str) -> str:
    """Describes a PNG chunk with a wrong checksum in a note."""
    return f"the damaged chunk {kind}"


def _take_raw_profile(name: bytes, data: bytes | None, found: dict[str, bytes | None]) -> None:
    """Uses a block that ImageMagick stored as text, unless the PNG has the same block in its proper place."""
    if not data:
        return
    if name in (b"exif", b"app1") and data.startswith((b"Exif\0\0", b"II", b"MM")):
        found["exif"] = found["exif"] or exif_blocks.without_prefix(data)
    elif name in (b"xmp", b"app1"):
        found["xmp"] = found["xmp"] or data.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
    elif name in (b"iptc", b"8bim"):
        if data.startswith((b"Photoshop 3.0\0", b"8BIM")):
            iptc, others = photoshop_resources(data)
            found["iptc"], found["photoshop"] = found["iptc"] or iptc, found["photoshop"] or others
        elif name == b"iptc":
            found["iptc"] = data


def _of_tiff(file: IO[bytes]) -> Metadata:
    def read(place: int, count: int) -> bytes:
        file.seek(place)
        return file.read(count)

    try:
        values = exif_in_tiff.tiff_values(read, (_ICC, _XMP, _IPTC, _PHOTOSHOP, *_RESOLUTION))
    except exif_blocks.DamagedExif:
        return Metadata(lost=("damaged metadata",))
    lost: tuple[str, ...] = ()
    try:
        exif = exif_in_tiff.from_tiff(read)
    except exif_blocks.DamagedExif:
        exif, lost = None, ("damaged EXIF",)
    iptc, photoshop = photoshop_resources(values.get(_PHOTOSHOP, b""))
    profile, packet = values.get(_ICC), values.get(_XMP)
    order = ">" if read(0, 2) == b"MM" else "<"
    return Metadata(
        profile, exif, packet, values.get(_IPTC) or iptc, _tiff_dpi(values, order), photoshop=photoshop, lost=lost
    )  # fmt: skip


def _tiff_dpi(values: dict[int, bytes], order: str) -> tuple[float, float] | None:
    try:
        unit = struct.unpack(order + "H", values.get(_RESOLUTION[2], struct.pack(order + "H", 2)))[0]
        across, down = (struct.unpack(order + "II", values[tag]) for tag in _RESOLUTION[:2])
        factor = {2: 1.0, 3: 2.54}[unit]
        return _dpi((across[0] / across[1] * factor, down[0] / down[1] * factor))
    except (KeyError, struct.error, ZeroDivisionError):
        return None


def _of_others(image: Image.Image | ExtraPicture, file: IO[bytes]) -> Metadata:
    """Formats whose raw blocks Pillow provides: WebP, AVIF, GIF, BMP, JPEG 2000 and plug-ins."""
    info: dict[Any, Any] = dict(image.info)
    if image.format == "JPEG2000":
        info |= jpeg2000_boxes(file)
    packet = info.get("xmp")
    packet = packet.encode() if isinstance(packet, str) else packet
    exif = (_avif_exif(image) if image.format == "AVIF" else None) or info.get("exif")
    exif, lost = _sound_exif(exif_blocks.without_prefix(exif) if isinstance(exif, bytes) else None)
    comment = info.get("comment")
    comment = comment.encode() if isinstance(comment, str) else comment
    return Metadata(
        info.get("icc_profile") or None, exif, packet if isinstance(packet, bytes) and packet.strip(b"\0 \n") else None,
        dpi=_dpi(info.get("dpi")) or exif_blocks.resolution(exif),
        color=color_of_avif(file.read(_HEAD)) if image.format in ("AVIF", "HEIF") else NO_COLOR,
        texts=(text(b"Comment", comment),) if isinstance(comment, bytes) and comment else (),
        turn=exif_blocks.orientation(exif), lost=lost,
    )  # fmt: skip


def _avif_exif(image: Image.Image | ExtraPicture) -> bytes | None:
    """Raw EXIF of an AVIF file; Pillow's own copy is re-encoded if the file is rotated."""
    try:
        return vars(image)["_decoder"].get_info()[4] or None
    except (KeyError, AttributeError, IndexError, TypeError):
        return None


def _sound_exif(exif: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """The block if its directories can be parsed, otherwise a note that it is lost."""
    if not exif:
        return None, ()
    try:
        exif_blocks.directories(exif)
    except exif_blocks.DamagedExif:
        return None, ("damaged EXIF",)
    return exif, ()


def _dpi(value) -> tuple[float, float] | None:
    try:
        horizontal, vertical = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    plausible = 0 < horizontal < 1e6 and 0 < vertical < 1e6
    return (horizontal, vertical) if plausible else None
