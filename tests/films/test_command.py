"""`upscale` with films: names, refusals, and what it says."""

import sys

import av
import numpy as np
import pytest
from making import make, moving
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.films import work
from sr_gan_tf.upscale import main


@pytest.fixture
def film(tmp_path):
    return make(tmp_path / "film.mp4", moving(4, 16, 24), sound=0.2)


def size(path):
    with av.open(str(path)) as container:
        return container.streams.video[0].width, container.streams.video[0].height


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_film_gets_its_name_and_is_not_overwritten(film, tmp_path, capsys):
    assert main([str(film)]) == 0
    said = capsys.readouterr()
    assert f"4 frames, wrote {tmp_path / 'film_x4.mp4'}" in said.out
    assert "film.mp4: span_x4, for a film" in said.err
    assert size(tmp_path / "film_x4.mp4") == (96, 64)
    before = (tmp_path / "film_x4.mp4").read_bytes()
    assert main([str(film)]) == 2
    assert "already exists; pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "film_x4.mp4").read_bytes() == before
    assert main([str(film), "--skip-existing"]) == 0
    assert names(tmp_path) == ["film.mp4", "film_x4.mp4"]


def test_other_names_sizes_and_encoders(film, tmp_path):
    output = tmp_path / "out" / "small.mkv"
    options = ["--model", "span_x4", "--max-side", "96", "--codec", "libx265", "--crf", "20", "--stabilize"]
    assert main([str(film), "-o", str(output), *options]) == 0
    assert size(output) == (96, 64)
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.name == "hevc"
        assert len(container.streams.audio) == 1


def test_what_the_container_cannot_hold_is_said_before_the_work(film, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(work, "FrameEnlarger", lambda *_: (_ for _ in ()).throw(InputError("the work begins")))
    assert main([str(film), "-o", str(tmp_path / "out.webm"), "--model", "span_x4"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "film.mp4: not kept: an audio stream: 'webm' format does not support 'aac' codec" in first
    assert second == "error: the work begins"


def test_films_and_pictures_together(film, tmp_path):
    picture = tmp_path / "photo.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    assert main([str(film), str(picture), "-o", f"{tmp_path}/out/", "--model", "span_x4"]) == 0
    assert "film_x4.mp4" in names(tmp_path / "out")
    assert len(names(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "-"], "cannot be written to standard output"),
        (["--quality", "80", "--strip"], "--quality and --strip: no effect on films; remove it"),
        (["--codec", "nosuch"], "--codec nosuch: no such encoder here"),
        (["--crf", "99"], "--crf 99: expected 0 to 63"),
        (["--codec", "libx265", "--max-side", "48"], "frames of 48x32 pixels are too small for it"),
        (["-o", "film.txt/film.wmv"], "expected a film's name that ends in"),
        (["--model", "nosuch"], "nosuch"),
    ],
)
def test_refusals_are_one_line(film, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main([str(film), *options]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert not [name for name in names(tmp_path) if name != "film.mp4" and not name.startswith("film.txt")]


def test_what_is_no_film(tmp_path, capsys):
    (tmp_path / "film.mp4").write_text("no film")
    assert main([str(tmp_path / "film.mp4")]) == 2
    assert "cannot be read as a film" in capsys.readouterr().err
    assert main([str(tmp_path / "nosuch.mp4")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_options_for_films_without_a_film(tmp_path, capsys):
    picture = tmp_path / "photo.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    assert main([str(picture), "--stabilize"]) == 2
    assert "have no effect without a film" in capsys.readouterr().err


def test_without_pyav(film, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    assert main([str(film)]) == 2
    assert (
        "films need PyAV, which is not installed; install it with pip install 'sr_gan_tf[video]'"
        in capsys.readouterr().err
    )


def test_patterns_name_films_and_folders_do_not(film, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday [1]").mkdir()
    film = film.rename(tmp_path / "holiday [1]" / "film.mp4")
    assert main(["holiday [1]/*.mp4", "--model", "span_x4", "--dry-run"]) == 0
    assert f"{film.relative_to(tmp_path)} -> " in capsys.readouterr().out
    assert main(["holiday [1]/*.mkv"]) == 2
    assert "*.mkv: no such file; expected a film" in capsys.readouterr().err
    assert main(["holiday [1]"]) == 2
    said = capsys.readouterr().err
    assert "note: holiday [1]: 1 film left out; name the films to enlarge, e.g. holiday [1]/film.mp4" in said
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(film.with_name("photo.png"))
    assert main(["holiday [1]", "--model", "span_x4", "-o", "holiday [1]/large"]) == 0
    assert "1 film left out" in capsys.readouterr().err
    assert names(tmp_path / "holiday [1]" / "large") == ["photo.png"]
