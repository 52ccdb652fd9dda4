"""Films: what is kept, what is computed once, what happens to broken, rotated and interrupted ones."""

import struct
from fractions import Fraction

import av
import keras
import numpy as np
import psutil
import pytest
from making import make, moving, read

from sr_gan_tf.errors import InputError
from sr_gan_tf.films.flicker import Stabilizer, flicker
from sr_gan_tf.films.frames import FrameEnlarger
from sr_gan_tf.films.reading import Frames, probe
from sr_gan_tf.films.work import default_target, enlarge_film
from sr_gan_tf.films.writing import Codec
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.inference.chain import load_chain
from sr_gan_tf.inference.passes import Settings

BEST = Codec(crf=1)


@pytest.fixture(scope="module")
def chain():
    keras.utils.set_random_seed(4)
    network = SPAN(
        scale=2, filters=8, num_blocks=1, merged=True, nearest_skip=True, input_gain=5.0, initial_output_gain=0.2
    )
    return load_chain([network], precision="float32")


def enlarged(path, chain, target, **options):
    options = {"settings": Settings(), "codec": BEST, **options}
    return enlarge_film(probe(path), target, chain, **options)


def test_every_frame_at_its_time(tmp_path, chain):
    # A variable rate, to the millisecond.
    times = [0, 40, 47, 121, 300, 301, 420, 500, 900, 1400]
    path = make(tmp_path / "in.mkv", moving(10), times=times)
    report = enlarged(path, chain, tmp_path / "out.mkv", segment=4)
    found = read(tmp_path / "out.mkv")
    assert [round(time * 1000) for time, _ in found] == times
    assert report.frames == 10
    # The picture is the network's, up to the encoder.
    originals = [pixels for _, pixels in read(path)]
    for (_, pixels), original in zip(found, originals, strict=True):
        assert pixels.shape == (64, 96, 3)
        exact = FrameEnlarger(chain, Settings())(original)
        assert np.abs(pixels.astype(int) - exact).mean() < 6
    assert not (tmp_path / "out.mkv.partial").exists()


