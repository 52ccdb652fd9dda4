"""What a file contains besides its picture: kept if it stays valid, named if not."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from exif_blocks import MAKER_NOTE, exif_block, raw_values
from picture_kinds import IPTC, cat, plain, with_chunks
from PIL import Image

from sr_gan_tf.pictures.encoding import Encoding
from sr_gan_tf.pictures.jpeg_xl import jxl_head, with_boxes
from sr_gan_tf.pictures.raw_exif import raw_exif
from sr_gan_tf.pictures.reading import read_header, read_image, write_image
from sr_gan_tf.pictures.samples import widened


def _chunks(path) -> dict[bytes, bytes]:
    data, place, found = path.read_bytes(), 8, {}
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        found[data[place + 4 : place + 8]] = data[place + 8 : place + 8 + length]
        place += length + 12
    return found


@pytest.mark.parametrize(
    ("mode", "background", "gray", "color"),
    [
        ("RGB", bytes([0, 255, 0, 128, 0, 0]), None, bytes([0, 255, 0, 128, 0, 0])),
        ("L", bytes([0, 51]), bytes([0, 51]), bytes([0, 51]) * 3),
        ("1", bytes([0, 1]), bytes([0, 255]), bytes([0, 255]) * 3),
        ("P", bytes([1]), None, bytes([0, 40, 0, 50, 0, 60])),
        ("RGB", bytes(2), None, None),  # does not fit the picture
        ("P", bytes([9]), None, None),  # not in the palette
    ],
)
def test_background_and_time_of_a_png(tmp_path, mode, background, gray, color):
    image = Image.new(mode, (4, 4))
    if mode == "P":
        image.putpalette([10, 20, 30, 40, 50, 60])
    time = bytes([7, 232, 1, 2, 3, 4, 5])
    picture = read_image(with_chunks(plain(image, "PNG"), (b"bKGD", background), (b"tIME", time), (b"vpAg", b"\5")))
    assert picture.metadata.lost == ("chunk vpAg",)
    for channels, expected in ((1, gray), (3, color)):
        path = tmp_path / f"{channels}.png"
        write_image(path, np.zeros((8, 8, channels), np.uint8), None, picture.metadata)
        assert _chunks(path).get(b"bKGD") == expected
        assert _chunks(path)[b"tIME"] == time
    write_image(path, np.zeros((8, 8, 3), np.uint16), None, picture.metadata)
    if color:
        assert _chunks(path)[b"bKGD"] == bytes(
            byte for pair in zip(color[1::2], color[1::2], strict=True) for byte in pair
        )
    said = picture.metadata.unkept("JPEG", 3)
    assert said == (("background color", "time of change") if color else ("time of change",))


@pytest.mark.parametrize("name", ["iptc", "IPTC profile"])
def test_profiles_that_exiftool_writes_as_text(name):
    record = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    text = f"\n{name}\n{len(record):8d}\n{record.hex()}\n".encode()
    other = b"Raw profile type generic\0\ngeneric\n       2\nabcd\n"
    chunks = (b"tEXt", b"Raw profile type iptc\0" + text), (b"tEXt", other)
    metadata = read_image(with_chunks(plain(Image.new("L", (4, 4)), "PNG"), *chunks)).metadata
    assert metadata.iptc == IPTC
    assert metadata.texts == ((b"tEXt", other),)


def test_extensions_of_a_gif():
    coded = plain(Image.new("P", (4, 4)), "GIF")
    place = coded.index(b",", 13 + 3 * 2)  # the image descriptor
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    profile = imagecodecs.cms_profile("srgb")
    blocks = b"".join(bytes([len(part)]) + part for part in (profile[i : i + 255] for i in range(0, len(profile), 255)))
    added = b"!\xff\x0bXMP DataXMP" + REGION + trailer + b"!\xff\x0bICCRGBG1012" + blocks + b"\0"
    metadata = read_image(coded[:place] + added + coded[place:]).metadata
    assert metadata.xmp == REGION
    assert metadata.icc_profile == profile
    assert metadata.unkept("GIF", 3) == ("ICC profile", "XMP")


def test_boxes_of_a_jpeg_2000():
    coded = plain(Image.new("RGB", (16, 16)), "JPEG2000")
    place = coded.index(b"jp2c") - 4
    boxes = [
        _box(b"uuid", bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"), IPTC),
        _box(b"uuid", bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"), b"II*"),
        _box(b"xml ", b"<a/>"),
    ]
    metadata = read_image(coded[:place] + b"".join(boxes) + coded[place:]).metadata
    assert metadata.iptc == IPTC
    assert metadata.lost == ("georeference", "box xml")


def test_unknown_chunks_of_a_png_are_named():
    coded = with_chunks(
        plain(Image.new("L", (4, 4)), "PNG"), (b"sTER", b"\0"), (b"vpAg", bytes(9)), (b"iDOT", bytes(28))
    )
    assert read_image(coded).metadata.lost == ("chunks sTER, vpAg",)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_layers_channels_and_credentials_of_a_tiff(dtype):
    file = io.BytesIO()
    tags = [(0x935C, 7, 4, b"data", True), (0xCD41, 7, 4, b"jumb", True)]
    tifffile.imwrite(
        file, np.zeros((8, 9, 6), dtype), photometric="rgb", metadata=None, extratags=tags,
        extrasamples=["unspecified", "unassalpha", "unspecified"],
    )  # fmt: skip
    metadata = read_image(file.getvalue()).metadata
    assert metadata.lost[:2] == ("2 further channels", "Photoshop layers")
    assert "content credentials" in metadata.lost[2]
    assert not metadata.exif or not {0x935C, 0xCD41} & {tag for _, tag in _tags(metadata.exif)}
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((8, 9, 4), dtype), photometric="separated", metadata=None)
    assert read_image(file.getvalue()).metadata.lost == ()


def test_segments_of_a_jpeg_that_are_not_copied():
    coded = plain(Image.new("RGB", (16, 16)), "JPEG", exif=b"Exif\0\0" + exif_block(), comment=b"hello")
    further = [
        (0xE1, b"FLIR\0\1\0\0"),
        (0xE1, b"FLIR\0\1\1\0"),
        (0xE4, b"\1\2"),
        (0xEE, b"Adobe\0d\0\0\0\0\1"),
        (0xEC, b"Ducky"),
    ]
    coded = (
        coded[:2] + b"".join(struct.pack(">BBH", 255, kind, len(body) + 2) + body for kind, body in further) + coded[2:]
    )
    assert read_image(coded).metadata.lost == ("APP1 segment 'FLIR'", "APP4 segment without a name")


def _heif(*pictures, **options) -> bytes:
    pytest.importorskip("pillow_heif", reason="pip install 'sr_gan_tf[formats]'").register_heif_opener()
    first, *others = (Image.fromarray(picture) for picture in pictures)
    return plain(first, "HEIF", save_all=True, append_images=others, quality=90, **options)


def test_further_contents_of_a_heic():
    picture = np.zeros((64, 64, 3), np.uint8)
    assert read_image(_heif(picture)).metadata.lost == ()
    coded = _heif(picture, picture + 50, picture + 100)
    assert read_image(coded).metadata.lost == ("2 further pictures",)
    video = (24).to_bytes(4, "big") + b"mpvd" + bytes(16)
    assert read_image(_heif(picture) + video).metadata.lost == ("a video",)


@pytest.mark.parametrize("shape", [(3, 24, 40), (3, 24, 40, 3), (3, 24, 40, 4)])
def test_an_animated_jpeg_xl_is_its_first_frame(shape):
    pytest.importorskip("pillow_jxl", reason="pip install 'sr_gan_tf[formats]'")
    frames = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    options = {"photometric": "gray"} if len(shape) == 3 else {}
    coded = bytes(imagecodecs.jpegxl_encode(frames, lossless=True, **options))
    picture = read_image(coded)
    first = frames[0][..., None] if len(shape) == 3 else frames[0]
    assert np.array_equal(picture.pixels, first[..., :3])
    assert picture.metadata.lost == ("further frames of the animation",)
    assert (read_header(coded).width, read_header(coded).height) == (40, 24)


def _bits(*fields: tuple[int, int]) -> bytes:
    """A codestream's head from (value, number of bits)."""
    total, place = 0, 0
    for value, count in fields:
        total, place = total | value << place, place + count
    return b"\xff\x0a" + total.to_bytes(40, "little")


