"""Files that are no pictures are named for what they are; pictures with a harmless defect are read."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import read_image


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("kind", "body", "good"), [(b"gAMA", b"abc", False), (b"gAMA", b"abc", True), (b"pHYs", b"a", True)]
)
def test_a_png_with_a_chunk_of_a_wrong_length_is_read(kind, body, good, deep):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.uint16 if deep else np.uint8)
    coded = imagecodecs.png_encode(pixels)
    check = zlib.crc32(kind + body) ^ (not good)
    picture = read_image(
        coded[:33] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check) + coded[33:]
    )
    assert np.array_equal(picture.pixels, pixels)
    assert picture.metadata.lost == (f"the damaged chunk {kind.decode()}",)


@pytest.mark.parametrize("deep", [False, True])
def test_the_pixels_own_checksum_decides(deep):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.uint16 if deep else np.uint8)
    coded = imagecodecs.png_encode(pixels)
    assert np.array_equal(read_image(coded[:-16] + b"abcd" + coded[-12:]).pixels, pixels)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"8BPS\0\1" + bytes(60), "no picture that can be read, but a Photoshop document"),
        (b"<html>404", "no picture that can be read, but a web page"),
        (b"hello", "no picture that can be read; expected"),
        (b"\x89PNG\n\x1a\n" + bytes(9), "but a PNG whose line ends were converted"),
        (b"\n<!DOCTYPE html><html>", "no picture that can be read, but a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "no picture that can be read, but a Git LFS pointer .* run git lfs pull",
        ),
        (b"\0\0\0\x18ftypisom" + bytes(50), "no picture that can be read, but a film"),
        (b"\0\0\0\x14ftypavif" + bytes(8) + b"\0\0\0\0mdat" + bytes(50), "but a damaged AVIF|damaged .*picture"),
        (b"\xff\xd8\xff\xf7" + bytes(50), "no picture that can be read, but JPEG-LS"),
        (bytes(range(80)), "no picture that can be read; expected"),
    ],
)
def test_files_of_other_kinds_are_named(content, said):
    with pytest.raises(InputError, match=said):
        read_image(content)


def test_warnings_of_a_decoder_become_remarks_of_the_file(capfd):
    coded = imagecodecs.png_encode(np.zeros((8, 8, 3), np.uint16))
    place = coded.index(b"IDAT") - 4
    palette = b"PLTE" + bytes(4)
    odd = coded[:place] + struct.pack(">I", 4) + palette + struct.pack(">I", zlib.crc32(palette)) + coded[place:]
    assert read_image(odd).metadata.remarks == ("the decoder warns: PLTE: invalid",)
    assert read_image(coded).metadata.remarks == ()
    assert capfd.readouterr() == ("", "")
