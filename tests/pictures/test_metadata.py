"""Metadata byte for byte: EXIF, XMP, IPTC, Photoshop's resources, texts, and what is said of the rest."""

import io
import struct

import numpy as np
import pytest
import tifffile
from exif_blocks import ARTIST, MAKER_NOTE, exif_block, raw_values
from PIL import Image

from sr_gan_tf.pictures import exif, xmp
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


def _packet(properties: str, inner: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<rdf:Description rdf:about='' {properties}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


_PANO = 'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
_REGIONS = (
    'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"'
)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (_packet(f'{_PANO} GPano:FullPanoWidthPixels="90"'), b'FullPanoWidthPixels="360"'),
        (_packet(_PANO, "<GPano:CroppedAreaTopPixels>7</GPano:CroppedAreaTopPixels>"), b"Pixels>28</GPano:"),
        (_packet(f'{_PANO.replace("GPano", "p")} p:FullPanoHeightPixels="60"'), b'p:FullPanoHeightPixels="240"'),
        (
            _packet(_REGIONS, '<mwg-rs:R><mwg-rs:A stDim:w="90" stDim:h="60" stDim:unit="pixel"/></mwg-rs:R>'),
            b'stDim:w="360" stDim:h="240"',
        ),
        (_packet(_REGIONS, '<mwg-rs:A stDim:w="90" stDim:unit="inch"/>'), b'stDim:w="90"'),
        (_packet('xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"'), b'tiff:Orientation="1"'),
    ],
)
def test_sizes_in_xmp(packet, expected):
    result, lost = xmp.resized(packet, BEFORE, AFTER)
    assert expected in result
    assert not lost


def test_regions_turn_with_the_picture():
    packet = _packet(
        _REGIONS, '<mwg-rs:A stArea:x="0.25" stArea:y="0.1" stArea:w="0.2" stArea:h="0.4" stArea:unit="normalized"/>'
    )
    result, _ = xmp.resized(packet, (60, 90), (240, 360), turn=6)
    assert b'stArea:x="0.9" stArea:y="0.25" stArea:w="0.4" stArea:h="0.2"' in result


def test_promises_are_removed_and_named():
    packet = _packet(
        'xmlns:g="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:c="http://ns.google.com/photos/1.0/camera/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" g:Version="1.0" c:MotionPhoto="1" c:MicroVideoOffset="50" '
        'dc:format="kept"',
        "<g:GainMapMax>3.5</g:GainMapMax>",
    )
    result, lost = xmp.resized(packet, BEFORE, AFTER)
    assert set(lost) == {"gain map", "video"}
    assert b"kept" in result
    assert not any(word in result for word in (b"Version", b"GainMapMax", b"MotionPhoto=", b"MicroVideoOffset"))


def test_xmp_that_needs_no_change_keeps_its_bytes():
    for packet in (
        _packet("xmlns:dc='http://purl.org/dc/elements/1.1/' dc:title='<' ")[:-3],
        _packet("", "<!-- é -->"),
    ):
        assert xmp.resized(packet, BEFORE, AFTER) == (packet, ())


@pytest.mark.parametrize("large", ["attribute", "element", "descriptions"])
def test_large_xmp_in_jpeg(tmp_path, large):
    words = "lorem &amp; ipsum é " * 6000
    names = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:p="http://ns.adobe.com/photoshop/1.0/"'
    packet = {
        "attribute": _packet(f'{names} dc:title="T" p:History="{words}"'),
        "element": _packet(f'{names} dc:title="T"', f"<p:History>{words}</p:History>"),
        "descriptions": _packet(f'{names} dc:title="T"').replace(
            b"</rdf:RDF>",
            f"<rdf:Description {names}><p:History>{words}</p:History></rdf:Description></rdf:RDF>".encode(),
        ),
    }[large]
    path = tmp_path / "large.jpg"
    write_image(path, np.zeros((8, 8, 3), np.uint8), metadata=Metadata(xmp=packet))
    with Image.open(path) as image:
        main = image.info["xmp"]
    assert len(main) < 65503
    assert b'dc:title="T"' in main
    back = read_image(path).metadata
    assert not back.lost
    # Whole again, and without the pointer to another part.
    assert words.encode() in back.xmp
    assert b'dc:title="T"' in back.xmp
    assert b"HasExtendedXMP" not in back.xmp
    # A part that is missing is said.
    data = path.read_bytes()
    place = data.index(b"http://ns.adobe.com/xmp/extension/\0")
    broken = data[:place] + data[place:].replace(b"xmp/extension/", b"xmp/other_one/", 1)
    assert read_image(broken).metadata.lost == ("damaged part of XMP",)


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
    assert read_image(path).metadata.lost == ("800 bytes behind the picture (a video, gain map or another picture)",)


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_resolution_by_exif(format):
    file = io.BytesIO()
    pixels = np.zeros((16, 16, 3), np.uint8)
    encode(file, [pixels], pixels.shape, pixels.dtype, Encoding(format), Metadata(exif=exif_block(), dpi=(300, 200)))
    back = read_image(file.getvalue()).metadata
    assert back.dpi == (300, 200)
    assert raw_values(back.exif)["main"][0x013B] == ARTIST + b"\0"