def test_the_head_of_a_jpeg_xl():
    # 16 rows, 24 columns; not all defaults; extra fields; turned by 6; intrinsic size, preview and animation.
    size, turn = ((1, 1), (1, 5), (0, 3), (2, 5)), ((0, 1), (1, 1), (5, 3))
    small = ((1, 1), (0, 5), (1, 3))
    head = jxl_head(_bits(*size, *turn, (1, 1), *small, (1, 1), (1, 1), (0, 2), (1, 3), (1, 1)))
    assert (head.size, head.turn, head.animated) == ((16, 24), 6, True)
    head = jxl_head(_bits(*size, *turn, (0, 1), (1, 1), (0, 1), (1, 2), (7, 8), (0, 3), (3, 2), (9, 12), (0, 1)))
    assert not head.animated
    animated = (*size, *turn, (0, 1), (0, 1), (1, 1))
    assert jxl_head(_bits(*animated)).animated
    # Ticks of an animation, then samples of 12 bits; samples of 9 bits; of 16 bits in floating point.
    ticks = ((2, 2), (24, 10), (0, 2), (1, 2), (3, 3), (0, 1))
    assert jxl_head(_bits(*animated, *ticks, (0, 1), (2, 2))).bits == 12
    assert jxl_head(_bits(*size, (0, 1), (0, 1), (0, 1), (3, 2), (8, 6))).bits == 9
    assert jxl_head(_bits(*size, (0, 1), (0, 1), (1, 1), (1, 2), (4, 4))).bits == 16
    assert jxl_head(_bits(*size, (1, 1))).bits == 8


