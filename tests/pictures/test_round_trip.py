"""Every kind of picture into every format, and out again: what docs/upscaling.md says is kept, is; no less, no more."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from exif_blocks import raw_values
from picture_kinds import KINDS, cat, plain
from PIL import Image

from sr_gan_tf.pictures.encoding import FORMATS, Encoding, encode, format_of
from sr_gan_tf.pictures.metadata import KEPT
from sr_gan_tf.pictures.reading import joined, read_image

ALL = {
    "PNG": "png", "TIFF": "tif", "JPEG": "jpg", "WebP": "webp", "AVIF": "avif", "GIF": "gif", "BMP": "bmp",
    "HEIC": "heic", "JPEG XL": "jxl",
}  # fmt: skip
# HEIC and JPEG XL need the extra `formats`.
SUFFIXES = {head: suffix for head, suffix in ALL.items() if f".{suffix}" in FORMATS}


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
        "background and time": (before.chunks, after.chunks),
    }
    for name, (had, has) in kept.items():
        if not had:
            continue
        if table[name] == "as sRGB":
            assert name not in said
        elif table[name] == "yes":
            assert had == has or name == "ICC profile", name
            assert has, name
        else:
            assert table[name] == "no"
            assert not has or name in ("EXIF", "comment"), name  # the software is noted there
            assert had != has, name
            word = {"texts": "text", "background and time": "time"}.get(name, name)
            assert any(item.startswith(word) for item in said), (name, said)
    assert not [
        item for item in said if table.get("texts" if item.startswith("text ") else item.split(" (")[0]) == "yes"
    ]
    if after.icc_profile:
        # Never a profile for other samples than those that are written.
        assert after.icc_profile[16:20] == (b"GRAY" if back.pixels.shape[2] == 1 else b"RGB ")
    deep = original.pixels.dtype == np.uint16
    assert (back.pixels.dtype == np.uint16) == (deep and table["16 bits"] in ("yes", "10 bits"))
    if deep and table["16 bits"] == "10 bits":
        assert len(np.unique(back.pixels)) <= 1024


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
    elif table["exact pixels"] == "no" or original.metadata.icc_profile is None:
        assert error.mean() < (0.05 if head == "GIF" else 0.03)


def test_the_table_is_what_the_writers_know(repository):
    table = _table(repository)
    assert set(ALL) == set(table)
    for head, rows in table.items():
        for name in KEPT["PNG"]:
            cell = rows["color without a profile" if name == "color" else name]
            format = {"HEIC": "HEIF", "JPEG XL": "JXL"}.get(head, head.upper())
            assert (cell in ("yes", "as it was")) == (name in KEPT[format]), (head, name)


@pytest.mark.parametrize("head", sorted(SUFFIXES))
def test_color_without_a_profile(repository, head):
    color = struct.pack(">I", 4) + b"cICP" + bytes([12, 13, 0, 1])
    color += struct.pack(">I", zlib.crc32(color[4:]))
    coded = plain(Image.fromarray(cat()), "PNG")
    back, said = _written(read_image(coded[:33] + color + coded[33:]), SUFFIXES[head])
    cell = _table(repository)[head]["color without a profile"]
    has_profile = back.metadata.icc_profile is not None
    has_code = back.metadata.color.cicp is not None and back.metadata.color.cicp[:2] == (12, 13)
    assert {"as it was": has_code, "as a profile": has_profile, "as sRGB": not said, "no": "color space" in said}[cell]


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
