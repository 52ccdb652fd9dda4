"""Every kind of picture into every format, and out again: what docs/upscaling.md says is kept, is; no less, no more."""

import io
import re
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from exif_blocks import exif_block, raw_values
from PIL import Image, PngImagePlugin
from skimage import data

from sr_gan_tf.pictures.encoding import Encoding, encode, format_of
from sr_gan_tf.pictures.metadata import KEPT
from sr_gan_tf.pictures.reading import joined, read_image

SUFFIXES = {"PNG": "png", "TIFF": "tif", "JPEG": "jpg", "WebP": "webp", "AVIF": "avif", "GIF": "gif", "BMP": "bmp"}
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


def _cat() -> np.ndarray:
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
    return file.getvalue()


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


def _plain(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _deep(channels: int) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 65536, (60, 90, 4)).astype(np.uint16)
    values[..., :3] = (values[..., :3] >> 8) + _cat().astype(np.uint16) * 256
    values[..., 3] = _alpha().astype(np.uint16) * 257
    return np.ascontiguousarray({1: values[..., :1], 2: values[..., 2:], 3: values[..., :3], 4: values}[channels])


def _with_alpha(mode: str) -> Image.Image:
    image = Image.fromarray(_cat()).convert(mode)
    image.putalpha(Image.fromarray(_alpha()))
    return image


KINDS = {
    "PNG": lambda: _png(Image.fromarray(_cat())),
    "PNG, grey": lambda: _png(Image.fromarray(_cat()).convert("L")),
    "PNG, 1 bit": lambda: _png(Image.fromarray(_cat()).convert("1")),
    "PNG, alpha": lambda: _png(_with_alpha("RGB")),
    "PNG, grey and alpha": lambda: _png(_with_alpha("L")),
    "PNG, palette": lambda: _png(Image.fromarray(_cat()).quantize(16)),
    "PNG, palette and transparency": lambda: _png(Image.fromarray(_cat()).quantize(16), transparency=3),
    "PNG, 16 bits": lambda: _deep_png(_deep(3)),
    "PNG, 16 bits, grey": lambda: _deep_png(_deep(1)),
    "PNG, 16 bits, alpha": lambda: _deep_png(_deep(4)),
    "PNG, 16 bits, grey and alpha": lambda: _deep_png(_deep(2)),
    "JPEG": lambda: _jpeg(Image.fromarray(_cat())),
    "JPEG, CMYK": lambda: _jpeg(Image.fromarray(_cat()).convert("CMYK")),
    "TIFF": lambda: _tiff(_cat(), photometric="rgb"),
    "TIFF, 16 bits": lambda: _tiff(_deep(3), photometric="rgb"),
    "TIFF, 16 bits, alpha": lambda: _tiff(_deep(4), photometric="rgb", extrasamples=["unassalpha"]),
    "TIFF, 16 bits, CMYK": lambda: _tiff(_deep(4), photometric="separated"),
    "TIFF, 16 bits, Lab": lambda: _tiff(_deep(3), photometric="cielab"),
    "WebP": lambda: _webp(Image.fromarray(_cat())),
    "WebP, alpha": lambda: _webp(_with_alpha("RGB")),
    "AVIF": lambda: _avif(Image.fromarray(_cat())),
    "GIF": lambda: _plain(Image.fromarray(_cat()), "GIF", comment=COMMENT),
    "BMP": lambda: _plain(Image.fromarray(_cat()), "BMP", dpi=DPI),
    "JPEG 2000": lambda: _plain(Image.fromarray(_cat()), "JPEG2000"),
    "PPM": lambda: _plain(Image.fromarray(_cat()), "PPM"),
}


def _table(repository) -> dict[str, dict[str, str]]:
    """The table of docs/upscaling.md: by format, what becomes of each thing."""
    lines = (repository / "docs" / "upscaling.md").read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if re.match(r"\| kept \|", line))
    heads = [cell.strip() for cell in lines[start].strip("| ").split("|")][1:]
    result: dict[str, dict[str, str]] = {head: {} for head in heads}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return result
        name, *cells = [cell.strip() for cell in line.strip("| ").split("|")]
        for head, cell in zip(heads, cells, strict=True):
            result[head][name] = cell
    return result


@pytest.fixture(scope="module", params=sorted(KINDS))
def original(request):
    return read_image(KINDS[request.param]())


def _written(picture, suffix: str) -> tuple:
    """What is read again of a picture written in a format, and what was said to be lost."""
    encoding = Encoding(format_of(f"a.{suffix}"), quality=100)
    samples = joined(picture.pixels, picture.alpha, encoding)
    metadata = picture.metadata.resized((90, 60), (90, 60), "sr_gan_tf")
    file = io.BytesIO()
    encode(file, [samples], samples.shape, samples.dtype, encoding, metadata)
    return read_image(file.getvalue()), picture.metadata.unkept(encoding.format, samples.shape[2])


