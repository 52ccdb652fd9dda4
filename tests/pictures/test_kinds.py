"""One meaning for one kind of picture, whatever its depth: profile, premultiplied alpha, extra channels, turn, Lab."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage import data

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.decoding import pillow_samples
from sr_gan_tf.pictures.reading import read_header, read_image

COLOR = np.array([200, 100, 50])


def _flat(values, bits: int) -> np.ndarray:
    """(24, 32, C) of one color given in 8 bits."""
    dtype, factor = (np.uint8, 1) if bits == 8 else (np.uint16, 257)
    return np.broadcast_to(np.array(values, dtype) * dtype(factor), (24, 32, len(values))).copy()


def _tiff(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values.squeeze(-1) if values.shape[-1] == 1 else values, metadata=None, **options)
    return file.getvalue()


def _read(coded: bytes) -> tuple[np.ndarray, np.ndarray | None, object]:
    """The middle pixel on a scale of 255, alpha likewise, and the picture."""
    picture = read_image(coded)
    top = np.iinfo(picture.pixels.dtype).max / 255
    alpha = None if picture.alpha is None else picture.alpha[12, 16] / top
    return picture.pixels[12, 16] / top, alpha, picture


@pytest.mark.parametrize("bits", [8, 16])
def test_premultiplied_alpha_is_undone(bits):
    multiplied = [*np.rint(COLOR * 128 / 255), 128]
    color, alpha, picture = _read(_tiff(_flat(multiplied, bits), photometric="rgb", extrasamples=["assocalpha"]))
    assert color == pytest.approx(COLOR, abs=1)
    assert alpha == 128
    assert picture.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    color, alpha, _ = _read(_tiff(_flat([*COLOR, 128], bits), photometric="rgb", extrasamples=["unassalpha"]))
    assert color == pytest.approx(COLOR)
    assert alpha == 128
    gray, alpha, _ = _read(_tiff(_flat([50, 128], 16), photometric="minisblack", extrasamples=["assocalpha"]))
    assert gray == pytest.approx([50 * 255 / 128], abs=0.1)
    assert alpha == 128


@pytest.mark.parametrize("bits", [8, 16])
def test_channels_without_a_meaning_are_no_transparency(bits):
    coded = _tiff(_flat([*COLOR, 77], bits), photometric="rgb", extrasamples=["unspecified"])
    color, alpha, _ = _read(coded)
    assert color == pytest.approx(COLOR)
    assert alpha is None


def test_alpha_after_another_channel():
    values = _flat([*COLOR, 77, 128], 16)
    color, alpha, _ = _read(_tiff(values, photometric="rgb", extrasamples=["unspecified", "unassalpha"]))
    assert color == pytest.approx(COLOR)
    assert alpha == 128


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("values", "photometric", "extras", "expected", "alpha"),
    [
        ([100, 50, 25, 128], "rgb", ["assocalpha"], [199, 100, 50], 128),
        ([*COLOR, 128, 9], "rgb", ["unassalpha", "unspecified"], COLOR, 128),
        ([*COLOR, 9, 128], "rgb", ["unspecified", "unassalpha"], COLOR, 128),
        ([50, 128], "minisblack", ["unassalpha"], [50], 128),
        ([55, 155, 205, 0, 128], "separated", ["unassalpha"], COLOR, 128),
    ],
)
def test_channels_stored_one_after_another(values, photometric, extras, expected, alpha, bits):
    planes = np.ascontiguousarray(np.moveaxis(_flat(values, bits), -1, 0))
    coded = _tiff(planes, photometric=photometric, extrasamples=extras, planarconfig="separate")
    color, found, _ = _read(coded)
    assert color == pytest.approx(expected, abs=1)
    assert found == alpha


def test_codecs_of_a_tiff_that_pillow_lacks():
    color, _, _ = _read(_tiff(_flat(COLOR, 8), photometric="rgb", compression="webp"))
    assert color == pytest.approx(COLOR, abs=1)
    color, _, _ = _read(_tiff(_flat(COLOR, 8), photometric="rgb", compression="jpeg", byteorder=">", bigtiff=True))
    assert color == pytest.approx(COLOR, abs=2)
    deep = (_flat(COLOR, 16) // 16).astype(np.uint16)
    color, _, picture = _read(_tiff(deep, photometric="rgb", compression="jpeg"))  # 12 bits
    assert picture.pixels.dtype == np.uint16
    assert color == pytest.approx(COLOR, abs=2)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette(bits):
    palette = np.zeros((3, 2**bits), np.uint16)
    palette[:, 200] = COLOR * 257
    coded = _tiff(_flat([200], 8).astype(np.uint8 if bits == 8 else np.uint16), photometric="palette", colormap=palette)
    color, _, _ = _read(coded)
    assert color == pytest.approx(COLOR)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_by_its_profile(bits):
    """A profile by hand (ICC.1, lut8Type) in which cyan ink is red."""
    color, _, picture = _read(_tiff(_flat([255, 0, 0, 0], bits), photometric="separated", iccprofile=_red_cyan()))
    ink = Image.new("CMYK", (1, 1), (255, 0, 0, 0))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(_red_cyan()))
    seen = ImageCms.profileToProfile(ink, profile, ImageCms.createProfile("sRGB"), outputMode="RGB").getpixel((0, 0))
    assert color == pytest.approx(seen, abs=1)
    assert color[0] > 90 > 20 > color[1]
    assert picture.metadata.icc_profile is None
    without, _, _ = _read(_tiff(_flat([255, 0, 0, 0], bits), photometric="separated"))
    assert without == pytest.approx([0, 255, 255])
    damaged, _, _ = _read(_tiff(_flat([255, 0, 0, 0], bits), photometric="separated", iccprofile=_red_cyan()[:200]))
    assert damaged == pytest.approx([0, 255, 255])


def _red_cyan() -> bytes:
    """A CMYK profile whose A2B0 table gives Lab of paper white, but a red where there is cyan."""
    white, red = (255, 128, 128), (136, 208, 195)
    grid = b"".join(bytes(red if index >= 8 else white) for index in range(16))
    ramp = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table += ramp * 4 + grid + ramp * 3
    table += bytes(-len(table) % 4)
    head = struct.pack(">I4sI4s4s4s", 0, b"test", 0x02100000, b"prtr", b"CMYK", b"Lab ") + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    head = head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    profile = head + table
    return struct.pack(">I", len(profile)) + profile[4:]


@pytest.mark.parametrize("bits", [8, 16])
def test_lab(bits):
    file = io.BytesIO()
    lab = Image.new("LAB", (32, 24), (128, 168, 118))  # L 50, a 40, b -10
    expected = np.asarray(
        ImageCms.profileToProfile(lab, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    )[0, 0]
    if bits == 8:
        lab.save(file, "TIFF")
    else:
        values = np.empty((24, 32, 3), np.uint16)
        values[...] = 128 * 257, 40 * 256, 65536 - 10 * 256
        file.write(_tiff(values, photometric="cielab"))
    color, _, picture = _read(file.getvalue())
    assert color == pytest.approx(expected, abs=1)
    assert picture.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("photometric", ["rgb", "cielab"])
def test_turned_tiffs(turn, photometric):
    values = np.zeros((4, 6, 3), np.uint16)
    values[0, 0] = 65535, 0, 0
    coded = _tiff(values, photometric=photometric, extratags=[(274, "H", 1, turn, True)])
    header = read_header(coded)
    bright = read_image(coded).pixels.sum(axis=2)
    assert bright.shape == (header.height, header.width) == ((4, 6) if turn < 5 else (6, 4))
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}[turn]
    assert np.argmax(bright) == np.ravel_multi_index(corner, bright.shape, mode="wrap")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_depths_between_8_and_16_fill_the_range(bits):
    top = 2**bits - 1
    values = np.array([[0, 1, top // 2, top]] * 4, np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, values, bitspersample=bits, photometric="minisblack", metadata=None)
    expected = [0, 65535 / top, top // 2 * 65535 / top, 65535]
    assert read_image(file.getvalue()).pixels[0, :, 0] == pytest.approx(expected, abs=0.5)
    if bits == 12:
        rgb = np.repeat(values[..., None], 3, axis=2)
        coded = imagecodecs.jpeg2k_encode(np.tile(rgb, (4, 4, 1)), level=0, bitspersample=12)
        assert read_image(coded).pixels[0, :4, 0].tolist() == [0, 16, 32759, 65535]


def test_deep_avif_and_ppm():
    values = np.full((32, 32, 3), 1000, np.uint16)
    picture = read_image(imagecodecs.avif_encode(values, level=95, bitspersample=10))
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels.astype(int) - 1000 * 65535 / 1023).max() < 200
    coded = b"P6 # a remark\n2 1\n1023\n" + np.array([0, 511, 1023, 1, 2, 3], ">u2").tobytes()
    assert read_image(coded).pixels.ravel().tolist() == pytest.approx([0, 32736, 65535, 64, 128, 192], abs=1)
    with pytest.raises(InputError, match="the file ends after"):
        read_image(coded[:-1])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("color", [0, 2])
def test_png_transparency_of_one_color(bits, color):
    values = np.zeros((4, 4, 3 if color else 1), ">u2" if bits == 16 else np.uint8)
    values[0, 0] = 200
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    key = struct.pack(f">{values.shape[2]}H", *([200] * values.shape[2]))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, bits, color, 0, 0, 0)) + chunk(b"tRNS", key)
    coded = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    alpha = read_image(coded).alpha
    assert alpha[0, 0] == 0
    assert (alpha > 0).sum() == 15


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_transparency_of_one_gray_of_few_bits(bits):
    top, across = 2**bits - 1, 8 // bits
    values = np.arange(across) % (top + 1)
    row = bytes([int("".join(format(value, f"0{bits}b") for value in values), 2)])
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", across, 4, bits, 0, 0, 0, 0)), (b"tRNS", struct.pack(">H", top)),
        (b"IDAT", zlib.compress(4 * (b"\0" + row))), (b"IEND", b""),
    )  # fmt: skip
    coded = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    picture = read_image(b"\x89PNG\r\n\x1a\n" + coded)
    assert picture.pixels[0, :, 0].tolist() == (values * 255 // top).tolist()
    assert picture.alpha[0].tolist() == np.where(values == top, 0, 255).tolist()


@pytest.mark.parametrize("mode", ["L", "I;16", "I"])
def test_transparency_of_one_gray_in_an_image_of_pillow(mode):
    values = np.full((4, 4), 200, {"L": np.uint8, "I;16": np.uint16, "I": np.int32}[mode])
    values[0, 0] = 7
    image = Image.fromarray(values)
    assert image.mode == mode
    image.info["transparency"] = 200
    samples = pillow_samples(image, "the picture")
    assert samples.alpha == "straight"
    assert (samples.values[..., 1] > 0).sum() == 1
    assert samples.values[0, 0, 1] == np.iinfo(samples.values.dtype).max


def test_a_bitmap_whose_fourth_byte_was_never_filled_is_opaque():
    values = np.zeros((4, 4, 4), np.uint8)
    values[..., :3] = COLOR[::-1]
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 14 + 108)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head += struct.pack("<IiiHHIIiiII", 108, 4, 4, 1, 32, 3, 64, 0, 0, 0, 0) + masks + b"Win " + bytes(48)
    picture = read_image(head + values.tobytes())
    assert picture.alpha is None
    assert picture.pixels[0, 0].tolist() == COLOR.tolist()
    values[0, 0, 3] = 9
    assert read_image(head + values.tobytes()).alpha.max() == 9


@pytest.mark.parametrize(
    ("values", "photometric", "expected"),
    [
        (np.zeros((4, 4, 3), np.float32), "rgb", "floating-point"),
        (np.zeros((4, 4), np.float32), "minisblack", "floating-point"),
        (np.zeros((4, 4, 3), np.float16), "rgb", "floating-point"),
        (np.zeros((4, 4, 3), np.uint32), "rgb", "32-bit"),
        (np.zeros((4, 4), np.int8), "minisblack", "signed 8-bit"),
        (np.zeros((4, 4, 3), np.int16), "rgb", "signed 16-bit"),
        (np.full((4, 4), -3, np.int16), "minisblack", "samples below 0"),
        (np.full((4, 4), 70000, np.uint32), "minisblack", "samples above 65535"),
        (np.full((4, 4), 4_000_000_000, np.uint32), "minisblack", "samples above 65535"),
    ],
)
def test_samples_that_are_no_picture_are_named(values, photometric, expected):
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric=photometric)
    with pytest.raises(InputError, match=f"{expected}.*convert it to 8 or 16 bits per sample"):
        read_image(file.getvalue())


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_png_with_a_damaged_text_is_read(place, deep):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.uint16 if deep else np.uint8)
    coded = imagecodecs.png_encode(pixels)
    bad = struct.pack(">I", 5) + b"tEXt" + b"a\0bcd" + b"\1\2\3\4"
    cut = 33 if place == "before" else len(coded) - 12
    picture = read_image(coded[:cut] + bad + coded[cut:])
    assert np.array_equal(picture.pixels, pixels)
    assert picture.metadata.lost == ("the damaged chunk tEXt",)
    # A wrong checksum of the pixels is another matter.
    broken = bytearray(coded)
    broken[coded.index(b"IDAT") + 8] ^= 1
    with pytest.raises(InputError, match="damaged"):
        read_image(bytes(broken))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read(progressive):
    pixels = data.chelsea()[100:164, 100:164]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, progressive=progressive)
    whole = file.getvalue()
    for missing in (1, 2):
        picture = read_image(whole[:-missing])
        assert np.array_equal(picture.pixels, read_image(whole).pixels)
        assert picture.metadata.remarks == ("the end marker is missing; every pixel was read",)
    for missing in (12, len(whole) // 3):
        with pytest.raises(InputError, match="the file ends after"):
            read_image(whole[:-missing])