def _box(kind: bytes, *bodies: bytes) -> bytes:
    return (8 + sum(map(len, bodies))).to_bytes(4, "big") + kind + b"".join(bodies)


def _ifd(entries: dict[int, tuple[int, int, bytes]]) -> bytes:
    """A small TIFF file with one directory of inline values."""
    lines = b"".join(
        struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0") for tag, (kind, count, value) in entries.items()
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + lines + bytes(4)


def _raf(exif: bytes) -> bytes:
    body = b"Exif\0\0" + exif
    preview = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + b"\xff\xd9"
    return b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 200, len(preview)) + bytes(108) + preview


def _cr3() -> bytes:
    identifier = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    first = _ifd({0x0110: (2, 4, b"R5\0"), 0x8769: (4, 1, b"\x63")})
    exif = _ifd({0x9000: (7, 4, b"0231"), 0xA002: (3, 1, b"\x80\x1f")})
    gps = _ifd({0x0001: (2, 2, b"N\0")})
    boxes = _box(b"CMT1", first), _box(b"CMT2", exif), _box(b"CMT3", _ifd({1: (3, 1, b"")})), _box(b"CMT4", gps)
    return _box(b"ftyp", b"crx \0\0\0\1") + _box(b"moov", _box(b"uuid", identifier, *boxes)) + _box(b"mdat", bytes(9))


def test_exif_of_camera_raw():
    exif = exif_block()
    for magic in (b"RO", b"RS", b"U\0"):  # ORF and RW2
        found = _tags(raw_exif(b"II" + magic + exif[4:]))
        assert found["main", 0x010F][-7:-1] == b"Camera"
        assert found["exif", 0x927C] == MAKER_NOTE
    assert raw_exif(_raf(exif)) == exif
    found = _tags(raw_exif(_cr3()))
    assert found["main", 0x0110] == b"R5\0\0"
    assert found["exif", 0x9000] == b"0231"
    assert found["gps", 0x0001] == b"N\0"
    panasonic = _ifd({0x0001: (7, 4, b"0410"), 0x0002: (3, 1, b"\x80\x10"), 0x0110: (2, 4, b"G9\0")})
    assert set(_tags(raw_exif(b"IIU\0" + panasonic[4:]))) == {("main", 0x0110)}


def test_damaged_camera_raw_has_no_exif():
    generator = np.random.default_rng(1)
    for whole in (_raf(exif_block()), _cr3(), b"IIRO" + exif_block()[4:], b"MMOR" + exif_block(">")[4:]):
        for _ in range(200):
            data = bytearray(whole)
            for place in generator.integers(0, len(data), 6):
                data[place] = generator.integers(256)
            found = raw_exif(bytes(data[: generator.integers(len(data))]))
            assert found is None or found[:2] in (b"II", b"MM")


def _tags(exif: bytes) -> dict:
    return {(part, tag): value for part, entries in raw_values(exif).items() for tag, value in entries.items()}


