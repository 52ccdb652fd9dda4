"""Films with odd contents: covers, several video and sound tracks, subtitles, one frame, odd sizes, late starts."""

from fractions import Fraction

import av
import numpy as np
import pytest
from making import make, moving, read
from tiny import faithful_generator

from sr_gan_tf.errors import InputError
from sr_gan_tf.films import timeline
from sr_gan_tf.films.frames import FrameEnlarger
from sr_gan_tf.films.reading import Frames, probe
from sr_gan_tf.films.work import enlarge_film
from sr_gan_tf.films.writing import Codec
from sr_gan_tf.inference.chain import load_chain
from sr_gan_tf.inference.passes import Settings

TRACKS = ("video", "audio")
COVER = 0x400  # FFmpeg's disposition "attached_pic"


@pytest.fixture(scope="module")
def chain():
    return load_chain([faithful_generator(1, scale=2)], precision="float32")


def enlarged(path, chain, target):
    return enlarge_film(probe(path), target, chain, settings=Settings(), codec=Codec(crf=1))


def with_cover(path, film=True, disposition=COVER, languages=()):
    """A file whose first stream is a single JPEG, with or without a film of five frames after it."""
    frames = list(moving(5))
    with av.open(str(path), "w") as output:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 48, 32, "yuvj420p", disposition
        streams = [cover]
        if film:
            streams.append(output.add_stream("libx264", rate=25))
            streams[-1].width, streams[-1].height, streams[-1].pix_fmt = 48, 32, "yuv420p"
        sounds = [output.add_stream("aac", rate=16000) for _ in languages]
        for sound, language in zip(sounds, languages, strict=True):
            sound.metadata["language"] = language
        for stream, pictures in zip(streams, ([np.zeros_like(frames[0])], frames), strict=False):
            for index, pixels in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = index, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        for sound in sounds:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
            output.mux([*sound.encode(frame), *sound.encode(None)])
    return path


@pytest.mark.parametrize(("name", "disposition"), [("in.mp4", COVER), ("in.mkv", 0)])
def test_the_film_is_found_next_to_other_pictures(tmp_path, chain, name, disposition):
    path = with_cover(tmp_path / name, disposition=disposition, languages=("eng", "deu"))
    report = enlarged(path, chain, tmp_path / f"out_{name}")
    assert report.frames == 5
    assert len(report.lost) == 1  # and it is said
    with av.open(str(tmp_path / f"out_{name}")) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio", "audio"]
        assert [stream.language for stream in film.streams.audio] == ["eng", "deu"]


def test_a_cover_alone_is_no_film(tmp_path):
    path = with_cover(tmp_path / "song.mp4", film=False, languages=("eng",))
    with pytest.raises(InputError, match="holds no video stream"):
        probe(path)


