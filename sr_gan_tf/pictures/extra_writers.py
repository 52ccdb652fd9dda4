"""Writes HEIC and JPEG XL with the packages of the extra `formats`."""

from typing import IO, Any

import imagecodecs
import numpy as np
from PIL import Image

from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures.color import srgb_profile
from sr_gan_tf.pictures.jpeg_xl import with_boxes
from sr_gan_tf.pictures.metadata import Metadata

_DEEP_MODES = {1: "I;16", 2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}


def encode_extra(file: IO[bytes], format: str, pixels: np.ndarray, quality: int, metadata: Metadata) -> None:
    """Writes HEIC or JPEG XL.

    Args:
        file: an empty binary file.
        format: "HEIF" or "JXL".
        pixels: (H, W, 1 to 4) uint8 or uint16; HEIC stores 10 of 16 bits.
        quality: 1 to 100; 100 is lossless in JPEG XL.
        metadata: profile, EXIF and XMP. JPEG XL's writers cannot store a profile: colors are converted to sRGB.
    """
    deep = pixels.dtype == np.uint16
    if format == "JXL":
        pixels = _as_srgb(pixels, metadata.icc_profile)
        (_deep_jpeg_xl if deep else _jpeg_xl)(file, pixels, quality, metadata)
        return
    import pillow_heif

    options = {"icc_profile": metadata.icc_profile, "exif": metadata.exif, "xmp": metadata.xmp}
    options = {key: value for key, value in options.items() if value}
    if deep:
        mode, size = _DEEP_MODES[pixels.shape[2]], (pixels.shape[1], pixels.shape[0])
        pillow_heif.from_bytes(mode, size, np.ascontiguousarray(pixels).tobytes()).save(
            file, quality=quality, chroma=444, **options
        )
        return
    pillow_heif.register_heif_opener()
    _image(pixels).save(file, "HEIF", quality=quality, chroma=444, **options)


def _jpeg_xl(file: IO[bytes], pixels: np.ndarray, quality: int, metadata: Metadata) -> None:
    import pillow_jxl  # noqa: F401 - importing it registers the format

    options: dict[str, Any] = {"exif": _jxl_exif(metadata), "xmp": metadata.xmp}
    options |= {"lossless": True} if quality == 100 else {"quality": quality}
    _image(pixels).save(file, "JXL", **{key: value for key, value in options.items() if value})


def _deep_jpeg_xl(file: IO[bytes], pixels: np.ndarray, quality: int, metadata: Metadata) -> None:
    """16 bits, which the Pillow plug-in cannot write."""
    picture = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    # The distance of a quality as libjxl's own tools have it.
    distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else 53 / 3000 * quality**2 - 23 / 20 * quality + 25
    options = {"lossless": True} if quality == 100 else {"distance": distance}
    coded = bytes(imagecodecs.jpegxl_encode(picture, usecontainer=True, **options))
    boxes = ((b"Exif", _jxl_exif(metadata)), (b"xml ", metadata.xmp))
    file.write(with_boxes(coded, [(kind, body) for kind, body in boxes if body]))


def _jxl_exif(metadata: Metadata) -> bytes | None:
    """The block after its offset, as JPEG XL stores it."""
    return bytes(4) + exif_blocks.without_prefix(metadata.exif) if metadata.exif else None


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _as_srgb(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Converts colors from a profile to sRGB and leaves alpha as it is; a damaged profile is ignored."""
    if not profile:
        return pixels
    count = 1 if pixels.shape[2] <= 2 else 3
    space = {1: "gray", 3: "rgb"}[count]
    colors = np.ascontiguousarray(pixels[..., 0] if count == 1 else pixels[..., :3])
    target = srgb_profile(count)
    if target is None:
        return pixels
    try:
        colors = imagecodecs.cms_transform(colors, profile, target, colorspace=space, outcolorspace=space)
    except (imagecodecs.CmsError, ValueError, RuntimeError):
        return pixels
    return np.concatenate([colors.reshape(*pixels.shape[:2], count), pixels[..., count:]], axis=2)
