"""What a search finds: everything that can be read, by names that need not be text."""

import io
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import names_in

from sr_gan_tf.data.sources import Folder
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluate import main as evaluate
from sr_gan_tf.inference.search import find_sources
from sr_gan_tf.pictures import formats
from sr_gan_tf.pictures.progress import progress
from sr_gan_tf.pictures.reading import SUFFIXES, read_image
from sr_gan_tf.upscale import main


@pytest.fixture
def pics(cat, tmp_path):
    """One small picture of each kind that Pillow writes, and some that nothing here reads."""
    folder = tmp_path / "pics"
    folder.mkdir()
    picture = Image.fromarray(cat[:12, :12])
    for name in ("a.jpg", "b.jfif", "d.ppm", "e.pgm", "f.jp2", "g.BMP", "h.jpe", "i.pbm", "j.dib"):
        ending = name.split(".")[1]
        form = {"jfif": "JPEG", "jpe": "JPEG", "ppm": "PPM", "pgm": "PPM", "pbm": "PPM", "dib": "BMP"}.get(ending)
        picture.convert({"pgm": "L", "pbm": "1"}.get(ending, "RGB")).save(folder / name, form)
    for name in ("x.psd", "y.psd", "z.exr", "notes.txt"):
        (folder / name).write_bytes(b"no picture")
    return folder


def test_a_folder_is_searched_for_all_that_can_be_read(pics, model, tmp_path, capsys):
    assert main([str(pics), "-o", str(tmp_path / "out"), "--model", model]) == 0
    said = capsys.readouterr()
    assert "9 written" in said.out
    assert "note: 3 pictures left out that cannot be read here: 1 .exr, 2 .psd" in said.err
    assert len(names_in(tmp_path / "out")) == 9
    for pattern in ("*.ppm", "*.jp2", "*.pgm"):
        assert len(find_sources([str(pics / pattern)])) == 1


def test_pictures_that_cannot_be_read_are_counted(pics):
    left_out = Counter()
    assert len(find_sources([str(pics), str(pics / "a.jpg")], left_out=left_out)) == 9
    assert left_out == {".psd": 2, ".exr": 1}
    with pytest.raises(InputError, match=r"2 pictures left out that cannot be read here: 2 \.psd"):
        find_sources([str(pics / "*.psd")])
    # Named by itself it is a source, whose own fault is told.
    assert len(find_sources([str(pics / "x.psd")])) == 1