def with_subtitles(path, film):
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,000 --> 00:00:00,100\nHello\n\n2\n00:00:00,120 --> 00:00:00,160\nAgain\n\n")
    with av.open(str(film)) as picture, av.open(str(text)) as titles, av.open(str(path), "w") as output:
        copied = [output.add_stream_from_template(one.streams[0]) for one in (picture, titles)]
        copied[1].metadata["language"] = "eng"
        for source, stream in zip((picture, titles), copied, strict=True):
            for packet in source.demux(source.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    return path


def test_subtitles_are_kept_or_named(tmp_path, chain):
    path = with_subtitles(tmp_path / "in.mkv", make(tmp_path / "film.mp4", moving(5)))
    assert not enlarged(path, chain, tmp_path / "out.mkv").lost
    texts = []
    for name in ("in.mkv", "out.mkv"):
        with av.open(str(tmp_path / name)) as film:
            assert film.streams.subtitles[0].language == "eng"
            texts.append([(packet.pts, bytes(packet)) for packet in film.demux(subtitles=0) if packet.size])
    assert texts[0] == texts[1]
    assert len(texts[0]) == 2
    (lost,) = enlarged(path, chain, tmp_path / "out.mp4").lost
    assert "subtitle" in lost


def test_one_frame(tmp_path, chain):
    path = make(tmp_path / "in.mp4", moving(1), sound=0.5)
    assert enlarged(path, chain, tmp_path / "out.mp4").frames == 1
    assert len(read(tmp_path / "out.mp4")) == 1


def test_an_odd_original_and_a_late_start(tmp_path, chain):
    frames = [frame[:31, :47] for frame in moving(3)]
    path = make(tmp_path / "in.mkv", frames, times=[5000, 5040, 5090], codec="ffv1", format="yuv444p")
    enlarged(path, chain, tmp_path / "out.mkv")
    found = read(tmp_path / "out.mkv")
    assert [round(time * 1000) for time, _ in found] == [5000, 5040, 5090]
    assert found[0][1].shape == (62, 94, 3)


@pytest.mark.parametrize("format", ["gray", "yuv420p", "bgr0"])
def test_decoding_makes_nothing_darker(tmp_path, format):
    """FFmpeg's scaler truncates unless it is told to round."""
    ramp = np.repeat(np.linspace(20, 235, 96).round().astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    path = make(tmp_path / "in.mkv", [ramp], codec="ffv1", format=format, options={})
    exact = ramp.mean()  # gray and BGR hold it as it is
    if format == "yuv420p":
        with av.open(str(path)) as film:
            luma = next(film.decode(video=0)).to_ndarray()[: ramp.shape[0]]
        exact = (luma.astype(float).mean() - 16) * 255 / 219
    decoded = next(iter(Frames(probe(path)))).pixels.astype(float)
    assert abs(decoded.mean() - exact) < 0.15


def test_the_enlarged_film_is_as_bright_as_the_network_makes_it(tmp_path, chain):
    path = make(tmp_path / "in.mkv", list(moving(2, 64, 96)))
    enlarged(path, chain, tmp_path / "out.mkv")
    exact = FrameEnlarger(chain, Settings())(next(iter(Frames(probe(path)))).pixels).astype(float)
    written = next(iter(Frames(probe(tmp_path / "out.mkv")))).pixels.astype(float)
    assert np.abs((written - exact).mean((0, 1))).max() < 0.4


@pytest.mark.parametrize("content", ["truncated", "no frame"])
def test_films_without_a_frame(tmp_path, content):
    path = tmp_path / "in.mp4"
    if content == "truncated":  # an MP4's index stands at its end
        make(path, moving(10))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height = 48, 32
            output.start_encoding()
    with pytest.raises(InputError, match=r"in.mp4"):
        probe(path)


def appended(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def stamps(path):
    with av.open(str(path)) as film:
        told = [(one.stream.type, float(one.pts * one.time_base)) for one in film.demux() if one.size]
    return {kind: [time for each, time in told if each == kind] for kind in TRACKS}


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
def test_appended_recordings_go_on_where_their_time_begins_anew(tmp_path, chain, suffix):
    parts = [make(tmp_path / f"{seed}.ts", moving(10, seed=seed), sound=0.5) for seed in range(3)]
    path = appended(tmp_path / "in.ts", *parts)
    report = enlarged(path, chain, tmp_path / f"out{suffix}")
    assert (report.frames, report.skipped) == (30, 0)
    times = stamps(tmp_path / f"out{suffix}")
    assert all(each == sorted(set(each)) for each in times.values())
    sound = len(stamps(parts[0])["audio"])
    assert {kind: len(each) for kind, each in times.items()} == {"video": 30, "audio": 3 * sound}
    # Picture and sound of a part are as far apart as before: both begin behind the end of the longer one.
    first, second = ({kind: each[number] for kind, each in times.items()} for number in (0, -1))
    length = times["audio"][sound] - times["audio"][0]
    assert 0.4 < length < 0.7
    assert times["video"][10] - times["video"][0] == pytest.approx(length, abs=0.03)
    assert second["video"] - first["video"] == pytest.approx(2 * length + 9 / 25, abs=0.03)


def test_time_that_goes_back_in_other_containers_is_counted(tmp_path, monkeypatch):
    parts = [make(tmp_path / f"{seed}.ts", moving(10, seed=seed)) for seed in range(2)]
    film = probe(appended(tmp_path / "in.ts", *parts))
    monkeypatch.setattr(timeline, "_MAY_JUMP", 0)
    frames = Frames(film)
    assert len(list(frames)) == 10
    assert frames.skipped == 10


def test_frames_of_another_size_are_brought_to_the_first_ones(tmp_path, chain):
    large, times = list(moving(5, 64, 96)), [2000 + 40 * index for index in range(5)]
    parts = make(tmp_path / "small.ts", moving(5)), make(tmp_path / "large.ts", large, times=times)
    path = appended(tmp_path / "in.ts", *parts)
    # The whole picture, not a corner of it.
    frames = [frame.pixels for frame in Frames(probe(path))]
    assert {pixels.shape for pixels in frames} == {(32, 48, 3)}
    assert np.abs(frames[7].mean((0, 1)) - large[2].mean((0, 1))).max() < 1
    report = enlarged(path, chain, tmp_path / "out.mp4")
    assert (report.frames, report.resized) == (10, 5)
    assert "5 frames of another size were brought to the first one's" in str(report)
    assert {pixels.shape for _, pixels in read(tmp_path / "out.mp4")} == {(64, 96, 3)}


@pytest.mark.parametrize(
    ("codec", "target", "message"),
    [
        ("libx264", "out.webm", r"out.webm: cannot hold what libx264 encodes .*'webm' format does not support 'h264'"),
        ("libvpx-vp9", "out.ts", r"out.ts: cannot hold what libvpx-vp9 encodes .*it cannot be read back"),
        ("h264_nvenc", "out.mp4", "--codec h264_nvenc: "),
        ("prores_ks", "out.mov", "--codec prores_ks: cannot encode 96x64 pixels here"),
    ],
)
def test_what_a_container_cannot_hold_is_said_before_the_work(tmp_path, chain, codec, target, message):
    path = make(tmp_path / "in.mkv", moving(3), sound=0.2)
    told = []
    with pytest.raises(InputError, match=message) as error:
        enlarge_film(probe(path), tmp_path / target, chain, Settings(), Codec(codec), tell=told.append)
    assert "\n" not in str(error.value)
    assert not told
    assert [one.name for one in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.parametrize("codec", ["libsvtav1", "libvpx-vp9", "ffv1"])
def test_other_encoders(tmp_path, chain, codec, capfd):
    """The name of AV1's decoder is not that of an encoder; SVT-AV1 tells its settings unless it is silenced."""
    path = make(tmp_path / "in.mkv", moving(5), sound=0.2)
    report = enlarge_film(probe(path), tmp_path / "out.mkv", chain, Settings(), Codec(codec), segment=2)
    assert (report.frames, report.lost) == (5, [])
    assert len(read(tmp_path / "out.mkv")) == 5
    assert "Svt" not in capfd.readouterr().err
