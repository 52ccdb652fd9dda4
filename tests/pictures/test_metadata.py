"""Metadata byte for byte: EXIF, IPTC, Photoshop's resources, texts, and what is said of the rest."""

import io
import struct

import numpy as np
import pytest
import tifffile
from exif_blocks import ARTIST, MAKER_NOTE, exif_block, raw_values
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from sr_gan_tf.pictures import exif
from sr_gan_tf.pictures.encoding import Encoding, encode
from sr_gan_tf.pictures.exif_in_tiff import from_tiff
from sr_gan_tf.pictures.metadata import Metadata, text
from sr_gan_tf.pictures.reading import read_image, write_image

BEFORE, AFTER = (90, 60), (360, 240)
_CHANGED = {0x0112, 0x0131, 0x011A, 0x011B, 0x0128, 0xA002, 0xA003, 0x1001, 0x1002, 0x9214}
_POINTERS = {0x8769, 0x8825, 0xA005}


def _unchanged(parts: dict) -> dict:
    return {
        (name, tag): value
        for name, part in parts.items()
        for tag, value in part.items()
        if tag not in _CHANGED | _POINTERS
    }


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_keeps_its_bytes_and_its_sizes_are_corrected(order, turn):
    block = exif_block(order, turn)
    # The EXIF says how the camera stored the picture; sizes are the upright picture's.
    before, after = (BEFORE, AFTER) if turn < 5 else (BEFORE[::-1], AFTER[::-1])
    result = exif.resized(block, before, after, "sr_gan_tf x4")
    parts = raw_values(result)
    assert _unchanged(parts).items() >= _unchanged(raw_values(block)).items()
    assert parts["main"][0x013B] == ARTIST + b"\0"
    assert parts["main"][0x0131] == b"sr_gan_tf x4\0"
    numbers = {tag: struct.unpack(order + "H", parts["exif"][tag])[0] for tag in (0xA002, 0xA003)}
    assert tuple(numbers.values()) == after
    assert tuple(struct.unpack(order + "H", parts["interoperability"][tag])[0] for tag in (0x1001, 0x1002)) == after
    assert parts["main"][0x0112] == struct.pack(order + "H", 1)
    # The maker note stands where it stood, since offsets in it count from the block's start.
    assert result.index(MAKER_NOTE) == block.index(MAKER_NOTE)
    assert b"TTTT" not in result
    # The subject's center, turned as the pixels are: 30, 20 of 90 x 60.
    corner = np.zeros((60, 90), np.uint8)
    corner[19:22, 29:32] = 1
    corner = corner.T if turn >= 5 else corner
    corner = corner[::-1] if turn in (3, 4, 7, 8) else corner
    corner = corner[:, ::-1] if turn in (2, 3, 6, 7) else corner
    y, x = (values.mean() for values in np.nonzero(corner))
    subject = struct.unpack(order + "4H", parts["exif"][0x9214])
    assert subject[:2] == pytest.approx((4 * x, 4 * y), abs=4)
    assert subject[2:] == ((40, 24) if turn < 5 else (24, 40))


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("resolution", [2000.5, 5504.587156, 0.23])
def test_the_sensor_keeps_its_size(turn, resolution):
    block = Image.Exif()
    block[0x0112] = turn
    block.get_ifd(0x8769).update({0xA20E: IFDRational(resolution), 0xA20F: IFDRational(2 * resolution), 0xA210: 3})
    result = exif.resized(block.tobytes()[6:], BEFORE, (3 * BEFORE[0], 4 * BEFORE[1]), "sr_gan_tf")
    found = [np.divide(*struct.unpack(">2I", raw_values(result)["exif"][tag])) for tag in (0xA20E, 0xA20F)]
    stored = [resolution, 2 * resolution] if turn == 1 else [2 * resolution, resolution]
    assert found == pytest.approx([3 * stored[0], 4 * stored[1]], rel=1e-6)


def test_a_sensor_without_a_size_stays():
    block = Image.Exif()
    block.get_ifd(0x8769).update({0xA20E: IFDRational(1, 0), 0xA20F: IFDRational(4_000_000_000)})
    result = exif.resized(block.tobytes()[6:], BEFORE, AFTER, "sr_gan_tf")
    assert struct.unpack(">2I", raw_values(result)["exif"][0xA20E])[1] == 0
    assert np.divide(*struct.unpack(">2I", raw_values(result)["exif"][0xA20F])) == pytest.approx(4e9)


