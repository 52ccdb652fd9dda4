"""Animations: every frame and duration kept, one frame after another, however many."""

import io
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.pictures.encoding import Encoding, encode_animation
from sr_gan_tf.pictures.metadata import NOTHING
from sr_gan_tf.pictures.reading import read_frames, read_header
from sr_gan_tf.upscale import main

FORMATS = ("GIF", "WEBP", "PNG", "AVIF")


def frames_of(count, channels=3, size=(24, 31)):
    """Smooth frames, each of another color, with a transparent quarter where there is alpha."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    for number in range(count):
        planes = [(rows * 4 + columns * 2 + number * 9 * (plane + 1)) % 200 for plane in range(3)]
        colors = np.stack(planes[: 1 if channels <= 2 else 3], axis=2).astype(np.uint8)
        if channels in (2, 4):
            alpha = np.full((*size, 1), 255, np.uint8)
            alpha[: size[0] // 2, : size[1] // 2] = 0
            colors = np.concatenate([colors, alpha], axis=2)
        yield colors, 40 + 10 * (number % 3), NOTHING


def written(format, frames, **options) -> bytes:
    file = io.BytesIO()
    encode_animation(file, frames, 0, Encoding(format, 100), **options)
    return file.getvalue()


def _without_seconds(data: bytes) -> list[tuple[bytes, int]]:
    """An AVIF file contains the second in which it was written, so only its frames can be compared."""
    return [(frame.pixels.tobytes(), frame.duration) for frame in read_frames(data)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("format", FORMATS)
def test_frames_and_durations_are_kept(format, channels):
    expected = list(frames_of(7, channels))
    data = written(format, iter(expected), count=7, channels=channels)
    again = written(format, expected)  # number and channels found from the frames: the same
    assert data == again or (format == "AVIF" and _without_seconds(data) == _without_seconds(again))
    header = read_header(data)
    assert (header.frames, header.width, header.height) == (7, 31, 24)
    assert header.loop in (0, None)
    found = list(read_frames(data))
    assert [frame.duration for frame in found] == [duration for _, duration, _ in expected]
    # Of colors GIF has 256, which may be any for so many levels; the others are lossless or nearly so.
    tolerance = {"GIF": 24, "AVIF": 24}.get(format, 0)
    for frame, (pixels, _, _) in zip(found, expected, strict=True):
        colors, alpha = (pixels[..., :-1], pixels[..., -1]) if channels in (2, 4) else (pixels, None)
        visible = np.ones(pixels.shape[:2], bool) if alpha is None else alpha > 0
        assert np.abs(frame.pixels.astype(int) - colors)[visible].max() <= tolerance
        if alpha is not None:
            assert np.array_equal(frame.alpha > 127, alpha > 127)


@pytest.mark.parametrize("format", FORMATS)
def test_frames_that_differ_in_channels(format):
    mixed = [list(frames_of(3, channels))[number] for number, channels in enumerate((1, 3, 4))]
    found = list(read_frames(written(format, mixed)))
    assert len(found) == 3
    assert found[2].alpha is not None
    assert found[2].alpha[0, 0] == 0


@pytest.mark.parametrize("format", FORMATS)
def test_memory_holds_a_few_frames(format):
    alive, most = [0], [0]

    class Counted(np.ndarray):
        def __array_finalize__(self, other):
            pass

        def __del__(self):
            if self.base is None:
                alive[0] -= 1

    def counted():
        for pixels, duration, metadata in frames_of(60):
            frame = Counted(pixels.shape, pixels.dtype)
            frame[:] = pixels
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            yield frame, duration, metadata
            del frame

    assert read_header(written(format, counted(), count=60, channels=3)).frames == 60
    assert most[0] <= 3


@pytest.mark.parametrize("format", FORMATS)
def test_fewer_frames_than_were_announced(format):
    with pytest.raises(ValueError, match="the animation has 4 frames"):
        written(format, frames_of(4), count=6, channels=3)


def test_a_gif_shows_its_loop_and_comment():
    for loop, repeats in ((None, None), (0, 0), (3, 3)):
        file = io.BytesIO()
        encode_animation(file, list(frames_of(2)), loop, Encoding("GIF"))
        with Image.open(file) as image:
            assert image.info.get("loop") == repeats
            assert image.n_frames == 2


def _long_animation(path, count):
    frames = [Image.new("P", (8, 8), number % 256) for number in range(count)]
    for frame in frames:
        frame.putpalette(bytes(range(256)) * 3)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, loop=0)


@pytest.fixture
def few_descriptors():
    """Forty files more than are open may be opened."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 40, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted on Linux")
@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_more_frames_than_open_files(network, model, tmp_path, few_descriptors, suffix):
    _long_animation(tmp_path / "long.gif", 120)
    assert main([str(tmp_path / "long.gif"), "-o", str(tmp_path / f"large.{suffix}"), "--model", model]) == 0
    with Image.open(tmp_path / f"large.{suffix}") as image:
        assert image.size == (16, 16)
        assert image.n_frames == 120  # equal neighbors may be one frame to an encoder; here no two are


def _through_the_command(tmp_path, model, count, suffix, descriptors, seconds):
    _long_animation(tmp_path / "long.gif", count)
    code = (
        "import resource, sys\n"
        "from sr_gan_tf.upscale import main\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))\n"
        "code = main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "sys.exit(code)\n"
    )
    target = tmp_path / f"large_{count}.{suffix}"
    arguments = [str(tmp_path / "long.gif"), "-o", str(target), "--model", model]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    with Image.open(target) as image:
        assert image.size == (16, 16)
        # Equal neighbors may be one frame to an encoder; here no two are.
        assert image.n_frames == count
    return int(done.stdout.split()[-1]) / 1024


@pytest.mark.long
@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "avif"])
def test_ten_thousand_frames(network, model, tmp_path, suffix):
    few = _through_the_command(tmp_path, model, 500, suffix, 128, 600)
    many = _through_the_command(tmp_path, model, 10_000, suffix, 128, 3000)
    assert many - few < 150


def test_damage_in_a_late_frame_shows_before_the_work(model, tmp_path, capsys):
    frames = [Image.fromarray(pixels) for pixels, _, _ in frames_of(5)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    data = (tmp_path / "a.png").read_bytes()
    place = data.rindex(b"fdAT") + 12
    (tmp_path / "a.png").write_bytes(data[:place] + bytes(40) + data[place + 40 :])
    assert main([str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--model", model]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "b.png").exists()
