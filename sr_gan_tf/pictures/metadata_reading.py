"""Reads metadata from picture files as raw bytes; damaged parts are left out and reported."""

import io
import struct
from pathlib import Path
from typing import IO, Any

from PIL import Image

from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures import exif_in_tiff
from sr_gan_tf.pictures import xmp as xmp_packets
from sr_gan_tf.pictures.color import COLOR_CHUNKS, NO_COLOR, color_of_avif, color_of_png
from sr_gan_tf.pictures.containers import (
    gif_extensions,
    jpeg2000_boxes,
    jpeg_segments,
    photoshop_resources,
    png_background,
    png_chunks,
    png_text,
    raw_profile,
)
from sr_gan_tf.pictures.decoding import orientation
from sr_gan_tf.pictures.deep import BareTiff
from sr_gan_tf.pictures.extra_formats import CREDENTIALS, ExtraPicture, isobmff_extras
from sr_gan_tf.pictures.metadata import KEPT_CHUNKS, Metadata, text

_ICC, _XMP, _IPTC, _PHOTOSHOP, _RESOLUTION = 0x8773, 0x02BC, 0x83BB, 0x8649, (0x011A, 0x011B, 0x0128)
_HEAD = 1 << 16
# JPEG segments that other code reads (APP1 and APP13 in part), or whose content is valid for the original only.
_USUAL_SEGMENTS = (
    (0xE0, b"JFIF"), (0xE0, b"JFXX"), (0xE1, b"Exif\0"), (0xE1, b"http://ns.adobe.com/"), (0xE2, b"ICC_PROFILE\0"),
    (0xE2, b"MPF\0"), (0xEC, b"Ducky"), (0xED, b"Photoshop 3.0\0"), (0xEE, b"Adobe"),
)  # fmt: skip
# PNG chunks that are kept elsewhere, or that only help to decode the original.
_USUAL_CHUNKS = (b"iCCP", b"pHYs", b"eXIf", b"hIST", b"sBIT", b"iDOT", b"fRAc", *COLOR_CHUNKS, *KEPT_CHUNKS,
                 b"tEXt", b"zTXt", b"iTXt", b"caBX")  # fmt: skip
_TIFF_PIXELS = _SPACE, _TURN, _SAMPLES, _EXTRA_SAMPLES, _LAYERS, _C2PA = 0x0106, 0x0112, 0x0115, 0x0152, 0x935C, 0xCD41


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
        lost.append(CREDENTIALS)
    lost += dict.fromkeys(
        f"APP{marker - 0xE0} segment {_name(body)}"
        for marker, body in segments
        if 0xE0 <= marker <= 0xEF
        and not (marker == 0xEB and b"c2pa" in body)
        and not any(marker == usual and body.startswith(start) for usual, start in _USUAL_SEGMENTS)
    )
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
    kept, texts, lost = [], [], [damaged_chunk(kind) for kind in damaged]
    for kind, body in chunks:
        if kind == b"eXIf":
            found["exif"] = exif_blocks.without_prefix(body)
        elif kind == b"caBX":
            lost.append(CREDENTIALS)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, value = png_text(kind, body)
            if keyword == b"XML:com.adobe.xmp":
                found["xmp"] = value
            elif keyword.startswith(b"Raw profile type "):
                if not _take_raw_profile(keyword[17:].lower(), raw_profile(value), found):
                    texts.append((kind, body))
            elif keyword != b"Software":
                texts.append((kind, body))
        elif kind == b"bKGD":
            color = png_background(file, body)
            kept += [(kind, color)] if color else []
        elif kind in KEPT_CHUNKS:
            kept.append((kind, body))
    others = dict.fromkeys(kind.decode("latin-1") for kind, _ in chunks if kind not in _USUAL_CHUNKS)
    if others:
        lost.append(f"chunk{'s' if len(others) > 1 else ''} {', '.join(others)}")
    exif, more = _sound_exif(found["exif"])
    return Metadata(
        image.info.get("icc_profile") or None, exif, found["xmp"], found["iptc"], _dpi(image.info.get("dpi")),
        photoshop=found["photoshop"], color=color_of_png(chunks), texts=tuple(texts), chunks=tuple(kept),
        turn=exif_blocks.orientation(exif), lost=(*lost, *more),
    )  # fmt: skip


def damaged_chunk(kind: str) -> str:
    """Describes a PNG chunk with a wrong checksum in a note."""
    return f"the damaged chunk {kind}"


