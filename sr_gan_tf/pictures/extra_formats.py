"""HEIC, JPEG XL and camera raw, read by the packages of the extra `formats`; what is refused with a reason instead.

Each opened picture offers as much of a Pillow image as a reader needs. All three decoders return upright pixels, so
EXIF orientation no longer applies.

OpenEXR and Radiance files, like TIFFs of floating-point samples, are refused: they contain linear light without a fixed
white, and only the user can tell a converter which part of it to show.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import IO, Any

import imagecodecs
import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures import exif_in_tiff
from sr_gan_tf.pictures.formats import EXTRAS, format_by_suffix, is_available
from sr_gan_tf.pictures.jpeg_xl import jxl_boxes, jxl_head
from sr_gan_tf.pictures.raw_exif import raw_exif
from sr_gan_tf.pictures.samples import Samples, widened

_HEAD = 64
_META = 1 << 16
CREDENTIALS = "content credentials (C2PA), which are valid for the original only"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
# Raw files that say so in their first bytes; NEF, ARW, PEF and SRW are TIFF files known by their name alone.
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_TIFF = (b"II*\0", b"MM\0*")
_DNG_VERSION = 0xC612
_HEIF_BOXES = {b"moov": "a sequence of pictures", b"mpvd": "a video"}
_CREDENTIALS_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_SCENE_LINEAR = {b"\x76\x2f\x31\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"#?RGBE": "Radiance HDR"}


class ExtraPicture:
    """A picture of one of the extra formats.

    Attributes:
        format: "HEIF", "JXL" or "RAW".
        width, height: of the upright picture.
        info: `exif`, `icc_profile` and `xmp`, if the file has them.
        turn: the orientation, 1 to 8, that the decoder applies.
        lost: what else the file contains.
    """

    format = ""
    mode = "RGB"
    n_frames = 1
    turn = 1
    lost: tuple[str, ...] = ()

    def __init__(self, width: int, height: int, info: dict[str, Any]):
        self.width, self.height = width, height
        self.info = {key: value for key, value in info.items() if value}

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    def getexif(self) -> dict[int, int]:
        """Nothing: the decoder has already turned the pixels."""
        return {}

    def complete_info(self) -> None:
        """Reads the parts of `info` that take too long for a header."""

    def samples(self, where: str) -> Samples:
        """The decoded samples; `where` is the picture's name in messages."""
        raise NotImplementedError


class _Heif(ExtraPicture):
    format = "HEIF"

    def __init__(self, file: IO[bytes]):
        import pillow_heif

        # The decoder reads the file again when the pixels are needed.
        data = file.read()
        heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        self.image = heif[heif.primary_index]
        info = self.image.info
        profile = info.get("icc_profile")
        super().__init__(*self.image.size, {"exif": info.get("exif"), "icc_profile": profile, "xmp": info.get("xmp")})
        head = data[:_META]
        # Without a transformation of HEIF's own, EXIF's orientation was not applied.
        self.turn = exif_blocks.orientation(_block(info.get("exif"))) if b"irot" in head or b"imir" in head else 1
        self.lost = (*_further_of_heif(heif, info), *isobmff_extras(data))

    def samples(self, where: str) -> Samples:
        values = np.asarray(self.image)
        if values.dtype == np.uint16:
            bits = int(self.image.info.get("bit_depth", 16))
            values = widened(values >> (16 - bits), bits)  # they come shifted to the upper bits
        alpha = "premultiplied" if self.image.mode.startswith(("RGBa", "La")) else "straight"
        return _by_channels(values, alpha)


class _JpegXl(ExtraPicture):
    format = "JXL"

    def __init__(self, file: IO[bytes]):
        self.data = file.read()
        boxes = dict(jxl_boxes(self.data))
        head = jxl_head(boxes[b"jxlc"])
        self.turn, self.bits = head.turn, head.bits
        further = {b"jhgm": "gain map", b"jumb": CREDENTIALS}
        self.lost = tuple(name for kind, name in further.items() if kind in boxes)
        if head.animated:
            self.lost = ("further frames of the animation", *self.lost)
        super().__init__(*head.size, {"xmp": boxes.get(b"xml ")})
        exif = boxes.get(b"Exif", b"")
        # The block's offset comes first, but some writers leave it out.
        start = 0 if exif[:4] in _TIFF else 4 + _box_size(exif)
        if exif[start : start + 4] in _TIFF:
            self.info["exif"] = exif[start:]

    def samples(self, where: str) -> Samples:
        values = imagecodecs.jpegxl_decode(self.data, index=0)  # the first frame of an animation
        if values.dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"{where}: floating-point samples, which have no fixed white; convert it to 8 or 16 bits per sample"
            )
        # The decoder leaves samples in the range of their depth.
        return _by_channels(widened(values, self.bits) if self.bits <= 16 else values, "straight")

    def complete_info(self) -> None:
        """Reads the ICC profile; the package that can do so also decodes the pixels."""
        from pillow_jxl import Decoder

        try:
            profile = Decoder()(self.data)[3]
        except Exception as error:  # it asks to build libjxl for debugging, whatever is wrong
            raise ValueError("its JPEG XL data are damaged or end too early") from error
        if profile:
            self.info["icc_profile"] = bytes(profile)


