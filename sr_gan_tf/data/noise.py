"""Sensor noise and JPEG on float32 pictures (H, W, C) in [0, 1]; results are clipped to that range."""

import io

import numpy as np
from PIL import Image

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def with_gaussian_noise(image: np.ndarray, sigma: float, is_gray: bool, random: np.random.Generator) -> np.ndarray:
    """`sigma` in gray levels of 255; gray noise is the same in all channels."""
    shape = (*image.shape[:2], 1) if is_gray else image.shape
    return np.clip(image + random.standard_normal(shape, np.float32) * np.float32(sigma / 255), 0, 1)


def with_poisson_noise(image: np.ndarray, scale: float, is_gray: bool, random: np.random.Generator) -> np.ndarray:
    """Shot noise of a sensor with as many photons at white as the picture has levels, times `scale`.

    The number of levels is rounded up to a power of two, as in Real-ESRGAN.
    """
    if is_gray:
        image, source = image, image @ _LUMA[: image.shape[2]][:, None]
    else:
        source = image
    levels = np.rint(np.clip(source, 0, 1) * 255).astype(np.uint8)
    used = int(np.count_nonzero(np.bincount(levels.ravel(), minlength=256)))
    photons = 2.0 ** np.ceil(np.log2(used)) if used > 1 else 1.0
    expected = levels.astype(np.float32) / 255
    noise = random.poisson(expected * photons).astype(np.float32) / np.float32(photons) - expected
    return np.clip(image + noise * np.float32(scale), 0, 1)


def through_jpeg(image: np.ndarray, quality: int, phase: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Encodes as JPEG (4:2:0) and decodes; `phase` is the position of the top left pixel in its 8x8 block."""
    pixels = to_bytes(image)
    padded = np.pad(pixels, ((phase[0], 0), (phase[1], 0), (0, 0)), "edge") if any(phase) else pixels
    file = io.BytesIO()
    Image.fromarray(padded).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        result = np.asarray(decoded)[phase[0] :, phase[1] :]
    return result.astype(np.float32) / np.float32(255)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Converts [0, 1] to 0..255, rounded and clipped, as in a file."""
    return np.rint(np.clip(image, 0, 1) * np.float32(255)).astype(np.uint8)