def _take_raw_profile(name: bytes, data: bytes | None, found: dict[str, bytes | None]) -> bool:
    """Uses a block that ImageMagick stored as text, unless the PNG has the same block in its proper place.

    Returns:
        Whether the block is of a known kind.
    """
    if not data:
        return False
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
    else:
        return False
    return True


def _of_tiff(file: IO[bytes]) -> Metadata:
    def read(place: int, count: int) -> bytes:
        file.seek(place)
        return file.read(count)

    try:
        values = exif_in_tiff.tiff_values(read, (_ICC, _XMP, _IPTC, _PHOTOSHOP, *_RESOLUTION, *_TIFF_PIXELS))
    except exif_blocks.DamagedExif:
        return Metadata(lost=("damaged metadata",))
    order = ">" if read(0, 2) == b"MM" else "<"
    lost = _unread_in_tiff(values, order)
    try:
        exif = exif_in_tiff.from_tiff(read)
    except exif_blocks.DamagedExif:
        exif, lost = None, ("damaged EXIF", *lost)
    iptc, photoshop = photoshop_resources(values.get(_PHOTOSHOP, b""))
    profile, packet = values.get(_ICC), values.get(_XMP)
    turn = next(iter(_numbers(values, _TURN, order)), 1)
    return Metadata(
        profile, exif, packet, values.get(_IPTC) or iptc, _tiff_dpi(values, order), photoshop=photoshop,
        turn=turn if 1 <= turn <= 8 else 1, lost=lost,
    )  # fmt: skip


def _numbers(values: dict[int, bytes], tag: int, order: str) -> tuple[int, ...]:
    """The SHORT values of a tag; none if it is absent."""
    data = values.get(tag, b"")
    return struct.unpack(f"{order}{len(data) // 2}H", data[: len(data) // 2 * 2])


def _unread_in_tiff(values: dict[int, bytes], order: str) -> tuple[str, ...]:
    """What a TIFF contains besides the first picture's colors and alpha, and what no result can keep."""
    lost = []
    samples, space = (next(iter(_numbers(values, tag, order)), 1) for tag in (_SAMPLES, _SPACE))
    extra = _numbers(values, _EXTRA_SAMPLES, order)
    further = samples - {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}.get(space, 1) - any(kind in (1, 2) for kind in extra)
    if further > 0:
        lost.append(f"{further} further channel{'s' if further > 1 else ''}")
    if _LAYERS in values:
        lost.append("Photoshop layers")
    if _C2PA in values:
        lost.append(CREDENTIALS)
    return tuple(lost)


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
    others: tuple[str, ...] = ()
    if image.format == "JPEG2000":
        boxes, others = jpeg2000_boxes(file)
        info |= boxes
    elif image.format == "GIF":
        info = gif_extensions(file.read()) | info
    packet = info.get("xmp")
    packet = packet.encode() if isinstance(packet, str) else packet
    exif = (_avif_exif(image) if image.format == "AVIF" else None) or info.get("exif")
    exif, lost = _sound_exif(exif_blocks.without_prefix(exif) if isinstance(exif, bytes) else None)
    turn, lost = exif_blocks.orientation(exif), (*others, *lost)
    if isinstance(image, ExtraPicture):
        turn, lost = image.turn, (*image.lost, *lost)
    elif image.format == "AVIF":
        # Pillow reports the rotation of an AVIF file as EXIF orientation.
        turn, lost = orientation(image), (*isobmff_extras(file.read(), getattr(image, "n_frames", 1)), *lost)
        file.seek(0)
    comment = info.get("comment")
    comment = comment.encode() if isinstance(comment, str) else comment
    return Metadata(
        info.get("icc_profile") or None, exif, packet if isinstance(packet, bytes) and packet.strip(b"\0 \n") else None,
        info.get("iptc"), _dpi(info.get("dpi")) or exif_blocks.resolution(exif),
        color=color_of_avif(file.read(_HEAD)) if image.format in ("AVIF", "HEIF") else NO_COLOR,
        texts=(text(b"Comment", comment),) if isinstance(comment, bytes) and comment else (),
        turn=turn, lost=lost,
    )  # fmt: skip


def _avif_exif(image: Image.Image | ExtraPicture) -> bytes | None:
    """Raw EXIF of an AVIF file; Pillow's own copy is re-encoded if the file is rotated."""
    try:
        return vars(image)["_decoder"].get_info()[4] or None
    except (KeyError, AttributeError, IndexError, TypeError):
        return None


def _name(body: bytes) -> str:
    """The name at the start of an application segment, if it has one."""
    name = body.split(b"\0")[0][:32]
    return repr(name.decode("ascii")) if name.isascii() and name.decode("ascii").isprintable() else "without a name"


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
