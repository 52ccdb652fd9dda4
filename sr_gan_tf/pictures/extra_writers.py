"""HEIC and JPEG XL, written by the packages of the extra `formats`."""

from typing import IO, Any

import imagecodecs
import numpy as np
from PIL import Image

from sr_gan_tf.pictures import exif as exif_blocks
from sr_gan_tf.pictures.metadata import Metadata


def encode_extra(file: IO[bytes], format: str, pixels: np.ndarray, quality: int, metadata: Metadata) -> None:
    """Writes HEIC or JPEG XL.

    Args:
        file: an empty binary file.
        format: "HEIF" or "JXL".
        pixels: (H, W, 1 to 4) uint8.
        quality: 1 to 100; 100 is lossless in JPEG XL.
        metadata: profile, EXIF and XMP. JPEG XL's writer has no room for a profile: colors are turned into sRGB.
    """
    options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp}
    if format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
        options |= {"icc_profile": metadata.icc_profile, "quality": quality, "chroma": 444}
    else:
        import pillow_jxl  # noqa: F401 - importing it registers the format

        pixels = _as_srgb(pixels, metadata.icc_profile)
        if metadata.exif:
            options["exif"] = bytes(4) + exif_blocks.without_prefix(metadata.exif)  # where the block begins, first
        options |= {"lossless": True} if quality == 100 else {"quality": quality}
    picture = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image = Image.fromarray(picture)
    image.save(file, format, **{key: value for key, value in options.items() if value})


def _as_srgb(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Colors of a profile as sRGB, alpha as it is; a damaged profile must not cost the picture."""
    if not profile:
        return pixels
    count = 1 if pixels.shape[2] <= 2 else 3
    space = {1: "gray", 3: "rgb"}[count]
    colors = np.ascontiguousarray(pixels[..., 0] if count == 1 else pixels[..., :3])
    try:
        target = imagecodecs.cms_profile("gray" if count == 1 else "srgb")
        colors = imagecodecs.cms_transform(colors, profile, target, colorspace=space, outcolorspace=space)
    except (imagecodecs.CmsError, ValueError, RuntimeError):
        return pixels
    return np.concatenate([colors.reshape(*pixels.shape[:2], count), pixels[..., count:]], axis=2)