@pytest.mark.parametrize("head", sorted(SUFFIXES))
def test_what_is_kept_is_what_the_table_says(repository, original, head):
    table = _table(repository)[head]
    back, said = _written(original, SUFFIXES[head])
    before, after = original.metadata, back.metadata
    kept = {
        "ICC profile": (before.icc_profile, after.icc_profile),
        "EXIF": (before.exif and _texts(before.exif), after.exif and _texts(after.exif)),
        "XMP": (before.xmp, after.xmp),
        "IPTC": (before.iptc, after.iptc),
        "Photoshop resources": (before.photoshop, after.photoshop),
        "resolution": (_rounded(before.dpi), _rounded(after.dpi)),
        "comment": (before.comment(), after.comment()),
        "texts": (_other_texts(before), _other_texts(after)),
    }
    for name, (had, has) in kept.items():
        if not had:
            continue
        if table[name] == "yes":
            assert had == has or name == "ICC profile", name
            assert has, name
        else:
            assert table[name] == "no"
            assert not has or name in ("EXIF", "comment"), name  # the software is noted there
            assert had != has, name
            word = "text" if name == "texts" else name
            assert any(item.startswith(word) for item in said), (name, said)
    assert not [
        item for item in said if table.get("texts" if item.startswith("text ") else item.split(" (")[0]) == "yes"
    ]
    if after.icc_profile:
        # Never a profile for other samples than those that are written.
        assert after.icc_profile[16:20] == (b"GRAY" if back.pixels.shape[2] == 1 else b"RGB ")
    deep = original.pixels.dtype == np.uint16
    assert (back.pixels.dtype == np.uint16) == (deep and table["16 bits"] == "yes")


@pytest.mark.parametrize("head", sorted(SUFFIXES))
def test_pixels_and_transparency(repository, original, head):
    table = _table(repository)[head]
    back, _ = _written(original, SUFFIXES[head])
    top = np.iinfo(original.pixels.dtype).max
    pixels, alpha = original.pixels / top, None if original.alpha is None else original.alpha / top
    if alpha is not None and table["transparency"] == "over white":
        pixels = pixels * alpha[..., None] + 1 - alpha[..., None]
    assert (back.alpha is not None) == (alpha is not None and table["transparency"] in ("yes", "on or off"))
    if back.alpha is not None:
        assert np.abs(back.alpha / np.iinfo(back.alpha.dtype).max - alpha).max() < 0.02
    visible = np.ones((60, 90), bool) if back.alpha is None else alpha > 0
    found = back.pixels / np.iinfo(back.pixels.dtype).max
    error = np.abs(found - pixels)[visible]
    exact = {"yes": 0.51 / 255 if back.pixels.dtype == np.uint8 else 0.51 / 65535}.get(table["exact pixels"])
    if exact:
        assert error.max() <= (exact if original.pixels.dtype != back.pixels.dtype else 1e-9)
    else:
        assert error.mean() < (0.05 if head == "GIF" else 0.03)


def test_the_table_is_what_the_writers_know(repository):
    table = _table(repository)
    assert set(SUFFIXES) <= set(table)
    for head, rows in table.items():
        for name in KEPT["PNG"]:
            cell = rows["color without a profile" if name == "color" else name]
            assert (cell in ("yes", "as it was")) == (name in KEPT[head.upper()]), (head, name)


@pytest.mark.parametrize("head", sorted(SUFFIXES))
def test_color_without_a_profile(repository, head):
    color = struct.pack(">I", 4) + b"cICP" + bytes([12, 13, 0, 1])
    color += struct.pack(">I", zlib.crc32(color[4:]))
    coded = _plain(Image.fromarray(_cat()), "PNG")
    back, said = _written(read_image(coded[:33] + color + coded[33:]), SUFFIXES[head])
    cell = _table(repository)[head]["color without a profile"]
    has_code = back.metadata.color.cicp is not None and back.metadata.color.cicp[:2] == (12, 13)
    assert {"as it was": has_code, "as a profile": back.metadata.icc_profile is not None, "no": "color space" in said}[
        cell
    ]


def _texts(exif: bytes) -> dict:
    """The values of an EXIF block that no resizing changes and no format keeps elsewhere."""
    changed = {0x0112, 0x0131, 0x011A, 0x011B, 0x0128, 0x8769, 0x8825, 0xA005, 0xA002, 0xA003, 0x1001, 0x1002, 0x9214}
    return {
        (name, tag): value
        for name, part in raw_values(exif).items()
        for tag, value in part.items()
        if tag not in changed
    }


def _rounded(dpi) -> tuple[int, int] | None:
    return None if dpi is None else (round(dpi[0]), round(dpi[1]))


def _other_texts(metadata) -> tuple:
    return tuple(item for item in metadata.texts if not item[1].startswith(b"Comment\0"))