class _CameraRaw(ExtraPicture):
    format = "RAW"

    def __init__(self, file: IO[bytes]):
        import rawpy

        data = file.read()
        with _libraw_errors():
            self.raw = rawpy.imread(_named(file) or io.BytesIO(data))
        sizes = self.raw.sizes
        turned = sizes.flip in (5, 6)
        width, height = (sizes.height, sizes.width) if turned else (sizes.width, sizes.height)
        super().__init__(width, height, {"exif": raw_exif(data)})

    def samples(self, where: str) -> Samples:
        """Developed with the camera's white balance into sRGB, 16 bits."""
        with _libraw_errors():
            values = self.raw.postprocess(use_camera_wb=True, output_bps=16)
        self.width, self.height = values.shape[1], values.shape[0]
        return _by_channels(values, "straight")


@contextlib.contextmanager
def _libraw_errors() -> Iterator[None]:
    """Turns LibRaw's errors, whose text is bytes, into readable ones."""
    import rawpy

    try:
        yield
    except rawpy.LibRawError as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("ascii", "replace") if isinstance(reason, bytes) else reason
        raise ValueError(f"camera raw: {reason}") from error


_READERS = {"HEIF": _Heif, "JXL": _JpegXl, "RAW": _CameraRaw}


def open_extra(file: IO[bytes]) -> ExtraPicture | None:
    """The picture in a file of one of the extra formats; None for other files.

    Args:
        file: open at its start, where it is left; its name helps to distinguish camera raw from TIFF.

    Raises:
        InputError: if its package is not installed, or if it contains linear light.
        Exception: any error of a decoder on a damaged file.
    """
    head = file.read(_HEAD)
    for start, name in _SCENE_LINEAR.items():
        if head.startswith(start):
            raise InputError(
                f"{getattr(file, 'name', 'the picture')}: {name} contains linear light without a fixed white; convert "
                "it first: magick in.exr -colorspace sRGB -depth 16 out.png"
            )
    file.seek(0)
    format = _format(file, head)
    file.seek(0)
    if format is None:
        return None
    if not is_available(format):
        package = EXTRAS[format][1]
        names = {"HEIF": "HEIC", "JXL": "JPEG XL", "RAW": "camera raw"}
        raise InputError(
            f"{getattr(file, 'name', 'the picture')}: {names[format]}, which needs the package {package}; "
            f"pip install {package}, or 'sr_gan_tf[formats]'"
        )
    return _READERS[format](file)


def _format(file: IO[bytes], head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        if head[8:12] == b"crx ":
            return "RAW"
        brands = [head[place : place + 4] for place in (8, *range(16, min(len(head), _box_size(head)), 4))]
        return "HEIF" if brands[0] in _HEIF_BRANDS and b"avif" not in brands and b"avis" not in brands else None
    if head.startswith((b"\xff\x0a", _JXL_BOX)):
        return "JXL"
    if head.startswith(_RAW_STARTS) or (head[:4] == b"II*\0" and head[8:10] == b"CR"):
        return "RAW"
    if head[:4] in _TIFF:
        suffix = str(getattr(file, "name", "")).rpartition(".")[2]
        return "RAW" if format_by_suffix(f".{suffix}") == "RAW" or _is_dng(file) else None
    return None


def _box_size(head: bytes) -> int:
    return int.from_bytes(head[:4], "big")


def _is_dng(file: IO[bytes]) -> bool:
    """Whether a TIFF's first directory has the tag that names DNG's version."""

    def read(place: int, count: int) -> bytes:
        file.seek(place)
        return file.read(count)

    try:
        return bool(exif_in_tiff.tiff_values(read, (_DNG_VERSION,)).get(_DNG_VERSION))
    except exif_blocks.DamagedExif:
        return False


def _named(file: IO[bytes]) -> str | None:
    """The file's name, which LibRaw then puts into its warnings; None if there is none that it can open."""
    name = getattr(file, "name", None)
    with contextlib.suppress(UnicodeEncodeError):
        return name if isinstance(name, str) and name.encode() else None
    return None


def _block(exif: bytes | None) -> bytes | None:
    return exif_blocks.without_prefix(exif) if exif else None


def _further_of_heif(heif, info: dict[str, Any]) -> tuple[str, ...]:
    """What a HEIC file contains in addition to its primary picture."""
    lost = []
    if len(heif) > 1:
        lost.append(f"{len(heif) - 1} further picture{'s' if len(heif) > 2 else ''}")
    if info.get("depth_images"):
        lost.append("depth map")
    names = {"gain map" if "gainmap" in name.lower() else f"auxiliary picture {name}" for name in info.get("aux") or {}}
    return (*lost, *sorted(names))


def isobmff_extras(data: bytes, frames: int = 1) -> tuple[str, ...]:
    """What a HEIC or AVIF file contains that its decoders do not report; `frames` are those that they do."""
    lost, place = [], 0
    if b"infe" in data[:_META] and b"tmap" in data[:_META]:
        lost.append("gain map")
    while place + 8 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind in _HEIF_BOXES and not (kind == b"moov" and frames > 1):
            lost.append(_HEIF_BOXES[kind])
        elif kind == b"uuid" and data[place + 8 : place + 24] == _CREDENTIALS_BOX:
            lost.append(CREDENTIALS)
        size = int.from_bytes(data[place + 8 : place + 16], "big") if size == 1 else size
        if size < 8:
            break
        place += size
    return tuple(lost)


def _by_channels(values: np.ndarray, alpha: Any) -> Samples:
    values = values[..., None] if values.ndim == 2 else values
    channels = values.shape[2]
    return Samples(values, "gray" if channels <= 2 else "rgb", alpha if channels in (2, 4) else "")