def test_what_cannot_be_opened_does_not_stop_the_others(pics, model, tmp_path, capsys, monkeypatch):
    (pics / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (pics / "lost+found").mkdir()
    listed = Path.iterdir

    def iterdir(folder):
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert main([str(pics), "-o", str(tmp_path / "out"), "--model", model]) == 1
    said = capsys.readouterr()
    assert "9 written" in said.out
    assert "2 failed" in said.out
    assert f"error: {pics}/gone.png: a link to a file that does not exist" in said.err
    assert f"error: {pics}/lost+found: cannot search this folder: Permission denied" in said.err
    with pytest.raises(InputError, match="Permission denied"):
        find_sources([str(pics / "lost+found")])


def test_names_never_control_the_terminal(cat, model, tmp_path, capsys):
    for name in ("red\x1b[31m.png", "two\nlines.png", "gnp\u202e.png"):
        Image.fromarray(cat[:12, :12]).save(tmp_path / name)
        (tmp_path / f"bad {name}").write_bytes(b"xx")
        assert main([str(tmp_path / name), "-o", str(tmp_path / "out") + "/", "--model", model]) == 0
        assert main([str(tmp_path / name), "-o", str(tmp_path / "dry") + "/", "--model", model, "--dry-run"]) == 0
        assert main([str(tmp_path / f"bad {name}"), "--model", model]) == 2
        said = "".join(capsys.readouterr())
        assert not set("\x1b\u202e") & set(said)
        assert all(line.startswith(("note: ", "error: ", "1 written", str(tmp_path), "keras")) or "x2, " in line
                   for line in said.splitlines()), said  # fmt: skip
        assert (tmp_path / "out" / name).exists()


def test_training_folders_count_them_too(pics, capsys):
    source = Folder(str(pics))
    assert len(source) == 9
    assert source[1].read(1)[0].shape == (12, 12, 3)
    assert capsys.readouterr().err == (f"note: {pics}: 3 pictures left out that cannot be read here: 1 .exr, 2 .psd\n")
    Folder(str(pics))
    assert not capsys.readouterr().err


def test_every_ending_of_a_search_has_a_format():
    assert all(formats.format_by_suffix(suffix) for suffix in SUFFIXES)
    assert not set(SUFFIXES) & set(formats.UNREAD)
    assert formats.unread(["a.SVG", "b.png", "c"]) == {".svg": 1}


@pytest.mark.parametrize("folder", ["photos [2024]", "[a]", "what?", "a*b"])
def test_folders_whose_names_look_like_patterns(cat, tmp_path, monkeypatch, folder):
    (tmp_path / folder / "sub").mkdir(parents=True)
    for name in ("1.png", "sub/2.png"):
        Image.fromarray(cat[:8, :8]).save(tmp_path / folder / name)
    (tmp_path / "photos 2").mkdir()
    Image.fromarray(cat[:8, :8]).save(tmp_path / "photos 2" / "3.png")
    monkeypatch.chdir(tmp_path)
    for root in ("", f"{tmp_path}/"):
        found = find_sources([f"{root}{folder}/**/*.png"])
        assert [os.path.basename(source.path) for source in found] == ["1.png", "2.png"]
        assert [str(source.below) for source in found] == [".", "sub"]
    assert [source.path for source in find_sources(["photos [1-3]/*.png"])] == ["photos 2/3.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_that_are_not_text(cat, model, tmp_path, monkeypatch):
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    with io.BytesIO() as file:
        Image.fromarray(cat[:16, :16]).save(file, "PNG")
        for name in (b"caf\xe9.png", b"b.png", "写真.png".encode()):
            with open(folder + b"/" + name, "wb") as picture:
                picture.write(file.getvalue())
    with open(folder + b"/bad\xe9.png", "wb") as picture:
        picture.write(b"xx")
    monkeypatch.chdir(tmp_path)
    out, err = (io.TextIOWrapper(io.BytesIO(), "cp1252", errors) for errors in ("strict", "backslashreplace"))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    common = ["in", "-o", "out", "--model", model]
    codes = [main([*common, "--dry-run"]), main(common)]
    os.unlink(b"in/bad\xe9.png")
    codes += [evaluate(["--scale", "2", "--data", "L=in", "--csv", "o.csv", "--metrics", "psnr_y"])]
    out.flush()
    err.flush()
    said = out.buffer.getvalue().decode("cp1252")
    assert codes == [1, 1, 0], err.buffer.getvalue()
    assert "caf\\udce9.png" in said
    assert "\\u5199\\u771f.png" in said
    assert b"Traceback" not in err.buffer.getvalue()
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == [b"b.png", b"caf\xe9.png", "写真.png".encode()]
    assert "caf\\udce9" in (tmp_path / "o.csv").read_text(encoding="utf-8")


def test_progress_without_a_terminal(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress(lines=True) as bar:
        bar.reset(total=100.0)
        bar.set_description_str("photo.jpg")
        for _ in range(50):
            now[0] += 1
            bar.update(2.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == " 20%, 0:40 left: photo.jpg"
    assert len(lines) == 4
    assert all(re.fullmatch(r" *\d+%, \d+:\d\d left: photo.jpg", line) for line in lines)


def test_the_shorter_side(model, photo, tmp_path):
    assert main([photo, "-o", str(tmp_path / "out.png"), "--model", model, "--short-side", "100"]) == 0
    assert read_image(tmp_path / "out.png").pixels.shape == (100, 138, 3)
    assert main([photo, "-o", str(tmp_path / "o.png"), "--model", model, "--short-side", "9", "--scale", "2"]) == 2
    assert np.all(read_image(photo).pixels.shape == np.array((80, 110, 3)))
