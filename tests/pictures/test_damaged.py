"""Damaged files of every kind, metadata included: one line that names them, or a picture that can be written."""

import io
import time

import numpy as np
import pytest
from picture_kinds import KINDS

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.encoding import Encoding, encode
from sr_gan_tf.pictures.reading import joined, read_image

_FORMATS = ("PNG", "TIFF", "JPEG", "WEBP", "AVIF", "GIF", "BMP")


def _damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """Some bytes changed, mostly among those of the header and the metadata, or the end cut off."""
    result = bytearray(content)
    if draw.random() < 0.15:
        return bytes(result[: draw.integers(len(result))])
    end = len(result) if draw.random() < 0.4 else min(len(result), 3000)
    for place in draw.integers(end, size=draw.choice([1, 2, 5, 20])):
        result[place] = draw.choice([0, 1, 127, 255, int(draw.integers(256))])
    if draw.random() < 0.1:
        place = draw.integers(end)
        del result[place : place + draw.integers(1, 50)]
    return bytes(result)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_damaged_pictures_of_every_kind(count):
    draw = np.random.default_rng(count)
    files = [make() for make in KINDS.values()]
    read, slowest = 0, 0.0
    for number in range(count):
        content = _damaged(files[number % len(files)], draw)
        start = time.process_time()
        try:
            picture = read_image(content, max_megapixels=1, name="damaged.png")
        except InputError as error:
            assert "damaged.png" in str(error)
            assert "\n" not in str(error)
            continue
        read += 1
        height, width = picture.pixels.shape[:2]
        metadata = picture.metadata.resized((width, height), (2 * width, 2 * height), "sr_gan_tf")
        encoding = Encoding(_FORMATS[number // len(files) % len(_FORMATS)])
        samples = joined(picture.pixels, picture.alpha, encoding)
        assert isinstance(metadata.unkept(encoding.format, samples.shape[2]), tuple)
        file = io.BytesIO()
        encode(file, [samples], samples.shape, samples.dtype, encoding, metadata)
        assert read_image(file.getvalue()).pixels.shape[:2] == (height, width)
        slowest = max(slowest, time.process_time() - start)
    assert count / 10 < read < count
    assert slowest < 20
