"""Damaged files of the extra formats: a clear error or a picture, in bounded time, by the decoders alone."""

import io
import subprocess
import sys
import time

import imagecodecs
import numpy as np
import pytest
import tifffile
from damaged_files import damaged
from light_process import WITHOUT_TENSORFLOW
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.animations import write_gif, write_png
from sr_gan_tf.pictures.metadata import NOTHING
from sr_gan_tf.pictures.reading import read_frames, read_header


def originals() -> dict[str, bytes]:
    """Small pictures of the formats whose packages are installed."""
    from test_extra_formats import XMP, dng, exif, heic, jxl

    rows, columns = np.mgrid[0:24, 0:40]
    picture = np.stack([rows * 9, columns * 6, rows * columns], axis=2).astype(np.uint8)
    frames = [(Image.fromarray(np.roll(picture, number, axis=1)), 40) for number in range(3)]
    gif, png = io.BytesIO(), io.BytesIO()
    write_gif(gif, frames, 0, b"comment")
    write_png(png, frames, 3, 0, NOTHING)
    planes, coded = np.moveaxis(np.concatenate([picture, picture[..., :2]], axis=2), -1, 0).copy(), io.BytesIO()
    options = {"planarconfig": "separate", "extrasamples": ["unassalpha", "unspecified"], "metadata": None}
    tifffile.imwrite(coded, planes, photometric="rgb", **options)
    extended = gif.getvalue()[:-1] + b"!\xff\x0bXMP DataXMP<x/>\x01\xff\xfe\xfd\0;"
    return {
        "jxl animated": bytes(imagecodecs.jpegxl_encode(np.stack([picture, picture + 1]), lossless=True)),
        "tiff in planes": coded.getvalue(),
        "gif extended": extended,
        "heic": heic(picture, exif=exif(6), xmp=XMP),
        "heic gray": heic(picture[..., 0]),
        "jxl": jxl(picture, exif=exif(), xmp=XMP),
        "jxl bare": bytes(imagecodecs.jpegxl_encode(picture.astype(np.uint16) * 257, lossless=True)),
        "dng": dng(24, 40),
        "gif": gif.getvalue(),
        "png": png.getvalue(),
    }


def run(count: int, seed: int) -> None:
    """Reads `count` damaged files; each is a picture or an InputError of one line."""
    generator = np.random.default_rng(seed)
    whole = originals()
    read, refused, slowest = 0, 0, (0.0, "")
    for index in range(count):
        kind = list(whole)[index % len(whole)]
        content = damaged(whole[kind], generator)
        start = time.process_time()
        try:
            header = read_header(content, 0.02, "damaged")
            pictures = list(read_frames(content, 0.02, "damaged"))
            assert pictures
            assert header.width * header.height <= 20_000
            read += 1
        except InputError as error:
            assert "\n" not in str(error), error
            assert "damaged" in str(error)
            refused += 1
        slowest = max(slowest, (time.process_time() - start, kind))
    assert slowest[0] < 20, slowest
    print(f"{count} damaged files: {read} read, {refused} refused, the slowest in {slowest[0]:.2f} s ({slowest[1]})")


def _in_a_process(count: int, seed: int) -> str:
    """A decoder that ends the process must not end the tests."""
    code = (
        f"{WITHOUT_TENSORFLOW}sys.path[:0] = {sys.path!r}; import test_decoder_fuzz as fuzz; fuzz.run({count}, {seed})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60 + count)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout


@pytest.fixture(autouse=True)
def packages():
    for name in ("pillow_heif", "pillow_jxl", "rawpy"):
        pytest.importorskip(name, reason="pip install 'sr_gan_tf[formats]'")


def test_damaged_files():
    assert "140 damaged files" in _in_a_process(140, 1)


@pytest.mark.long
def test_ten_thousand_damaged_files():
    said = _in_a_process(10_000, 2)
    print(said)
    assert int(said.split(": ")[1].split()[0]) > 500
