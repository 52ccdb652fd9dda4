"""Animations: which frames are shown, and what of them is lost."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from picture_kinds import cat, plain
from PIL import Image

from sr_gan_tf.pictures.reading import read_frames, read_header, read_image


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _animated_png(frames: list[np.ndarray], before: np.ndarray | None = None) -> bytes:
    """An animated PNG, after a still picture that only other programs show."""
    height, width, _ = frames[0].shape
    bits = 8 * frames[0].dtype.itemsize
    sequence = iter(range(100))

    def packed(values: np.ndarray) -> bytes:
        return zlib.compress(b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in values))

    parts = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))]
    parts.append(_chunk(b"acTL", struct.pack(">II", len(frames), 0)))
    if before is not None:
        parts.append(_chunk(b"IDAT", packed(before)))
    for number, frame in enumerate(frames):
        timing = struct.pack(">IIIIIHHBB", next(sequence), width, height, 0, 0, 1, 10, 0, 0)
        parts.append(_chunk(b"fcTL", timing))
        kind = (b"fdAT", struct.pack(">I", next(sequence))) if number or before is not None else (b"IDAT", b"")
        parts.append(_chunk(kind[0], kind[1] + packed(frame)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + _chunk(b"IEND", b"")


@pytest.mark.parametrize("count", [1, 3])
def test_the_still_picture_before_an_animation_is_no_frame(count):
    frames = [np.full((6, 8, 3), 50 * number, np.uint8) for number in range(count)]
    coded = _animated_png(frames, before=np.full((6, 8, 3), 200, np.uint8))
    assert read_header(coded).frames == count
    pictures = list(read_frames(coded))
    assert [picture.pixels.max() for picture in pictures] == [frame.max() for frame in frames]
    assert pictures[0].metadata.lost == ("the still picture before the animation",)
    assert read_image(_animated_png(frames)).metadata.lost == ()


def test_the_depth_of_an_animation_that_is_lost_is_said():
    deep = np.full((6, 8, 3), 50001, np.uint16)
    said = ("more than 8 bits per sample of an animation",)
    assert read_image(_animated_png([deep, deep])).metadata.lost == said
    still = read_image(bytes(imagecodecs.png_encode(deep)))
    assert still.pixels.dtype == np.uint16
    assert still.metadata.lost == ()
    frames = np.repeat(cat()[None].astype(np.uint16) * 4, 2, 0)
    assert read_image(bytes(imagecodecs.avif_encode(frames, bitspersample=10))).metadata.lost == said


def test_frames_that_are_read_are_not_called_lost():
    frames = [Image.fromarray(cat()), Image.fromarray(cat()[::-1])]
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:])
    assert read_header(file.getvalue()).frames == 2
    assert read_image(file.getvalue()).metadata.lost == ()
    assert read_image(plain(frames[0], "AVIF")).metadata.lost == ()
