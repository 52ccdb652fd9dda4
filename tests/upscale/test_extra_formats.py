"""HEIC, JPEG XL and camera raw: pixels, depth, turn, profile, EXIF and XMP; and what is refused with a reason."""

import io
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from light_process import WITHOUT_TENSORFLOW
from PIL import Image, ImageCms

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures import extra_formats, formats
from sr_gan_tf.pictures.reading import read_header, read_image, read_rgb, write_image
from sr_gan_tf.upscale import main

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


def exif(turn=1) -> bytes:
    block = Image.Exif()
    block[0x010F], block[0x0112] = "Maker", turn
    return block.tobytes()


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def heic(pixels, **options) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pip install pillow-heif")
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "HEIF", quality=100, chroma=444, **options)
    return file.getvalue()


def jxl(pixels, **options) -> bytes:
    pytest.importorskip("pillow_jxl", reason="pip install pillow-jxl-plugin")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JXL", lossless=True, **options)
    return file.getvalue()


def dng(height=64, width=80) -> bytes:
    """A gray card under warm light: a Bayer mosaic whose red is twice its blue, and the camera's white balance."""
    pytest.importorskip("rawpy", reason="pip install rawpy")
    mosaic = np.full((height, width), 8000, np.uint16)
    mosaic[::2, ::2], mosaic[1::2, 1::2] = 12000, 6000
    file = io.BytesIO()
    tags = [
        (50706, "B", 4, (1, 4, 0, 0), False),  # DNGVersion
        (50708, "s", 0, "Model", False),
        (33421, "H", 2, (2, 2), False),  # CFARepeatPatternDim
        (33422, "B", 4, (0, 1, 1, 2), False),  # CFAPattern: RGGB
        (50717, "I", 1, 65535, False),  # WhiteLevel
        (50721, "2i", 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), False),  # ColorMatrix1: identity
        (50728, "2I", 3, (12000, 8000, 8000, 8000, 6000, 8000), False),  # AsShotNeutral
        (50778, "H", 1, 21, False),
        (271, "s", 0, "Maker", False),
    ]
    tifffile.imwrite(file, mosaic, photometric=32803, extratags=tags, metadata=None)
    return file.getvalue()


def test_heic_keeps_pixels_and_metadata(cat):
    data = heic(cat, exif=exif(), xmp=XMP, icc_profile=PROFILE)
    picture = read_image(data)
    assert picture.format == "HEIF"
    assert np.abs(picture.pixels.astype(int) - cat).mean() < 1.5
    assert picture.metadata.icc_profile == PROFILE
    assert picture.metadata.xmp == XMP
    assert b"Maker" in picture.metadata.exif
    header = read_header(data)
    assert (header.width, header.height, header.frames) == (110, 80, 1)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_heic_is_turned_once(cat, turn):
    # Its writer turns EXIF's word into HEIF's own, which the decoder applies.
    upright = read_image(heic(cat, exif=exif(turn))).pixels
    assert upright.shape == ((110, 80, 3) if turn in (6, 8) else (80, 110, 3))
    expected = {1: cat, 3: np.rot90(cat, 2), 6: np.rot90(cat, -1), 8: np.rot90(cat)}[turn]
    assert np.abs(upright.astype(int) - expected).mean() < 1.5


def test_heic_of_ten_bits_keeps_them():
    pillow_heif = pytest.importorskip("pillow_heif", reason="pip install pillow-heif")
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], 16, axis=0).repeat(3, axis=2)
    file = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(256, 16), data=ramp.tobytes()).save(file, quality=-1)
    picture = read_image(file.getvalue())
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.max() == 65535
    assert np.abs(picture.pixels.astype(int) - ramp).max() < 600
    assert len(np.unique(picture.pixels)) > 250


@pytest.mark.parametrize("write", [heic, jxl])
def test_gray_and_alpha(cat, write):
    alpha = np.full((80, 110, 1), 255, np.uint8)
    alpha[:40] = 0
    picture = read_image(write(np.concatenate([cat, alpha], axis=2)))
    assert np.array_equal(picture.alpha > 127, alpha[..., 0] > 127)
    assert read_image(write(cat[..., 0])).pixels.shape == (80, 110, 1)


def test_jpeg_xl_keeps_pixels_and_metadata(cat):
    data = jxl(cat, exif=exif(6), xmp=XMP)
    picture = read_image(data)
    assert picture.format == "JXL"
    assert np.array_equal(picture.pixels, cat)  # EXIF's orientation says nothing in JPEG XL
    assert picture.metadata.xmp == XMP
    assert b"Maker" in picture.metadata.exif
    assert picture.metadata.icc_profile[16:20] == b"RGB "


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (256, 256), (9, 300), (700, 1050), (17, 4000)])
def test_the_size_of_a_jpeg_xl_stands_in_its_head(size):
    pytest.importorskip("pillow_jxl", reason="pip install pillow-jxl-plugin")
    for container in (False, True):
        data = imagecodecs.jpegxl_encode(np.zeros((*size, 3), np.uint8), lossless=True, usecontainer=container)
        header = read_header(bytes(data))
        assert (header.height, header.width) == size
    with pytest.raises(InputError, match="the limit is"):
        read_header(bytes(data), max_megapixels=size[0] * size[1] / 2e6)


def test_jpeg_xl_of_sixteen_bits():
    pytest.importorskip("pillow_jxl", reason="pip install pillow-jxl-plugin")
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    assert np.array_equal(read_image(bytes(imagecodecs.jpegxl_encode(deep, lossless=True))).pixels, deep)
    floats = bytes(imagecodecs.jpegxl_encode(deep.astype(np.float32) / 65535, lossless=True))
    with pytest.raises(InputError, match="floating-point samples"):
        read_image(floats)


