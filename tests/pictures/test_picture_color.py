"""What samples mean without an ICC profile: carried over, or said by one that color management agrees with."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.pictures.color import Color, color_of_avif
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.reading import read_image, write_image

_CHROMATICITIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
_GAMMA = struct.pack(">I", 100000)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(range(0, 48)) for _ in range(16))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    body = b"".join(chunk(*item) for item in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "chunks",
    [
        ((b"gAMA", _GAMMA),),
        ((b"gAMA", _GAMMA), (b"cHRM", _CHROMATICITIES)),
        ((b"cICP", bytes([12, 13, 0, 1])),),
        ((b"cICP", bytes([9, 16, 0, 1])), (b"cLLI", bytes(8))),
        ((b"sRGB", b"\0"),),
    ],
)
def test_a_png_keeps_its_color_chunks(tmp_path, chunks):
    metadata = read_image(_png(*chunks)).metadata
    assert metadata.color.chunks == chunks
    write_image(tmp_path / "out.png", np.zeros((4, 4, 3), np.uint8), metadata=metadata)
    assert read_image(tmp_path / "out.png").metadata.color == metadata.color
    data = (tmp_path / "out.png").read_bytes()
    assert all(data.index(kind) < data.index(b"IDAT") for kind, _ in chunks)


def _seen(profile: bytes, values: tuple) -> np.ndarray:
    """What a color is in sRGB, by color management."""
    pixel = np.array(values, np.uint16).reshape(1, 1, -1) * 257
    space = "gray" if len(values) == 1 else "rgb"
    seen = imagecodecs.cms_transform(
        pixel[..., 0] if len(values) == 1 else pixel, profile, imagecodecs.cms_profile("srgb"), colorspace=space,
        outcolorspace="rgb", outdtype="uint16",
    )  # fmt: skip
    return seen.reshape(3) / 257


@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp"])
@pytest.mark.parametrize(
    ("chunks", "values", "expected"),
    [
        # Linear light: sRGB's curve by hand. Display P3's red is out of sRGB; its gray is gray.
        ([(b"gAMA", _GAMMA)], (64, 64, 64), (137, 137, 137)),
        ([(b"cICP", bytes([12, 13, 0, 1]))], (200, 100, 50), (215, 93, 31)),
        ([(b"cICP", bytes([12, 13, 0, 1]))], (100, 100, 100), (100, 100, 100)),
        ([(b"gAMA", struct.pack(">I", 55556)), (b"cHRM", _CHROMATICITIES)], (128, 128, 128), (147, 147, 147)),
    ],
)
def test_color_becomes_a_profile(tmp_path, suffix, chunks, values, expected):
    metadata = read_image(_png(*chunks)).metadata
    write_image(tmp_path / f"out.{suffix}", np.zeros((4, 4, 3), np.uint8), metadata=metadata)
    profile = read_image(tmp_path / f"out.{suffix}").metadata.icc_profile
    assert profile[16:20] == b"RGB "
    assert _seen(profile, values) == pytest.approx(expected, abs=2)
    write_image(tmp_path / f"gray.{suffix}", np.zeros((4, 4, 1), np.uint8), metadata=metadata)
    gray = read_image(tmp_path / f"gray.{suffix}")
    # WebP has no gray.
    assert gray.metadata.icc_profile[16:20] == (b"RGB " if suffix == "webp" else b"GRAY")


def test_srgb_needs_no_profile():
    for chunks in ([], [(b"sRGB", b"\0")], [(b"gAMA", struct.pack(">I", 45455))]):
        metadata = read_image(_png(*chunks)).metadata
        assert metadata.color.profile(3) is None
        assert metadata.unkept("BMP", 3) == ()


def test_hdr_is_kept_or_said():
    color = read_image(_png((b"cICP", bytes([9, 16, 0, 1])))).metadata.color
    assert color.hdr == "PQ"
    assert Metadata(color=color).unkept("JPEG", 3) == ("PQ transfer function (write PNG or AVIF to keep it)",)
    assert not Metadata(color=color).unkept("AVIF", 3)


@pytest.mark.parametrize("code", [(12, 13), (9, 16), (9, 18)])
def test_avif_code_points(tmp_path, code):
    color = Color((*code, 0, 1))
    pixels = np.full((32, 32, 3), 90, np.uint8)
    write_image(tmp_path / "a.avif", pixels, metadata=Metadata(color=color))
    back = read_image(tmp_path / "a.avif")
    assert back.metadata.color.cicp[:2] == code
    assert np.abs(back.pixels.astype(int) - pixels).max() <= 2
    write_image(tmp_path / "a.png", pixels, metadata=back.metadata)
    assert read_image(tmp_path / "a.png").metadata.color.cicp == (*code, 0, 1)
    assert color_of_avif(b"nothing").cicp is None


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("deep", [False, True])
def test_jpeg_xl_is_converted_to_srgb(tmp_path, mode, deep):
    pytest.importorskip("pillow_jxl", reason="pip install pillow-jxl-plugin")
    channels = len(mode)
    colors, alpha = (1 if channels < 3 else 3), channels in (2, 4)
    pixels = np.full((8, 8, colors), 122 * 257 if deep else 122, np.uint16 if deep else np.uint8)
    options = {} if colors == 1 else {"primaries": [0.64, 0.33, 1, 0.3, 0.6, 1, 0.15, 0.06, 1]}
    profile = imagecodecs.cms_profile(
        "gray" if colors == 1 else "rgb", whitepoint=[0.3127, 0.329, 1], gamma=1.8, **options
    )
    path = tmp_path / "a.jxl"
    write_image(path, pixels, pixels[..., 0] if alpha else None, Metadata(profile), quality=100)
    linear = (122 / 255) ** 1.8
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)  # sRGB, by its definition
    back = read_image(path)
    assert np.abs(back.pixels / (257 if deep else 1) - expected).max() < 1
    assert back.alpha is None or (back.alpha == pixels[..., 0]).all()


def test_a_profile_fits_the_samples(tmp_path):
    primaries = [0.64, 0.33, 1, 0.3, 0.6, 1, 0.15, 0.06, 1]
    profile = imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.329, 1], primaries=primaries, gamma=1.8)
    metadata = Metadata(icc_profile=profile)
    write_image(tmp_path / "gray.png", np.zeros((4, 4, 1), np.uint8), metadata=metadata)
    gray = read_image(tmp_path / "gray.png").metadata.icc_profile
    assert gray[16:20] == b"GRAY"
    assert _seen(gray, (100,)) == pytest.approx(_seen(profile, (100, 100, 100)), abs=0.5)
    write_image(tmp_path / "gray.webp", np.zeros((4, 4, 1), np.uint8), metadata=Metadata(icc_profile=gray))
    color = read_image(tmp_path / "gray.webp").metadata.icc_profile
    assert color[16:20] == b"RGB "
    assert _seen(color, (100, 100, 100)) == pytest.approx(_seen(profile, (100, 100, 100)), abs=0.5)
    profile = b"\0" * 16 + b"CMYK" + profile[20:]
    assert Metadata(icc_profile=profile).unkept("PNG", 3) == ("ICC profile (for CMYK samples)",)


def test_an_animated_png_keeps_its_chunks(tmp_path):
    from sr_gan_tf.pictures.encoding import Encoding, encode_animation

    metadata = read_image(_png((b"gAMA", _GAMMA), (b"tEXt", b"parameters\0a cat"))).metadata
    frames = [(np.full((8, 8, 3), 50 * index, np.uint8), 40, metadata) for index in range(3)]
    path = tmp_path / "a.png"
    with open(path, "w+b") as file:
        encode_animation(file, frames, 0, Encoding("PNG"))
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert read_image(path).metadata.color == metadata.color
    assert read_image(path).metadata.texts == metadata.texts
