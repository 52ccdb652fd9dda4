"""Bytes of picture files of every kind that a server may meet, whole and damaged."""

import io

import imagecodecs
import numpy as np
from PIL import Image
from skimage import data

HEIGHT, WIDTH = 23, 30
COLOR = data.chelsea()[100 : 100 + HEIGHT, 100 : 100 + WIDTH]
ALPHA = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
ALPHA[:9, :12] = 0
RGBA = np.dstack([COLOR, ALPHA])


def encoded(format: str, samples: np.ndarray | Image.Image = COLOR, mode: str | None = None, **settings) -> bytes:
    image = samples if isinstance(samples, Image.Image) else Image.fromarray(samples)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, format, **settings)
    return file.getvalue()


def files() -> dict[str, bytes]:
    """Name of a kind and a file of it."""
    palette = Image.fromarray(COLOR).quantize(16)
    deep = RGBA.astype(np.uint16) * 257 + 100
    return {
        "PNG": encoded("PNG"),
        "PNG, gray": encoded("PNG", mode="L"),
        "PNG, one bit": encoded("PNG", mode="1"),
        "PNG, gray and alpha": encoded("PNG", RGBA, mode="LA"),
        "PNG, alpha": encoded("PNG", RGBA),
        "PNG, palette": encoded("PNG", palette),
        "PNG, palette with a transparent color": encoded("PNG", palette, transparency=3),
        "PNG, 16 bits": imagecodecs.png_encode(np.ascontiguousarray(deep[..., :3])),
        "PNG, 16 bits, gray": imagecodecs.png_encode(np.ascontiguousarray(deep[..., 0])),
        "PNG, 16 bits, alpha": imagecodecs.png_encode(deep),
        "JPEG": encoded("JPEG"),
        "JPEG, gray": encoded("JPEG", mode="L"),
        "JPEG, progressive": encoded("JPEG", progressive=True),
        "JPEG, CMYK": encoded("JPEG", mode="CMYK"),
        "WebP": encoded("WEBP"),
        "WebP, lossless": encoded("WEBP", lossless=True),
        "WebP, alpha": encoded("WEBP", RGBA),
    }


def damaged(count: int, seed: int = 0) -> list[bytes]:
    """Files cut short, with bytes changed, swapped, doubled or made up, headers kept and not."""
    generator = np.random.default_rng(seed)
    whole = list(files().values())
    result = []
    while len(result) < count:
        content = bytearray(whole[len(result) % len(whole)])
        kind = generator.integers(6)
        place = int(generator.integers(len(content)))
        if kind == 0:
            content = content[:place]
        elif kind == 1:
            for place in generator.integers(0, len(content), generator.integers(1, 9)):
                content[place] = generator.integers(256)
        elif kind == 2:
            # In the header, where sizes and kinds stand.
            content[int(generator.integers(min(60, len(content))))] = generator.integers(256)
        elif kind == 3:
            content = content[:place] + content[place + int(generator.integers(1, 200)) :]
        elif kind == 4:
            content = content[: int(generator.integers(4, 40))] + bytearray(
                generator.bytes(int(generator.integers(300)))
            )
        else:
            content = content[:place] + content[place // 2 :]
        result.append(bytes(content))
    return result
