"""Writing pictures: every format, 16 bits, alpha, metadata, sizes a format cannot hold, files made by rows."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from skimage import data

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.encoding import Encoding, encode
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.reading import (
    read_image,
    read_rgb,
    write_image,
)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """A real photograph, (60, 90, 3) uint8."""
    return np.ascontiguousarray(data.chelsea()[100:160, 140:230])


@pytest.fixture(scope="module")
def deep() -> np.ndarray:
    """(60, 90, 4) uint16 with low bits that 8 bits would lose."""
    return np.random.default_rng(3).integers(0, 65536, (60, 90, 4)).astype(np.uint16)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "bmp", "jpg", "avif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_written_pictures_read_back(cat, tmp_path, suffix, channels):
    path = tmp_path / f"out.{suffix}"
    write_image(path, cat[..., :channels], quality=100)
    for pixels in (read_image(path).pixels, np.asarray(Image.open(path).convert("RGB"))):
        error = np.abs(pixels.astype(int) - cat[..., :channels])
        assert error.max() == 0 if suffix in ("png", "tif", "webp", "bmp") else error.mean() < 3
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_sixteen_bits_are_written(deep, tmp_path, suffix, colors, with_alpha):
    path = tmp_path / f"deep.{suffix}"
    alpha = deep[..., 3] if with_alpha else None
    write_image(path, deep[..., :colors], alpha)
    picture = read_image(path)
    assert np.array_equal(picture.pixels, deep[..., :colors])
    assert picture.alpha is None if alpha is None else np.array_equal(picture.alpha, alpha)
    write_image(tmp_path / "eight.webp", deep[..., :colors], quality=100)
    assert np.array_equal(read_rgb(tmp_path / "eight.webp"), read_rgb(path))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "avif", "jpg", "bmp"])
def test_alpha_is_kept_or_laid_over_white(cat, tmp_path, suffix):
    alpha = np.full(cat.shape[:2], 255, np.uint8)
    alpha[:30] = 0
    path = tmp_path / f"out.{suffix}"
    write_image(path, cat, alpha, quality=100)
    picture = read_image(path)
    if suffix in ("jpg", "bmp"):
        assert picture.alpha is None
        assert picture.pixels[:29].min() > 250
        assert np.abs(picture.pixels[32:].astype(int) - cat[32:]).mean() < 2
    else:
        assert np.abs(picture.alpha.astype(int) - alpha).max() <= 2


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_blocks_of_any_height_give_the_same_file(deep, format, dtype, small, monkeypatch):
    monkeypatch.setattr("sr_gan_tf.pictures.tiff_writer._STRIP_BYTES", 5000)
    pixels = deep.astype(dtype)
    encoding = Encoding(format, compression="small" if small else "fast")
    files = []
    for cuts in ([], [1, 8, 40]):
        file = io.BytesIO()
        encode(file, np.split(pixels, cuts), pixels.shape, pixels.dtype, encoding)
        picture = read_image(file.getvalue())
        assert np.array_equal(picture.pixels, pixels[..., :3])
        assert np.array_equal(picture.alpha, pixels[..., 3])
        files.append(file.getvalue())
    if format == "TIFF":
        assert files[0] == files[1]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_metadata_is_carried_over(cat, tmp_path, suffix):
    exif = Image.Exif()
    exif[0x010F], exif[0x0100] = "Camera", 90
    exif.get_ifd(0x8769).update({0xA002: 90, 0xA003: 60, 0x9003: "2020:01:02 03:04:05"})
    exif.get_ifd(0x8825).update({1: "N"})
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:exif="http://ns.adobe.com/exif/1.0/">'
        b'<rdf exif:PixelXDimension="90"/></x:xmpmeta>'
    )
    iptc = b"\x1c\x02\x78\x00\x05hello"
    profile = b"\0" * 12 + b"mntrRGB XYZ " + b"\0" * 200000
    before = Metadata(profile, exif.tobytes(), xmp, iptc, (300.0, 300.0)).resized(
        (90, 60), (360, 240), "sr_gan_tf span_x4 x4"
    )
    path = tmp_path / f"out.{suffix}"
    write_image(path, cat, metadata=before)
    after = read_image(path).metadata
    assert after.icc_profile == profile
    assert b'PixelXDimension="360"' in after.xmp
    assert after.iptc == (iptc if suffix in ("png", "jpg", "tif") else None)
    if suffix in ("png", "jpg", "tif"):
        assert after.dpi == pytest.approx((300, 300), rel=1e-3)
    block = Image.Exif()
    block.load(after.exif)
    assert block[0x010F] == "Camera"
    assert block[0x0131] == "sr_gan_tf span_x4 x4"
    details = block.get_ifd(0x8769)
    assert (details[0xA002], details[0xA003], details[0x9003]) == (360, 240, "2020:01:02 03:04:05")
    assert block.get_ifd(0x8825)[1] == "N"
    # A profile for other samples than those that are written would falsify the colors.
    write_image(path, cat[..., :1], metadata=before)
    assert read_image(path).metadata.icc_profile is None or read_image(path).pixels.shape[2] == 3


def test_sizes_that_a_format_cannot_hold(tmp_path):
    for name, width in (("a.webp", 16384), ("a.jpg", 65501)):
        with pytest.raises(InputError, match="do not fit"):
            write_image(tmp_path / name, np.zeros((1, width), np.uint8))
    with pytest.raises(InputError, match="no picture format"):
        write_image(tmp_path / "a.xyz", np.zeros((1, 1), np.uint8))
    with pytest.raises(InputError, match="cannot write"):
        write_image(tmp_path / "none" / "a.png", np.zeros((1, 1), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(1, 1, 3), (60, 90, 3), (61, 83, 1), (200, 33, 3), (130, 70, 1)])
@pytest.mark.parametrize("quality", [60, 95])
def test_a_jpeg_of_strips_is_a_jpeg(shape, quality, monkeypatch):
    picture = np.ascontiguousarray(data.chelsea()[: shape[0], : shape[1], : shape[2]])
    files = []
    for bytes_at_once in (1, 4000, 1 << 22):
        monkeypatch.setattr("sr_gan_tf.pictures.jpeg_writer._BYTES_AT_ONCE", bytes_at_once)
        file = io.BytesIO()
        encode(file, np.array_split(picture, 3), shape, np.uint8, Encoding("JPEG", quality))
        files.append(file.getvalue())
    whole = np.asarray(Image.open(io.BytesIO(files[-1]))).reshape(shape)
    for content in files[:-1]:
        with Image.open(io.BytesIO(content)) as image:
            strips = np.asarray(image).reshape(shape)
            assert image.info["jfif_version"] == (1, 1)
        assert np.array_equal(imagecodecs.jpeg8_decode(content).reshape(shape), strips)
        # Coded blocks are the same; where colors have half the resolution, a decoder may blend them across strips.
        assert np.array_equal(strips, whole)
    assert files[0] != files[-1]  # one strip or several, and the interval that says so
    assert np.abs(whole.astype(int) - picture).mean() < (12 if quality == 60 else 4)
