"""Interprets decoded samples, 8 and 16 bits alike: color space, transparency, orientation."""

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
    """Samples as a decoder returns them.

    Args:
        values: (H, W, C) uint8 or uint16, full range.
        space: color space of the first channels: "gray" (1), "rgb" (3), "cmyk" (4; 0 is no ink), or "lab" (3; the zero
            of a and b is the middle of the range).
        alpha: kind of the next channel, "" if there is none; further channels are ignored.
        turn: EXIF orientation, 1 to 8, that has not been applied yet.
    """

    values: np.ndarray
    space: Literal["gray", "rgb", "cmyk", "lab"]
    alpha: Literal["", "straight", "premultiplied"] = ""
    turn: int = 1


_CHANNELS = {"gray": 1, "rgb": 3, "cmyk": 4, "lab": 3}


def interpreted(samples: Samples, metadata: Metadata) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Upright pixels (H, W, 1 or 3) and alpha (H, W) or None, and the metadata that is still valid for them."""
    count = _CHANNELS[samples.space]
    values = turned(samples.values, samples.turn)
    colors, alpha = values[..., :count], None
    if samples.alpha:
        alpha = np.ascontiguousarray(values[..., count])
        if samples.alpha == "premultiplied":
            colors = _divided(colors, alpha)
    if samples.space in ("cmyk", "lab"):
        colors = _to_rgb(np.ascontiguousarray(colors), samples.space, metadata.icc_profile)
        # The result is sRGB.
        metadata = dataclasses.replace(metadata, icc_profile=None, color=NO_COLOR)
    return np.ascontiguousarray(colors), alpha, metadata


def turned(values: np.ndarray, turn: int) -> np.ndarray:
    """Applies an EXIF orientation, 1 to 8."""
    if turn >= 5:
        values = np.swapaxes(values, 0, 1)
    if turn in (3, 4, 7, 8):
        values = values[::-1]
    if turn in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def widened(values: np.ndarray, bits: int) -> np.ndarray:
    """Scales samples of `bits` bits to the full range of their type, uint8 or uint16."""
    top, full = 2**bits - 1, int(np.iinfo(values.dtype).max)
    if top == full:
        return values
    return ((values.astype(np.uint32) * full + top // 2) // top).astype(values.dtype)


def _divided(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Undoes the multiplication of colors by alpha."""
    top = np.iinfo(colors.dtype).max
    result = np.empty_like(colors)
    for start, stop in _bands(colors):
        weight = np.maximum(alpha[start:stop, :, None], 1).astype(np.float64)
        result[start:stop] = np.minimum(np.rint(colors[start:stop] * (top / weight)), top)
    return result


def _to_rgb(values: np.ndarray, space: str, profile: bytes | None) -> np.ndarray:
    """Converts CMYK or Lab to sRGB: CMYK by a usable embedded profile, otherwise by the plain formula."""
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
                profile = None  # A damaged profile is no reason to refuse the picture.
        result[start:stop] = _by_formula(band) if converted is None else converted
    return result


def _by_formula(cmyk: np.ndarray) -> np.ndarray:
    top = int(np.iinfo(cmyk.dtype).max)
    light = top - cmyk.astype(np.uint32)
    return ((light[..., :3] * light[..., 3:] + top // 2) // top).astype(cmyk.dtype)


def _bands(values: np.ndarray) -> list[tuple[int, int]]:
    step = max(1, _PIXELS_AT_ONCE // max(1, values.shape[1]))
    return [(start, min(len(values), start + step)) for start in range(0, len(values), step)]
