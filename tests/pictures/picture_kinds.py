"""Files of every kind, made by Pillow, tifffile and imagecodecs with all the metadata that they can hold."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import tifffile
from exif_blocks import exif_block
from PIL import Image, PngImagePlugin
from skimage import data

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="\xc3\xa9" '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:PixelXDimension="90"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x78\x00\x05hello"
RESOURCE = b"8BIM" + struct.pack(">H", 2000) + b"\x04Path\0" + struct.pack(">I", 26) + bytes(range(26))
DPI = (300.0, 300.0)
COMMENT = "größer".encode()
PRIMARIES = [0.64, 0.33, 1, 0.3, 0.6, 1, 0.15, 0.06, 1]


def _profile(space: str) -> bytes:
    options = {"primaries": PRIMARIES} if space == "rgb" else {}
    return imagecodecs.cms_profile(space, whitepoint=[0.3127, 0.329, 1], gamma=1.8, **options)


def cat() -> np.ndarray:
    return np.ascontiguousarray(data.chelsea()[100:160, 140:230])


def _alpha() -> np.ndarray:
    alpha = np.full((60, 90), 255, np.uint8)
    alpha[:30] = 0
    return alpha


def _png(image: Image.Image, **options) -> bytes:
    """By Pillow, with everything that a PNG can hold."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    info.add_itxt("Comment", COMMENT.decode())
    info.add_text("parameters", "a cat")
    for name, block in (("iptc", IPTC), ("8bim", RESOURCE)):
        info.add_text(f"Raw profile type {name}", f"\n{name}\n{len(block):8d}\n{block.hex()}\n", zip=True)
    file = io.BytesIO()
    profile = _profile("gray" if image.mode in ("L", "LA", "1", "I;16") else "rgb")
    image.save(file, "PNG", exif=exif_block(), pnginfo=info, dpi=DPI, icc_profile=profile, **options)
    return with_chunks(file.getvalue(), (b"tIME", bytes([7, 232, 1, 2, 3, 4, 5])))


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with further chunks before its pixels."""
    place = png.index(b"IDAT") - 4
    packed = [struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
              for kind, body in chunks]  # fmt: skip
    return png[:place] + b"".join(packed) + png[place:]


def _deep_png(values: np.ndarray) -> bytes:
    """16 bits by libpng, with the chunks of a small PNG put in."""
    small = _png(Image.new({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[values.shape[2]], (1, 1)))
    coded = imagecodecs.png_encode(values)
    return coded[:33] + small[33 : small.index(b"IDAT") - 4] + coded[33:]


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    options = {"comment": COMMENT, "dpi": DPI, "xmp": XMP, "icc_profile": _profile("rgb")}
    if image.mode == "CMYK":
        del options["icc_profile"]
    image.save(file, "JPEG", exif=b"Exif\0\0" + exif_block(), quality=100, subsampling=0, **options)
    record = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
    resources = b"Photoshop 3.0\0" + record + RESOURCE
    return file.getvalue()[:2] + struct.pack(">HH", 0xFFED, len(resources) + 2) + resources + file.getvalue()[2:]


def _tiff(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tags = [(700, 1, len(XMP), XMP, True), (33723, 7, len(IPTC), IPTC, True), (34377, 1, len(RESOURCE), RESOURCE, True)]
    if values.ndim == 3 and values.shape[2] == 3 and options["photometric"] == "rgb":
        options["iccprofile"] = _profile("rgb")
    tifffile.imwrite(file, values, metadata=None, resolution=DPI, resolutionunit="inch", extratags=tags, **options)
    return file.getvalue()


def _webp(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, exact=True, exif=exif_block(), xmp=XMP, icc_profile=_profile("rgb"))
    return file.getvalue()


def _avif(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "AVIF", quality=100, xmp=XMP, icc_profile=_profile("rgb"))
    return file.getvalue()


def plain(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _deep(channels: int) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 65536, (60, 90, 4)).astype(np.uint16)
    values[..., :3] = (values[..., :3] >> 8) + cat().astype(np.uint16) * 256
    values[..., 3] = _alpha().astype(np.uint16) * 257
    return np.ascontiguousarray({1: values[..., :1], 2: values[..., 2:], 3: values[..., :3], 4: values}[channels])


def _with_alpha(mode: str) -> Image.Image:
    image = Image.fromarray(cat()).convert(mode)
    image.putalpha(Image.fromarray(_alpha()))
    return image


KINDS = {
    "PNG": lambda: _png(Image.fromarray(cat())),
    "PNG, gray": lambda: _png(Image.fromarray(cat()).convert("L")),
    "PNG, 1 bit": lambda: _png(Image.fromarray(cat()).convert("1")),
    "PNG, alpha": lambda: _png(_with_alpha("RGB")),
    "PNG, gray and alpha": lambda: _png(_with_alpha("L")),
    "PNG, palette": lambda: _png(Image.fromarray(cat()).quantize(16)),
    "PNG, palette and transparency": lambda: _png(Image.fromarray(cat()).quantize(16), transparency=3),
    "PNG, 16 bits": lambda: _deep_png(_deep(3)),
    "PNG, 16 bits, gray": lambda: _deep_png(_deep(1)),
    "PNG, 16 bits, alpha": lambda: _deep_png(_deep(4)),
    "PNG, 16 bits, gray and alpha": lambda: _deep_png(_deep(2)),
    "JPEG": lambda: _jpeg(Image.fromarray(cat())),
    "JPEG, CMYK": lambda: _jpeg(Image.fromarray(cat()).convert("CMYK")),
    "TIFF": lambda: _tiff(cat(), photometric="rgb"),
    "TIFF, 16 bits": lambda: _tiff(_deep(3), photometric="rgb"),
    "TIFF, 16 bits, alpha": lambda: _tiff(_deep(4), photometric="rgb", extrasamples=["unassalpha"]),
    "TIFF, 16 bits, CMYK": lambda: _tiff(_deep(4), photometric="separated"),
    "TIFF, 16 bits, Lab": lambda: _tiff(_deep(3), photometric="cielab"),
    "WebP": lambda: _webp(Image.fromarray(cat())),
    "WebP, alpha": lambda: _webp(_with_alpha("RGB")),
    "AVIF": lambda: _avif(Image.fromarray(cat())),
    "GIF": lambda: plain(Image.fromarray(cat()), "GIF", comment=COMMENT),
    "BMP": lambda: plain(Image.fromarray(cat()), "BMP", dpi=DPI),
    "JPEG 2000": lambda: plain(Image.fromarray(cat()), "JPEG2000"),
    "PPM": lambda: plain(Image.fromarray(cat()), "PPM"),
}
