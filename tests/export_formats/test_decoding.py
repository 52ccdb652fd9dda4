"""Files inside a graph: every kind decoded, every damage answered by a sentence."""

import io

import numpy as np
import pytest
import tensorflow as tf
from files import COLOR, HEIGHT, RGBA, WIDTH, damaged, encoded, files
from PIL import Image

from sr_gan_tf.export_formats.decoding import ANIMATED, DAMAGED, EMPTY, UNKNOWN, Decoder
from sr_gan_tf.export_formats.transparency import extended_colors_tf
from sr_gan_tf.inference import alpha
from sr_gan_tf.pictures.reading import read_image


@pytest.fixture(scope="module")
def decode():
    return tf.function(Decoder(0.05), autograph=False, input_signature=[tf.TensorSpec((), tf.string)])


def _samples(content: bytes) -> np.ndarray:
    picture = read_image(content)
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


def test_every_kind_is_decoded_as_by_the_upscale_command(decode):
    for kind, content in files().items():
        eight, sixteen, status = (item.numpy() for item in decode(content))
        found = sixteen if "16 bits" in kind else eight
        assert status == b"", kind
        assert (eight.size == 0) != (sixteen.size == 0), kind
        np.testing.assert_array_equal(found, _samples(content), err_msg=kind)


def test_what_cannot_be_used_has_a_status(decode):
    animation = encoded("WEBP", save_all=True, append_images=[Image.fromarray(COLOR[::-1].copy())])
    large = encoded("PNG", np.zeros((300, 200, 3), np.uint8))
    cases = {
        b"": EMPTY,
        b"no picture": UNKNOWN,
        encoded("GIF"): UNKNOWN,
        encoded("TIFF"): UNKNOWN,
        animation: ANIMATED,
        files()["PNG"][:-40]: DAMAGED,
        files()["JPEG"][:200]: DAMAGED,
        files()["WebP"][:100]: DAMAGED,
        files()["PNG"][:20]: DAMAGED,
        large: "image of 200x300 pixels is larger than the limit of 0.05 megapixels",
    }
    for content, wanted in cases.items():
        eight, sixteen, status = (item.numpy() for item in decode(content))
        assert status.decode() == wanted
        assert eight.size == sixteen.size == 0


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_sizes_are_judged_by_the_header(decode, format):
    # No pixel can be decoded from what is left: the header alone must say it.
    content = encoded(format, np.zeros((777, 555, 3), np.uint8))
    header = content[: max(30, content.find(b"\xff\xda") + 20)]
    assert decode(header)[2].numpy().startswith(b"image of 555x777 pixels is larger")
    extended = encoded(format, np.zeros((777, 555, 3), np.uint8), exif=b"Exif\0\0" + b"\0" * 30)
    assert decode(extended)[2].numpy().startswith(b"image of 555x777 pixels is larger")
    if format == "WEBP":
        for settings in ({"lossless": True}, {"quality": 50}):
            content = encoded(format, np.zeros((777, 555, 3), np.uint8), **settings)
            assert decode(content[:40])[2].numpy().startswith(b"image of 555x777 pixels is larger")


def _fuzz(decode, contents):
    decoded = 0
    for content in contents:
        eight, sixteen, status = (item.numpy() for item in decode(content))
        if status:
            assert eight.size == sixteen.size == 0
        else:
            assert max(eight.size, sixteen.size) > 0
            decoded += 1
    return decoded


def test_two_hundred_damaged_files(decode):
    decoded = _fuzz(decode, damaged(200))
    assert 0 < decoded < 120  # some damage does not show, most does


@pytest.mark.long
def test_ten_thousand_damaged_files(decode):
    _fuzz(decode, damaged(10_000, seed=1))


def test_colors_behind_transparent_pixels():
    extend = tf.function(
        extended_colors_tf,
        autograph=False,
        input_signature=[tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((None, None), tf.uint8)],
    )
    generator = np.random.default_rng(3)
    for height, width, dtype in ((1, 1, np.uint8), (HEIGHT, WIDTH, np.uint8), (40, 7, np.uint8), (5, 66, np.uint8)):
        pixels = generator.integers(0, np.iinfo(dtype).max, (height, width, 3)).astype(dtype)
        for part in (0.0, 0.05, 0.5, 1.0):
            opacity = (generator.random((height, width)) < part).astype(dtype)
            np.testing.assert_array_equal(extend(pixels, opacity).numpy(), alpha.extended_colors(pixels, opacity))


def test_an_oriented_photograph_is_decoded_as_it_lies(decode):
    # Said in the document: the server sees pixels, not metadata.
    image, file = Image.fromarray(RGBA[..., :3]), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(file, "JPEG", exif=exif)
    assert decode(file.getvalue())[0].shape == (HEIGHT, WIDTH, 3)