def test_sizes_beyond_16_bits_and_no_exif():
    result = exif.resized(exif_block(), BEFORE, (90000, 60000), "x")
    assert raw_values(result)["exif"][0xA002] == struct.pack("<I", 90000)
    assert raw_values(exif.resized(None, BEFORE, AFTER, "software é"))["main"] == {
        0x0131: "software é".encode() + b"\0"
    }


@pytest.mark.parametrize("cut", [0, 3, 8, 9, 60, 120])
def test_damaged_exif_is_refused_or_followed(cut):
    block = exif_block()[:cut]
    if cut >= 60:
        block += b"\xff" * 8
    try:
        result = exif.resized(block or None, BEFORE, AFTER, "x")
    except exif.DamagedExif:
        return
    assert exif.directories(result)[1][0][0x0131].value == b"x\0"


def test_a_directory_that_cannot_be_followed_costs_itself_only():
    block = bytearray(exif_block())
    place = block.index(struct.pack("<HHI", 0x8825, 4, 1))
    block[place + 8 : place + 12] = struct.pack("<I", 10**6)
    parts = raw_values(exif.resized(bytes(block), BEFORE, AFTER, "x") + bytes(10**6))
    assert parts["main"][0x013B] == ARTIST + b"\0"
    assert "interoperability" in parts


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
def test_exif_in_every_format(tmp_path, order, suffix):
    block = exif.resized(exif_block(order), BEFORE, AFTER, "sr_gan_tf x4")
    path = tmp_path / f"out.{suffix}"
    pixels = np.random.default_rng(1).integers(0, 65536, (24, 36, 3)).astype(np.uint16)
    write_image(path, pixels, metadata=Metadata(exif=block))
    back = read_image(path)
    after = back.metadata.exif if suffix != "tif" else path.read_bytes()
    assert _unchanged(raw_values(after)).items() >= _unchanged(raw_values(block)).items()
    if suffix == "tif":
        assert after.index(MAKER_NOTE) == block.index(MAKER_NOTE)
        assert np.array_equal(tifffile.imread(path), pixels)
        again = raw_values(back.metadata.exif)
        assert _unchanged(again) == {
            key: value for key, value in _unchanged(raw_values(block)).items() if key != ("main", 0x0112)
        }
    if suffix in ("png", "tif"):
        assert np.array_equal(back.pixels, pixels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_in_a_big_tiff(monkeypatch, order):
    monkeypatch.setattr("sr_gan_tf.pictures.tiff_writer._LARGEST_CLASSIC", 100)
    block = exif.resized(exif_block(order), BEFORE, AFTER, "sr_gan_tf x4")
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (24, 36, 3)).astype(np.uint8)
    encode(file, [pixels], pixels.shape, pixels.dtype, Encoding("TIFF"), Metadata(exif=block))
    data = file.getvalue()
    assert data[2:4] in (b"\x2b\0", b"\0\x2b")
    after = raw_values(from_tiff(lambda place, count: data[place : place + count]))
    assert (
        _unchanged(after).items()
        >= {key: value for key, value in _unchanged(raw_values(block)).items() if key[1] != 0x0112}.items()
    )
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert np.array_equal(tiff.asarray(), pixels)
        assert tiff.pages[0].tags["ExifTag"].value["ExifVersion"] in ("0232", b"0232")


def test_png_texts_and_comments(tmp_path):
    texts = (
        (b"tEXt", b"parameters\0a cat"),
        (b"iTXt", b"Title\0\0\0de\0Titel\0" + "é".encode()),
        text(b"Comment", "größer".encode()),
    )
    metadata = Metadata(texts=texts)
    pixels = np.zeros((8, 8, 3), np.uint8)
    write_image(tmp_path / "a.png", pixels, metadata=metadata)
    assert read_image(tmp_path / "a.png").metadata.texts == texts
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["parameters"] == "a cat"
    for suffix in ("jpg", "gif"):
        write_image(tmp_path / f"a.{suffix}", pixels, metadata=metadata)
        assert read_image(tmp_path / f"a.{suffix}").metadata.comment() == "größer".encode()
    assert metadata.unkept("JPEG", 3) == ("text 'Title'", "text 'parameters'")
    assert metadata.unkept("PNG", 3) == ()
    assert metadata.unkept("TIFF", 3) == ("comment", "text 'Title'", "text 'parameters'")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_photoshop_resources(tmp_path, suffix):
    path_resource = b"8BIM" + struct.pack(">H", 2000) + b"\x04Path\0" + struct.pack(">I", 26) + bytes(range(26))
    iptc = b"\x1c\x02\x78\x00\x05hello"
    path = tmp_path / f"a.{suffix}"
    write_image(path, np.zeros((8, 8, 3), np.uint8), metadata=Metadata(iptc=iptc, photoshop=path_resource))
    back = read_image(path).metadata
    assert (back.iptc, back.photoshop) == (iptc, path_resource)


