"""Small pictures of every format, and damage to their bytes."""

import io

import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from skimage import data


def small_pictures() -> list[bytes]:
    """Small real pictures in every format and most of their kinds."""
    cat = Image.fromarray(data.chelsea()[100:140, 150:200])
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    exif.get_ifd(0x8769).update({0xA002: 50, 0xA003: 40})
    with_metadata = {"exif": exif, "icc_profile": b"\0" * 16 + b"RGB " + b"\0" * 300, "dpi": (72, 72)}
    deep = np.random.default_rng(0).integers(0, 65536, (20, 24, 4)).astype(np.uint16)
    moving = {"save_all": True, "append_images": [cat.rotate(90, expand=False), cat], "duration": 40}
    kinds = [
        (cat, "PNG", with_metadata),
        (cat.convert("P"), "PNG", {"transparency": 3}),
        (cat.convert("LA"), "PNG", {}),
        (cat, "PNG", moving),
        (cat, "JPEG", with_metadata),
        (cat, "JPEG", {"progressive": True, "quality": 60}),
        (cat.convert("CMYK"), "JPEG", {}),
        (cat, "WEBP", with_metadata),
        (cat.convert("RGBA"), "WEBP", {"lossless": True}),
        (cat, "WEBP", moving),
        (cat, "TIFF", with_metadata),
        (cat, "TIFF", {"compression": "tiff_lzw"}),
        (cat.convert("CMYK"), "TIFF", {"compression": "tiff_deflate"}),
        (cat, "TIFF", {"compression": "jpeg"}),
        (cat.convert("1"), "TIFF", {"compression": "group4"}),
        (cat, "BMP", {}),
        (cat.convert("P"), "BMP", {}),
        (cat, "GIF", moving),
        (cat, "AVIF", {"quality": 60}),
    ]
    files = []
    for image, format, options in kinds:
        file = io.BytesIO()
        image.save(file, format, **options)
        files.append(file.getvalue())
    files.append(imagecodecs.png_encode(deep))
    for options in ({"compression": "lzw"}, {"compression": "zlib", "predictor": True, "tile": (16, 16)}):
        file = io.BytesIO()
        tifffile.imwrite(file, deep[..., :3], photometric="rgb", **options)
        files.append(file.getvalue())
    return files


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    result = bytearray(content)
    kind = generator.integers(6)
    if kind == 0:
        return bytes(result[: generator.integers(0, len(result))])
    if kind == 1:  # a few bytes anywhere
        for place in generator.integers(0, len(result), generator.integers(1, 20)):
            result[place] = generator.integers(256)
    elif kind == 2:  # the header
        for place in generator.integers(0, min(80, len(result)), generator.integers(1, 6)):
            result[place] = generator.integers(256)
    elif kind == 3:
        start = generator.integers(0, len(result))
        result[start : start + generator.integers(1, 200)] = b"\0" * int(generator.integers(0, 200))
    elif kind == 4:
        start = int(generator.integers(0, len(result)))
        result[start:start] = generator.bytes(int(generator.integers(1, 100)))
    else:  # a part of the file twice
        start = int(generator.integers(0, len(result)))
        result[start:start] = result[start // 2 : start]
    return bytes(result)
