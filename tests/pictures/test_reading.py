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
from sr_gan_tf.pictures.reading import (
    picture_size,
    read_frames,
    read_header,
    read_image,
    read_rgb,
    to_uint8,
)


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
    assert picture.pixels.shape == cat.shape
    assert picture.pixels.dtype == np.uint8
    assert picture.alpha is None
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
    assert hidden.any()
    assert np.array_equal(picture.alpha == 0, hidden)


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
    colors = channels - 1 if channels in (2, 4) else channels
    assert np.array_equal(picture.pixels, samples[..., :colors])
    assert picture.alpha is None if channels == colors else np.array_equal(picture.alpha, samples[..., -1])
    assert np.abs(read_rgb(path).astype(int) - samples[..., :colors] / 257).max() <= 0.5


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
        assert metadata.icc_profile == profile
        assert block[0x010F] == "Camera"
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
    assert read_image(path).format == "PNG"
    assert np.array_equal(read_rgb(path), cat)


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\x09IDAT"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"This is a text file, whatever its name says.", "no picture"),
        (b"\x89PNG\r\n\x1a\n", "only 8 bytes"),
        (_png_header(30000, 20000), "600 megapixels"),
    ],
)
def test_unusable_files_are_named(tmp_path, content, expected):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    for reader in (read_rgb, read_image, picture_size):
        with pytest.raises(InputError, match=expected) as caught:
            reader(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


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
    with pytest.raises(InputError, match=r"deep.png"):
        read_image(path)


def test_libpng_prints_nothing_about_chunks_beside_the_pixels(caplog):
    deep = np.arange(30 * 40 * 3, dtype=np.uint16).reshape(30, 40, 3) * 17
    data = bytes(imagecodecs.png_encode(deep))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    for extra in (chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(600))), 2 * chunk(b"gAMA", struct.pack(">I", 45455))):
        assert np.array_equal(read_image(data[:33] + extra + data[33:]).pixels, deep)
    assert "PNG warning" not in caplog.text
    imagecodecs.png_decode(data[:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(600))) + data[33:])
    assert "PNG warning" in caplog.text  # it could have
