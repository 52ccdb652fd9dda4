"""Files that end too early, as after an interrupted download: the message says where this file ends."""

import io
import re
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import picture_size, read_frames, read_image

_CAT = Image.fromarray(np.ascontiguousarray(data.chelsea()[100:160, 140:230]))


def _pillow(format: str, **options) -> bytes:
    file = io.BytesIO()
    _CAT.save(file, format, **options)
    return file.getvalue()


def _deep_tiff(**options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.asarray(_CAT).astype(np.uint16) * 257, photometric="rgb", **options)
    return file.getvalue()


_MOVING = {"save_all": True, "append_images": [_CAT.rotate(30), _CAT.rotate(60)]}
_FILES = {
    "jpeg": _pillow("JPEG"),
    "progressive": _pillow("JPEG", progressive=True),
    "png": _pillow("PNG"),
    "deep png": imagecodecs.png_encode(np.asarray(_CAT).astype(np.uint16) * 257),
    "moving png": _pillow("PNG", **_MOVING),
    "webp": _pillow("WEBP"),
    "moving webp": _pillow("WEBP", **_MOVING),
    "gif": _pillow("GIF"),
    "moving gif": _pillow("GIF", **_MOVING),
    "bmp": _pillow("BMP"),
    "tiff": _pillow("TIFF"),
    "lzw tiff": _pillow("TIFF", compression="tiff_lzw"),
    "deep tiff": _deep_tiff(compression="zlib"),
    "big tiff": _deep_tiff(bigtiff=True, byteorder=">"),
    "tiled tiff": _deep_tiff(tile=(16, 16), compression="lzw"),
    "avif": _pillow("AVIF"),
    "ppm": _pillow("PPM"),
    "jp2": _pillow("JPEG2000"),
}


@pytest.mark.parametrize("kind", _FILES)
def test_a_file_that_ends_too_early_is_told_where(kind, tmp_path):
    whole, path = _FILES[kind], tmp_path / "part"
    for length in sorted({20, 60, 300, *(int(len(whole) * part) for part in (0.1, 0.5, 0.9))}):
        path.write_bytes(whole[:length])
        for source in (path, whole[:length]):
            with pytest.raises(InputError) as caught:
                list(read_frames(source, name="part.x"))
            said = re.fullmatch(
                r"part\.x: the file ends after ([\d,]+)( bytes, (?:before|in the middle of) its pixels"
                r"| of (?:at least )?([\d,]+) bytes| bytes, but its directory begins at byte ([\d,]+))"
                r" \(an interrupted download or copy\?\); replace or remove it",
                str(caught.value),
            )
            assert said, str(caught.value)
            assert int(said[1].replace(",", "")) == length
            expected = [int(number.replace(",", "")) for number in said.groups()[2:] if number]
            assert all(length < number <= len(whole) for number in expected)


def test_a_jpeg_of_a_header_alone_has_no_pixels(tmp_path):
    whole, path = _FILES["jpeg"], tmp_path / "cut.jpg"
    header = whole.index(b"\xff\xda")
    for length, place in ((header, "before its pixels"), (header + 40, "in the middle of its pixels")):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"ends after {length} bytes, {place}"):
            read_image(path)
    for start in (whole[:3], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF"):
        with pytest.raises(InputError, match=f"the file has only {len(start)} bytes"):
            read_image(start)


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "png", "deep png", "gif", "lzw tiff", "jp2"])
def test_a_download_that_was_filled_with_zeros(kind):
    whole = _FILES[kind]
    half = whole[: len(whole) // 2]
    with pytest.raises(InputError, match=r"the last .* bytes are zero"):
        read_image(half + bytes(len(whole) - len(half) + 4096))
    with pytest.raises(InputError, match="all 5,000 bytes of the file are zero"):
        read_image(bytes(5000))


def test_a_png_with_a_hole_of_zeros_is_refused():
    """Pillow shows the rest as black: it looks at no checksum, and zeros are coded pixels, too."""
    whole = _FILES["png"]
    middle = len(whole) // 2
    with pytest.raises(InputError, match=r"coded pixels are incomplete|decompressing"):
        read_image(whole[:middle] + bytes(len(whole) - middle - 12) + whole[-12:])
    for place in range(1000, 3000, 100):
        with pytest.raises(InputError, match=r"damaged or unsupported picture"):
            read_image(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


def test_a_png_that_would_decompress_to_gigabytes_is_not_decompressed():
    packer = zlib.compressobj()
    body = b"IDAT" + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    whole = _FILES["png"]
    start, end = whole.index(b"IDAT") - 4, len(whole) - 12
    chunk = (len(body) - 4).to_bytes(4, "big") + body + (zlib.crc32(body) ^ 1).to_bytes(4, "big")
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"coded pixels are incomplete"):
            read_image(whole[:start] + chunk + whole[end:])
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_jpeg_filled_with_zeros_does_not_count_as_one_without_its_end():
    whole = _FILES["jpeg"]
    cut = whole[: len(whole) * 2 // 3]
    with pytest.raises(InputError, match=r"the last 90,000 of .* bytes are zero"):
        read_image(cut + bytes(90_000))
    padded = read_image(whole[:-2] + bytes(90_000))
    assert np.array_equal(padded.pixels, read_image(whole).pixels)
    assert padded.metadata.remarks == ("the end marker is missing; every pixel was read",)


@pytest.mark.parametrize("kind", ["jpeg", "png", "deep png", "moving png", "gif", "moving gif"])
def test_a_missing_end_marker_is_a_remark(kind, tmp_path):
    whole, path = _FILES[kind], tmp_path / "whole"
    path.write_bytes(whole)
    cut = whole[: -12 if "png" in kind else -2 if kind == "jpeg" else -1]
    for good, bad in zip(read_frames(path), read_frames(cut), strict=True):
        assert np.array_equal(good.pixels, bad.pixels)
        assert good.metadata.remarks == ()
        assert bad.metadata.remarks == ("the end marker is missing; every pixel was read",)
    path.write_bytes(whole + b"\0" * 40 + b"appended")
    assert read_image(path).metadata.remarks == ()


@pytest.mark.parametrize("kind", ["png", "webp", "bmp", "avif", "jp2", "gif"])
def test_damage_elsewhere_is_not_called_a_missing_end(kind):
    whole = bytearray(_FILES[kind])
    if kind == "png":
        whole[16:24] = b"\xff" * 8  # the size in the header, so that its checksum is wrong
    else:
        start = len(whole) // 3 if kind != "bmp" else 14
        whole[start : start + 40] = b"\x5a" * 40
    try:
        picture_size(bytes(whole))
        read_image(bytes(whole))
    except InputError as error:
        assert "the file ends" not in str(error)
    else:
        assert kind in ("webp", "gif", "avif", "jp2")  # decoders show what they find
