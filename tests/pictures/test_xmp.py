"""XMP: sizes, regions, promises that are no longer true, and packets too long for a segment of JPEG."""

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.pictures import xmp
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.reading import read_image, write_image

BEFORE, AFTER = (90, 60), (360, 240)


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
        (
            _packet('xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:FocalPlaneXResolution="6000/10"'),
            b'exif:FocalPlaneXResolution="2400/1"',
        ),
        (
            _packet('xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:FocalPlaneXResolution="n/a"'),
            b'exif:FocalPlaneXResolution="n/a"',
        ),
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
