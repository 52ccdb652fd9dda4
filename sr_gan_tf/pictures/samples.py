"""What decoded samples mean, decided in one place for 8 and 16 bits: color space, transparency, turn."""

import dataclasses
from typing import Literal

import imagecodecs
import numpy as np
from PIL import ImageCms

from sr_gan_tf.pictures.color import NO_COLOR
from sr_gan_tf.pictures.metadata import Metadata

_PERCEPTUAL = 0
_PIXELS_AT_ONCE = 1 << 22


@dataclasses.dataclass(frozen=True)
class Samples:
    """Samples as a decoder gives them.

    Args:
        values: (H, W, C) uint8 or uint16, the whole range in use.
        space: of the first channels: "grey" (1), "rgb" (3), "cmyk" (4, 0 is no ink), or "lab" (3; a and b count from
            the middle of the range).
        alpha: what the next channel is, "" where there is none; further channels are no part of the picture.
        turn: EXIF orientation that the values still need.
    """

    values: np.ndarray
    space: Literal["grey", "rgb", "cmyk", "lab"]
    alpha: Literal["", "straight", "premultiplied"] = ""
    turn: int = 1


_CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4, "lab": 3}


def interpreted(samples: Samples, metadata: Metadata) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Pixels (H, W, 1 or 3) and alpha (H, W) upright, and the metadata that still holds for them."""
    count = _CHANNELS[samples.space]
    values = turned(samples.values, samples.turn)
    colors, alpha = values[..., :count], None
    if samples.alpha:
        alpha = np.ascontiguousarray(values[..., count])
        if samples.alpha == "premultiplied":
            colors = _divided(colors, alpha)
    if samples.space in ("cmyk", "lab"):
        colors = _to_rgb(np.ascontiguousarray(colors), samples.space, metadata.icc_profile)
        # The result is sRGB, whatever the inks were.
        metadata = dataclasses.replace(metadata, icc_profile=None, color=NO_COLOR)
    return np.ascontiguousarray(colors), alpha, metadata


def turned(values: np.ndarray, turn: int) -> np.ndarray:
    """The picture as EXIF orientation 1 to 8 wants it shown."""
    if turn >= 5:
        values = np.swapaxes(values, 0, 1)
    if turn in (3, 4, 7, 8):
        values = values[::-1]
    if turn in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def widened(values: np.ndarray, bits: int) -> np.ndarray:
    """uint16 samples of `bits` bits on the whole range of 16."""
    if bits == 16:
        return values
    top = 2**bits - 1
    return ((values.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)


def _divided(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colors that were multiplied by alpha as they were before."""
    top = np.iinfo(colors.dtype).max
    result = np.empty_like(colors)
    for start, stop in _bands(colors):
        weight = np.maximum(alpha[start:stop, :, None], 1).astype(np.float64)
        result[start:stop] = np.minimum(np.rint(colors[start:stop] * (top / weight)), top)
    return result


def _to_rgb(values: np.ndarray, space: str, profile: bytes | None) -> np.ndarray:
    """CMYK and Lab as sRGB: by the embedded profile where there is a usable one, else by the plain formula."""
    wanted = {"cmyk": b"CMYK", "lab": b"Lab "}[space]
    if space == "lab":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    elif profile is not None and profile[16:20] != wanted:
        profile = None
    result = np.empty((*values.shape[:2], 3), values.dtype)
    target = imagecodecs.cms_profile("srgb")
    for start, stop in _bands(values):
        band = np.ascontiguousarray(values[start:stop])
        converted = None
        if profile is not None:
            try:
                converted = imagecodecs.cms_transform(
                    band, profile, target, colorspace=space, outcolorspace="rgb", outdtype=band.dtype,
                    intent=_PERCEPTUAL,
                )  # fmt: skip
            except (imagecodecs.CmsError, ValueError, RuntimeError):
                profile = None  # A damaged profile must not cost the picture.
        result[start:stop] = _by_formula(band) if converted is None else converted
    return result


def _by_formula(cmyk: np.ndarray) -> np.ndarray:
    top = int(np.iinfo(cmyk.dtype).max)
    light = top - cmyk.astype(np.uint32)
    return ((light[..., :3] * light[..., 3:] + top // 2) // top).astype(cmyk.dtype)


def _bands(values: np.ndarray) -> list[tuple[int, int]]:
    step = max(1, _PIXELS_AT_ONCE // max(1, values.shape[1]))
    return [(start, min(len(values), start + step)) for start in range(0, len(values), step)]