@pytest.mark.parametrize("bits", [4, 9, 10, 12, 14])
def test_jpeg_xl_of_other_depths_fills_the_range(bits):
    pytest.importorskip("pillow_jxl", reason="pip install pillow-jxl-plugin")
    top = 2**bits - 1
    values = (np.arange(20 * 30 * 3) % (top + 1)).reshape(20, 30, 3).astype(np.uint8 if bits <= 8 else np.uint16)
    pixels = read_image(bytes(imagecodecs.jpegxl_encode(values, lossless=True, bitspersample=bits))).pixels
    full = 255 if bits <= 8 else 65535
    assert pixels.dtype == values.dtype
    assert np.abs(pixels.astype(float) - values * (full / top)).max() <= 0.5


def test_camera_raw_is_developed_with_the_cameras_white_balance(tmp_path):
    data = dng()
    for source in (data, tmp_path / "card.dng"):
        if source is not data:
            source.write_bytes(data)
        picture = read_image(source)
        assert picture.format == "RAW"
        assert picture.pixels.dtype == np.uint16
        assert picture.pixels.shape == (64, 80, 3)
        middle = picture.pixels[20:40, 20:60].reshape(-1, 3).mean(axis=0)
        assert np.ptp(middle) < 0.05 * middle.mean()  # a gray card is gray
        header = read_header(source)
        assert (header.width, header.height) == (80, 64)
    assert b"Maker" in picture.metadata.exif
    (tmp_path / "cut.dng").write_bytes(data[:-9000])
    with pytest.raises(InputError, match=rf"cut\.dng: the file ends after {len(data) - 9000:,} of {len(data):,} bytes"):
        read_image(tmp_path / "cut.dng")
    (tmp_path / "no.raf").write_bytes(b"FUJIFILMCCD-RAW " + bytes(range(1, 200)))
    with pytest.raises(InputError, match=r"no\.raf: damaged .*\(camera raw: Unsupported file format or not RAW file\)"):
        read_image(tmp_path / "no.raf")
    assert read_rgb(tmp_path / "card.dng").shape == (64, 80, 3)


@pytest.mark.parametrize("suffix", ["heic", "jxl"])
def test_written_and_read_again(cat, tmp_path, suffix):
    pytest.importorskip({"heic": "pillow_heif", "jxl": "pillow_jxl"}[suffix], reason="pip install sr_gan_tf[formats]")
    alpha = np.full((80, 110), 255, np.uint8)
    alpha[:40, :50] = 0
    for pixels, transparency in ((cat, None), (cat, alpha), (cat[..., :1], None)):
        before = read_image(heic(cat, exif=exif(), xmp=XMP)).metadata if suffix == "heic" else None
        before = before or read_image(jxl(cat, exif=exif(), xmp=XMP)).metadata
        path = tmp_path / f"a.{suffix}"
        write_image(path, pixels, transparency, before, quality=100)
        after = read_image(path)
        assert np.abs(after.pixels.astype(int) - pixels).mean() < 1.5
        assert (after.alpha is None) == (transparency is None)
        assert after.metadata.xmp == XMP
        assert b"Maker" in after.metadata.exif


def test_through_the_command(network, model, cat, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.heic").write_bytes(heic(cat, exif=exif(6)))
    (tmp_path / "in" / "b.jxl").write_bytes(jxl(cat))
    (tmp_path / "in" / "c.dng").write_bytes(dng())
    assert main([str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", model]) == 0, capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.heic", "b.jxl", "c.png"]
    assert read_image(tmp_path / "out" / "a.heic").pixels.shape == (220, 160, 3)
    assert read_image(tmp_path / "out" / "b.jxl").pixels.shape == (160, 220, 3)
    assert read_image(tmp_path / "out" / "c.png").pixels.dtype == np.uint16


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x76\x2f\x31\x01" + bytes(100), "OpenEXR contains linear light"),
        (b"#?RADIANCE\n" + bytes(100), "Radiance HDR contains linear light"),
    ],
)
def test_linear_light_is_refused_with_a_way(content, said, tmp_path):
    (tmp_path / "a.exr").write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_image(tmp_path / "a.exr")
    assert "a.exr" in str(caught.value)
    assert "magick" in str(caught.value)


def test_without_the_packages(cat, tmp_path, monkeypatch):
    files = {"a.heic": heic(cat), "b.jxl": jxl(cat), "c.dng": dng()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(extra_formats, "is_available", lambda format: False)
    for name in files:
        with pytest.raises(InputError, match=r"pip install .*sr_gan_tf\[formats\]") as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
    code = (
        f"{WITHOUT_TENSORFLOW}sys.modules['pillow_heif'] = sys.modules['pillow_jxl'] = sys.modules['rawpy'] = None\n"
        "import importlib.util; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name in sys.modules and not sys.modules[name] else "
        "find(name, *more)\n"
        "from sr_gan_tf.pictures.reading import SUFFIXES; from sr_gan_tf.pictures.formats import UNREAD\n"
        "from sr_gan_tf.pictures.encoding import FORMATS\n"
        "print('.heic' in SUFFIXES, '.heic' in UNREAD, '.jxl' in FORMATS, '.png' in FORMATS)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False True False True\n", done.stderr


def test_an_avif_is_no_heic(cat):
    file = io.BytesIO()
    Image.fromarray(cat).save(file, "AVIF")
    assert read_image(file.getvalue()).format == "AVIF"
    assert formats.format_by_suffix(".HEIC") == "HEIF"