@pytest.mark.parametrize("seconds", [None, 0.3, 4.0])
def test_sound_chapters_and_title(tmp_path, chain, seconds):
    chapters = [{"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000),
                 "metadata": {"title": "First"}}]  # fmt: skip
    path = make(tmp_path / "in.mp4", moving(12), sound=seconds, title="A film", chapters=chapters)
    report = enlarged(path, chain, tmp_path / "out.mp4", segment=5)
    with av.open(str(path)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        assert after.metadata["title"] == "A film"
        assert [one["metadata"]["title"] for one in after.chapters()] == ["First"]
        assert len(after.streams.audio) == len(before.streams.audio) == (seconds is not None)
        if seconds is not None:
            packets = [[bytes(packet) for packet in film.demux(audio=0) if packet.size] for film in (before, after)]
            assert packets[0] == packets[1]
            assert float(after.streams.audio[0].duration * after.streams.audio[0].time_base) == pytest.approx(
                seconds, abs=0.2
            )
    assert len(read(tmp_path / "out.mp4")) == 12
    assert not report.lost


def test_ten_bits_and_color_are_kept(tmp_path, chain):
    frames = [frame.astype(np.uint16) * 257 for frame in moving(5, 64, 96)]
    path = make(
        tmp_path / "in.mkv", frames, codec="libx265", format="yuv420p10le", options={"x265-params": "log-level=none"},
        matrix=9, primaries=9, transfer=16,
    )  # fmt: skip
    enlarged(path, chain, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as after:
        frame = next(after.decode(video=0))
        assert frame.format.name == "yuv420p10le"
        assert [int(value) for value in (frame.colorspace, frame.color_primaries, frame.color_trc)] == [9, 9, 16]


@pytest.mark.parametrize(("full_range", "matrix"), [(False, 1), (True, 1), (False, 6)])
def test_colors_stay(tmp_path, chain, full_range, matrix):
    flat = [np.full((32, 48, 3), (200, 90, 30), np.uint8)] * 3
    path = make(tmp_path / "in.mkv", flat, full_range=full_range, matrix=matrix)
    enlarged(path, chain, tmp_path / "out.mkv")
    (_, before), (_, after) = read(path)[0], read(tmp_path / "out.mkv")[0]
    exact = FrameEnlarger(chain, Settings())(before)
    assert np.abs(after[8:-8, 8:-8].mean((0, 1)) - exact[8:-8, 8:-8].mean((0, 1))).max() < 3.5
    with av.open(str(tmp_path / "out.mkv")) as film:
        assert int(film.streams.video[0].codec_context.color_range) == (2 if full_range else 1)


def test_a_film_without_a_matrix_keeps_the_one_players_guess(tmp_path, chain):
    path = make(tmp_path / "in.mkv", moving(3), matrix=2, primaries=2, transfer=2)
    enlarged(path, chain, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as film:  # a small one is BT.601, however large it becomes
        assert int(next(film.decode(video=0)).colorspace) == 6


def test_a_turned_film_comes_out_upright(tmp_path, chain):
    frames = list(moving(4))
    data = make(tmp_path / "flat.mp4", frames).read_bytes()
    # The matrix in the track's header that phones write, for a quarter turn.
    place = data.index(b"\0\1\0\0" + bytes(12) + b"\0\1\0\0" + bytes(12) + b"\x40", data.index(b"tkhd"))
    matrix = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 32 << 16, 0, 1 << 30)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data[:place] + matrix + data[place + 36 :])
    film = probe(turned)
    assert (film.width, film.height) == (32, 48)
    enlarged(turned, chain, tmp_path / "out.mp4")
    (_, result) = read(tmp_path / "out.mp4")[0]
    assert result.shape == (96, 64, 3)
    assert film.turn in (1, 3)
    upright = np.ascontiguousarray(np.rot90(frames[0], film.turn))
    assert np.abs(result.astype(int) - FrameEnlarger(chain, Settings())(upright)).mean() < 8
    lying = np.ascontiguousarray(np.rot90(frames[0], film.turn + 2))
    assert np.abs(result.astype(int) - FrameEnlarger(chain, Settings())(lying)).mean() > 16
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert next(film.decode(video=0)).rotation == 0


def test_an_interlaced_film_is_made_progressive(tmp_path, chain):
    path = make(tmp_path / "in.mkv", moving(12), options={"x264-params": "interlaced=1:tff=1"})
    assert probe(path).interlaced
    report = enlarged(path, chain, tmp_path / "out.mkv")
    assert report.interlaced
    assert "interlaced, made progressive" in str(report)
    with av.open(str(tmp_path / "out.mkv")) as film:
        frames = list(film.decode(video=0))
    assert len(frames) == 12
    assert not any(frame.interlaced_frame for frame in frames)


def test_what_has_not_changed_is_not_computed_again(chain):
    still = np.random.default_rng(1).integers(0, 256, (256, 320, 3), np.uint8)
    changed = still.copy()
    changed[200:210, 40:50] = 255
    enlarger, afresh = FrameEnlarger(chain, Settings()), FrameEnlarger(chain, Settings())
    first = enlarger(still)
    assert enlarger(still.copy()) is first
    assert (enlarger.computed, enlarger.reused) == (20, 20)
    second = enlarger(changed)
    assert 1 <= enlarger.computed - 20 <= 4
    difference = np.abs(second.astype(int) - afresh(changed))
    assert difference.max() <= 1  # another shape of window may round differently
    assert (difference > 0).mean() < 1e-3


def test_interrupted_and_resumed(tmp_path, chain):
    path = make(tmp_path / "in.mkv", moving(23), sound=1)
    whole = enlarged(path, chain, tmp_path / "whole.mkv", segment=6, stabilize=True)

    class Killed(BaseException):
        pass

    done = []

    def tell(count):
        done.append(count)
        if sum(done) == 15:
            raise Killed

    with pytest.raises(Killed):
        enlarged(path, chain, tmp_path / "out.mkv", segment=6, stabilize=True, tell=tell)
    assert not (tmp_path / "out.mkv").exists()
    with pytest.raises(InputError, match="holds an interrupted run with other settings"):
        enlarged(path, chain, tmp_path / "out.mkv", segment=6)
    report = enlarged(path, chain, tmp_path / "out.mkv", segment=6, stabilize=True)
    assert (report.frames, report.resumed) == (whole.frames, 12) == (23, 12)
    for (time, one), (again, other) in zip(read(tmp_path / "whole.mkv"), read(tmp_path / "out.mkv"), strict=True):
        assert time == again
        assert np.array_equal(one, other)


def test_broken_frames_repeat_the_one_before(tmp_path, chain):
    path = make(tmp_path / "in.mkv", moving(40), options={"g": "10"})
    data = bytearray(path.read_bytes())
    places = []
    with av.open(str(path)) as film:
        places = [bytes(packet) for packet in film.demux(video=0) if packet.size]
    for packet in places[14:17]:
        start = bytes(data).index(packet)
        data[start + 4 : start + len(packet)] = b"\xff" * (len(packet) - 4)
    path.write_bytes(data)
    report = enlarged(path, chain, tmp_path / "out.mkv")
    assert report.broken >= 1
    assert 36 <= len(read(tmp_path / "out.mkv")) == report.frames <= 40
    assert "broken frames repeat the one before" in str(report)


def test_a_film_that_breaks_off(tmp_path, chain):
    path = make(tmp_path / "in.mkv", moving(40), options={"g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = enlarged(path, chain, tmp_path / "out.mkv")
    assert 5 < report.frames < 40


def test_stabilizing_calms_what_stands_still_and_leaves_what_moves():
    rng = np.random.default_rng(3)
    clean = list(moving(20, 64, 96))
    small = [np.clip(frame + rng.normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8) for frame in clean]
    truth = [frame.repeat(2, 0).repeat(2, 1) for frame in clean]
    # What a network does to noise: it grows.
    large = [np.clip(frame + rng.normal(0, 6, frame.shape), 0, 255).astype(np.uint8) for frame in truth]
    filtered, stabilizer = [], Stabilizer()
    for original, frame in zip(small, large, strict=True):
        filtered.append(stabilizer(original, frame))
    before, after = flicker(small, large, truth), flicker(small, filtered, truth)
    assert before > 3
    assert after < 0.7 * before
    # The moving square is as sharp as without the filter.
    moved = np.abs(truth[10].astype(int) - truth[9]).max(2) > 30
    errors = [np.abs(film[10].astype(int) - truth[10])[moved].mean() for film in (large, filtered)]
    assert errors[1] < errors[0] + 1


def test_odd_sizes(tmp_path, chain):
    path = make(tmp_path / "in.mkv", moving(3))
    enlarged(path, chain, tmp_path / "out.mkv", settings=Settings(width=75, height=51))
    assert read(tmp_path / "out.mkv")[0][1].shape == (50, 74, 3)


@pytest.mark.parametrize(
    ("codec", "target", "message"),
    [
        (Codec("nosuch"), "out.mkv", "--codec nosuch: no such encoder"),
        (Codec("aac"), "out.mkv", "--codec aac: encodes audio"),
        (Codec(crf=99), "out.mkv", "--crf 99: expected 0 to 63"),
        (Codec(), "out.txt", "expected a film's name"),
    ],
)
def test_bad_options(tmp_path, chain, codec, target, message):
    path = make(tmp_path / "in.mkv", moving(3))
    with pytest.raises(InputError, match=message):
        enlarged(path, chain, tmp_path / target, codec=codec)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.mkv"]


@pytest.mark.parametrize("content", [b"", b"no film", b"\x00\x00\x00\x18ftypmp42" + bytes(40)])
def test_no_film(tmp_path, content):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"film.mp4"):
        probe(path)


def test_names(tmp_path):
    assert default_target(tmp_path / "a.mp4", None, "4").name == "a_x4.mp4"
    assert default_target(tmp_path / "a.wmv", None, "4").name == "a_x4.mkv"


@pytest.mark.long
def test_two_hours_in_level_memory(tmp_path, chain):
    def frames():
        base = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        for index in range(2 * 3600 * 25):
            if index % 50 == 0:
                base = np.roll(base, 1, axis=1)
            yield base

    path = tmp_path / "long.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = 32
        for pixels in frames():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        output.mux(stream.encode(None))
    sizes, count, process = [], 0, psutil.Process()

    def tell(number):
        nonlocal count
        count += number
        if count % 9000 == 0:
            sizes.append(process.memory_info().rss / 1e6)

    report = enlarged(path, chain, tmp_path / "out.mkv", tell=tell)
    assert report.frames == 180_000
    assert sizes[-1] < sizes[2] + 60
    assert len(list(Frames(probe(tmp_path / "out.mkv")))) == 180_000