def test_what_stands_behind_a_jpeg_is_named(tmp_path):
    path = tmp_path / "motion.jpg"
    write_image(path, np.zeros((64, 64, 3), np.uint8))
    assert not read_image(path).metadata.lost
    path.write_bytes(path.read_bytes() + b"ftypmp42" * 100)
    assert read_image(path).metadata.lost == ("800 bytes after the picture (a video, gain map or another picture)",)


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_resolution_by_exif(format):
    file = io.BytesIO()
    pixels = np.zeros((16, 16, 3), np.uint8)
    encode(file, [pixels], pixels.shape, pixels.dtype, Encoding(format), Metadata(exif=exif_block(), dpi=(300, 200)))
    back = read_image(file.getvalue()).metadata
    assert back.dpi == (300, 200)
    assert raw_values(back.exif)["main"][0x013B] == ARTIST + b"\0"


def test_a_georeference_counts_in_the_new_pixels():
    values = {
        33550: [2.0, 4.0, 0.0],
        33922: [10.0, 20.0, 0.0, 500.0, 600.0, 0.0],
        34264: [2.0, 0.5, 0, 9, 0.25, 4.0, 0, 8],
    }
    values[34264] += [0.0] * 7 + [1.0]
    file = io.BytesIO()
    tags = [(tag, "d", len(numbers), numbers, True) for tag, numbers in values.items()]
    tifffile.imwrite(file, np.zeros((60, 90), np.uint8), photometric="minisblack", extratags=tags, metadata=None)
    metadata = read_image(file.getvalue()).metadata.resized(BEFORE, (360, 120), "x")
    out = io.BytesIO()
    encode(out, [np.zeros((120, 360, 1), np.uint8)], (120, 360, 1), np.uint8, Encoding("TIFF"), metadata)
    out.seek(0)
    with tifffile.TiffFile(out) as tiff:
        found = {tag: tiff.pages[0].tags[tag].value for tag in values}
    assert found[33550] == (0.5, 2.0, 0.0)
    assert found[33922] == (40.0, 40.0, 0.0, 500.0, 600.0, 0.0)
    assert found[34264][:8] == (0.5, 0.25, 0.0, 9.0, 0.0625, 2.0, 0.0, 8.0)


def test_blocks_of_a_jpeg_2000():
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file, "JPEG2000")
    coded = file.getvalue()
    profile = b"\0" * 16 + b"RGB " + b"\0" * 200
    color = struct.pack(">I", 11 + len(profile)) + b"colr\x02\0\0" + profile
    place = coded.index(b"jp2h") - 4
    length = struct.unpack_from(">I", coded, place)[0]
    header = struct.pack(">I", length + len(color)) + coded[place + 4 : place + length] + color
    packet, uuid = b"<x/>", bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    boxes = struct.pack(">I", 24 + len(packet)) + b"uuid" + uuid + packet
    boxes += struct.pack(">I", 24 + len(exif_block())) + b"uuidJpgTiffExif->JP2" + exif_block()
    metadata = read_image(coded[:place] + header + boxes + coded[place + length :]).metadata
    assert metadata.icc_profile == profile
    assert metadata.xmp == packet
    assert metadata.exif == exif_block()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
def test_a_turned_picture_is_not_turned_again(tmp_path, suffix):
    picture = Image.fromarray(np.kron(np.array([[255, 0], [0, 0], [0, 0]], np.uint8), np.ones((16, 16), np.uint8)))
    picture.save(tmp_path / "turned.jpg", exif=b"Exif\0\0" + exif_block(turn=6))
    first = read_image(tmp_path / "turned.jpg")
    assert first.pixels.shape[:2] == (32, 48)
    write_image(tmp_path / f"a.{suffix}", first.pixels, metadata=first.metadata)
    again = read_image(tmp_path / f"a.{suffix}")
    assert again.pixels.shape[:2] == (32, 48)
    assert np.abs(again.pixels.mean(axis=2) - first.pixels[..., 0]).max() < 20
