"""Reading pictures of every kind; damaged ones end in one line that names the file."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from sr_gan_tf.errors import InputError
from sr_gan_tf.images import (
    picture_size,
    read_frames,
    read_header,
    read_image,
    read_rgb,
    to_uint8,
    write_image,
)
from sr_gan_tf.picture_metadata import Metadata
from sr_gan_tf.row_encoders import Encoding, encode


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    """A real photograph, (60, 90, 3) uint8."""
    return np.ascontiguousarray(data.chelsea()[100:160, 140:230])


@pytest.fixture(scope="module")
def deep() -> np.ndarray:
    """(60, 90, 4) uint16 with low bits that 8 bits would lose."""
    return np.random.default_rng(3).integers(0, 65536, (60, 90, 4)).astype(np.uint16)


def _save(image: Image.Image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif", "webp", "jpg", "avif"])
def test_rgb_in_every_format(cat, tmp_path, suffix):
    options = {"webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}, "avif": {"quality": 95}}
    path = _save(Image.fromarray(cat), tmp_path / f"cat.{suffix}", **options.get(suffix, {}))
    picture = read_image(path)
    assert picture.pixels.shape == cat.shape and picture.pixels.dtype == np.uint8 and picture.alpha is None
    error = np.abs(picture.pixels.astype(int) - cat).mean()
    assert error == 0 if suffix in ("png", "bmp", "tif", "webp") else error < 8
    assert np.array_equal(read_rgb(path), picture.pixels)
    assert picture_size(path) == (90, 60)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_every_mode(cat, tmp_path, mode, suffix):
    image = Image.fromarray(cat)
    if mode == "I;16":
        image = Image.fromarray(cat[..., 0].astype(np.uint16) * 257)
    elif mode == "PA":
        image = image.convert("P").convert("PA")
    else:
        image = image.convert(mode)
    if suffix == "png" and mode in ("PA", "CMYK", "YCbCr"):
        pytest.skip("a PNG cannot hold it")
    picture = read_image(_save(image, tmp_path / f"cat.{suffix}"))
    assert picture.pixels.shape == (60, 90, 1 if mode in ("1", "L", "LA", "I;16") else 3)
    assert (picture.alpha is not None) == (mode in ("LA", "PA", "RGBA"))
    assert picture.pixels.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    rgb = read_rgb(tmp_path / f"cat.{suffix}")
    assert rgb.shape == (60, 90, 3)
    if mode not in ("1", "P", "PA"):
        expected = cat[..., :1] if mode == "I;16" else np.asarray(Image.fromarray(cat).convert(mode).convert("RGB"))
        assert np.abs(rgb.astype(int) - expected).max() <= 4


def test_palette_with_transparency_has_alpha(cat, tmp_path):
    image = Image.fromarray(cat).quantize(16)
    path = _save(image, tmp_path / "cat.png", transparency=3)
    picture = read_image(path)
    hidden = np.asarray(image) == 3
    assert hidden.any() and np.array_equal(picture.alpha == 0, hidden)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept(deep, tmp_path, channels, suffix):
    samples = np.ascontiguousarray(deep[..., :channels])
    path = tmp_path / f"deep.{suffix}"
    if suffix == "png":
        path.write_bytes(imagecodecs.png_encode(samples))
    else:
        options = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
        photometric = "rgb" if channels >= 3 else "minisblack"
        tifffile.imwrite(path, samples.squeeze(), photometric=photometric, compression="lzw", **options)
    picture = read_image(path)
    colours = channels - 1 if channels in (2, 4) else channels
    assert np.array_equal(picture.pixels, samples[..., :colours])
    assert picture.alpha is None if channels == colours else np.array_equal(picture.alpha, samples[..., -1])
    assert np.abs(read_rgb(path).astype(int) - samples[..., :colours] / 257).max() <= 0.5


def test_to_uint8_rounds():
    values = np.array([0, 128, 129, 257, 385, 386, 65535], np.uint16)
    assert to_uint8(values).tolist() == [0, 0, 1, 1, 1, 2, 255]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation(tmp_path, suffix, turn):
    # Four flat quarters survive any compression.
    quarters = np.zeros((64, 96, 3), np.uint8)
    quarters[:32, :48], quarters[:32, 48:], quarters[32:, :48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = turn
    path = _save(Image.fromarray(quarters), tmp_path / f"quarters.{suffix}", exif=exif)
    moves = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: np.swapaxes(a, 0, 1),
        6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2), 8: np.rot90,
    }  # fmt: skip
    expected = moves[turn](quarters)
    pixels = read_image(path).pixels
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 6
    assert picture_size(path) == (expected.shape[1], expected.shape[0])


def test_metadata_is_read(cat, tmp_path):
    profile = b"not a real profile, but carried as it is" * 3
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    options = {"icc_profile": profile, "exif": exif, "dpi": (300, 150)}
    for suffix in ("png", "jpg", "tif"):
        metadata = read_image(_save(Image.fromarray(cat), tmp_path / f"cat.{suffix}", **options)).metadata
        block = Image.Exif()
        block.load(metadata.exif)
        assert metadata.icc_profile == profile and block[0x010F] == "Camera"
        assert metadata.dpi == pytest.approx((300, 150), rel=0.01)


def test_animation_frames(cat, tmp_path):
    frames = [Image.fromarray(np.roll(cat, 5 * index, axis=1)) for index in range(3)]
    path = tmp_path / "cat.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[40, 50, 60], lossless=True, loop=2)
    header = read_header(path)
    assert (header.frames, header.loop) == (3, 2)
    read = list(read_frames(path))
    assert [frame.duration for frame in read] == [40, 50, 60]
    assert all(np.array_equal(frame.pixels, np.asarray(image)) for frame, image in zip(read, frames, strict=True))


def test_named_by_content_not_by_suffix(cat, tmp_path):
    path = tmp_path / "really_a_png.jpg"
    _save(Image.fromarray(cat), path, format="PNG")
    assert read_image(path).format == "PNG" and np.array_equal(read_rgb(path), cat)


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\x09IDAT"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"This is a text file, whatever its name says.", "no picture"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (_png_header(30000, 20000), "600 megapixels"),
    ],
)
def test_unusable_files_are_named(tmp_path, content, expected):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    for reader in (read_rgb, read_image, picture_size):
        with pytest.raises(InputError, match=expected) as caught:
            reader(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            read_rgb(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "avif", "gif"])
def test_truncated_files_are_refused(cat, tmp_path, suffix):
    whole = io.BytesIO()
    format = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    Image.fromarray(cat).save(whole, format)
    for part in (0.1, 0.5, 0.9):
        path = tmp_path / f"part.{suffix}"
        path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * part)])
        with pytest.raises(InputError, match="part"):
            read_rgb(path)


def test_truncated_sixteen_bit_png(deep, tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(imagecodecs.png_encode(deep)[:-2000])
    with pytest.raises(InputError, match="deep.png"):
        read_image(path)


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
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_sixteen_bits_are_written(deep, tmp_path, suffix, colours, with_alpha):
    path = tmp_path / f"deep.{suffix}"
    alpha = deep[..., 3] if with_alpha else None
    write_image(path, deep[..., :colours], alpha)
    picture = read_image(path)
    assert np.array_equal(picture.pixels, deep[..., :colours])
    assert picture.alpha is None if alpha is None else np.array_equal(picture.alpha, alpha)
    write_image(tmp_path / "eight.webp", deep[..., :colours], quality=100)
    assert np.array_equal(read_rgb(tmp_path / "eight.webp"), read_rgb(path))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "avif", "jpg", "bmp"])
def test_alpha_is_kept_or_laid_over_white(cat, tmp_path, suffix):
    alpha = np.full(cat.shape[:2], 255, np.uint8)
    alpha[:30] = 0
    path = tmp_path / f"out.{suffix}"
    write_image(path, cat, alpha, quality=100)
    picture = read_image(path)
    if suffix in ("jpg", "bmp"):
        assert picture.alpha is None and picture.pixels[:29].min() > 250
        assert np.abs(picture.pixels[32:].astype(int) - cat[32:]).mean() < 2
    else:
        assert np.abs(picture.alpha.astype(int) - alpha).max() <= 2


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_blocks_of_any_height_give_the_same_file(deep, format, dtype, small, monkeypatch):
    monkeypatch.setattr("sr_gan_tf.tiff_rows._STRIP_BYTES", 5000)
    pixels = deep.astype(dtype)
    encoding = Encoding(format, compression="small" if small else "fast")
    files = []
    for cuts in ([], [1, 8, 40]):
        file = io.BytesIO()
        encode(file, np.split(pixels, cuts), pixels.shape, pixels.dtype, encoding)
        picture = read_image(file.getvalue())
        assert np.array_equal(picture.pixels, pixels[..., :3]) and np.array_equal(picture.alpha, pixels[..., 3])
        files.append(file.getvalue())
    if format == "TIFF":
        assert files[0] == files[1]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_metadata_is_carried_over(cat, tmp_path, suffix):
    exif = Image.Exif()
    exif[0x010F], exif[0x0100] = "Camera", 90
    exif.get_ifd(0x8769).update({0xA002: 90, 0xA003: 60, 0x9003: "2020:01:02 03:04:05"})
    exif.get_ifd(0x8825).update({1: "N"})
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf exif:PixelXDimension="90"/></x:xmpmeta>'
    iptc = b"\x1c\x02\x78\x00\x05hello"
    profile = b"\0" * 12 + b"mntrRGB XYZ " + b"\0" * 200000
    before = Metadata(profile, exif.tobytes(), xmp, iptc, (300.0, 300.0)).resized(360, 240, "sr_gan_tf span_x4 x4")
    path = tmp_path / f"out.{suffix}"
    write_image(path, cat, metadata=before)
    after = read_image(path).metadata
    assert after.icc_profile == profile and b'PixelXDimension="360"' in after.xmp
    assert after.iptc == (iptc if suffix in ("png", "jpg", "tif") else None)
    if suffix in ("png", "jpg", "tif"):
        assert after.dpi == pytest.approx((300, 300), rel=1e-3)
    block = Image.Exif()
    block.load(after.exif)
    assert block[0x010F] == "Camera" and block[0x0131] == "sr_gan_tf span_x4 x4"
    details = block.get_ifd(0x8769)
    assert (details[0xA002], details[0xA003], details[0x9003]) == (360, 240, "2020:01:02 03:04:05")
    assert block.get_ifd(0x8825)[1] == "N"
    # A profile for other samples than those that are written would falsify the colours.
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
        monkeypatch.setattr("sr_gan_tf.jpeg_rows._BYTES_AT_ONCE", bytes_at_once)
        file = io.BytesIO()
        encode(file, np.array_split(picture, 3), shape, np.uint8, Encoding("JPEG", quality))
        files.append(file.getvalue())
    whole = np.asarray(Image.open(io.BytesIO(files[-1]))).reshape(shape)
    for content in files[:-1]:
        with Image.open(io.BytesIO(content)) as image:
            strips = np.asarray(image).reshape(shape)
            assert image.info["jfif_version"] == (1, 1)
        assert np.array_equal(imagecodecs.jpeg8_decode(content).reshape(shape), strips)
        # Coded blocks are the same; where colours have half the resolution, a decoder may blend them across strips.
        assert np.array_equal(strips, whole)
    assert (files[0] != files[-1]) == (shape[0] > 16)  # one strip or several
    assert np.abs(whole.astype(int) - picture).mean() < (12 if quality == 60 else 4)