REGION = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:a="http://ns.adobe.com/xmp/sType/Area#" a:x="0.2" a:y="0.3" a:w="0.1" a:h="0.2" '
    b'a:unit="normalized"/></rdf:RDF></x:xmpmeta>'
)


def _turned(format: str) -> bytes:
    image = Image.fromarray(cat())
    exif = b"Exif\0\0" + exif_block(turn=6, size=(90, 60))
    if format == "TIFF":
        file = io.BytesIO()
        tags = [(700, 1, len(REGION), REGION, True), (274, 3, 1, 6, True)]
        tifffile.imwrite(file, cat(), photometric="rgb", metadata=None, extratags=tags)
        return file.getvalue()
    if format == "JXL":
        coded = bytes(imagecodecs.jpegxl_encode(cat(), lossless=True))
        return with_boxes(coded, [(b"Exif", bytes(4) + exif[6:]), (b"xml ", REGION)])
    if format == "HEIF":
        return _heif(cat(), exif=exif, xmp=REGION)
    return plain(image, format, exif=exif, xmp=REGION)


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "AVIF", "WEBP", "HEIF", "JXL"])
def test_regions_are_turned_with_the_pixels(format):
    if format == "JXL":
        pytest.importorskip("pillow_jxl", reason="pip install 'sr_gan_tf[formats]'")
    picture = read_image(_turned(format))
    # In JPEG XL, EXIF's orientation does not count.
    turned = format != "JXL"
    size = (60, 90) if turned else (90, 60)
    assert picture.pixels.shape[1::-1] == size
    metadata = picture.metadata.resized(size, (2 * size[0], 2 * size[1]), "sr_gan_tf")
    expected = (b'a:x="0.7"', b'a:y="0.2"', b'a:w="0.2"') if turned else (b'a:x="0.2"', b'a:y="0.3"', b'a:w="0.1"')
    assert all(value in metadata.xmp for value in expected), metadata.xmp
    if format not in ("TIFF",):
        # The subject's area, (30, 20) and 10 x 6 pixels in the file.
        area = struct.unpack("<4H", _tags(metadata.exif)["exif", 0x9214])
        assert area == ((80, 60, 12, 20) if turned else (60, 40, 20, 12))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", ["heic", "jxl"])
def test_deep_samples_are_written(tmp_path, suffix, channels):
    pytest.importorskip({"heic": "pillow_heif", "jxl": "pillow_jxl"}[suffix], reason="pip install 'sr_gan_tf[formats]'")
    ramp = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(64, 48, 1)
    pixels = np.repeat(ramp, 1 if channels <= 2 else 3, axis=2)
    alpha = ramp[::-1, :, 0].copy() if channels in (2, 4) else None
    before = read_image(plain(Image.new("RGB", (8, 8)), "PNG", exif=exif_block())).metadata
    for quality, tolerance in ((100, {"heic": 300, "jxl": 0}[suffix]), (80, 3000)):
        write_image(tmp_path / f"a.{suffix}", pixels, alpha, before, quality)
        after = read_image(tmp_path / f"a.{suffix}")
        assert after.pixels.dtype == np.uint16
        assert np.abs(after.pixels.astype(int) - pixels)[16:-16].max() <= tolerance
        assert (after.alpha is None) == (alpha is None)
        assert _tags(after.metadata.exif)["exif", 0x927C] == MAKER_NOTE


def test_samples_that_a_format_cannot_store_are_named():
    deep, alpha = np.zeros((4, 4, 3), np.uint16), np.full((4, 4), 65535, np.uint16)
    assert Encoding("PNG").unkept(deep, alpha) == Encoding("HEIF").unkept(deep, alpha) == ()
    assert Encoding("AVIF").unkept(deep, None) == ("more than 8 bits per sample",)
    every = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    assert Encoding("HEIF").unkept(widened(every, 10), None) == ()
    for finer in (widened(every * 4 + 1, 12), every * 64 + 1):
        assert Encoding("HEIF").unkept(finer, None) == ("more than 10 bits per sample",)
        assert Encoding("PNG").unkept(finer, None) == ()
    assert Encoding("JPEG").unkept(deep.astype(np.uint8), alpha) == ()  # opaque
    alpha[0, 0] = 9
    assert Encoding("JPEG").unkept(deep.astype(np.uint8), alpha) == ("transparency (shown over white)",)
