"""Faults of the disk and of memory while a store is made: the pictures are no worse for it, and come back."""

import builtins
import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.data import sources, store_writer
from sr_gan_tf.data.degradations import Bicubic
from sr_gan_tf.data.sources import Folder
from sr_gan_tf.data.store import TileStore
from sr_gan_tf.data.store_writer import open_store
from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures import reading as images


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "pictures"
    path.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (60 + 40 * number, 100, 3), np.uint8)
        Image.fromarray(pixels).save(path / f"{number}.png")
    return path


class Disk:
    """Opens files as a disk does that fails at the files `bad` (names to errors), each of them `times` times."""

    def __init__(self):
        self.bad, self.opened, self.times = {}, [], 10**6

    def open(self, path, *arguments, **options):
        name = os.path.basename(str(path))
        self.opened.append(name)
        if (error := self.bad.get(name)) and self.opened.count(name) <= self.times:
            raise error if isinstance(error, MemoryError) else OSError(error, os.strerror(error), str(path))
        return builtins.open(path, *arguments, **options)


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(images, "open", disk.open, raising=False)
    return disk


def make(folder, cache, on_bad_file="skip"):
    return open_store(Folder(str(folder)), Bicubic(4), str(cache), on_bad_file)


def names(store):
    return [os.path.basename(name) for name in store.names]


def pixels(store):
    """HR and LR of every picture by its name."""
    whole = zip(store.names, store.heights // 4, store.widths // 4, strict=True)
    return {name: store.crop(number, 0, 0, *size) for number, (name, *size) in enumerate(whole)}


def assert_whole(store, expected):
    assert store.verify() == []
    assert store.skipped == {}
    assert store.unread == {}
    got, wanted = pixels(store), pixels(expected)
    assert got.keys() == wanted.keys()
    for name, pair in wanted.items():
        assert all((a == b).all() for a, b in zip(got[name], pair, strict=True))


@pytest.mark.parametrize("fault", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE, MemoryError()], ids=str)
def test_a_fault_is_the_pictures_only_until_it_can_be_read(folder, tmp_path, disk, capsys, fault):
    whole = make(folder, tmp_path / "undisturbed")
    capsys.readouterr()
    disk.bad["1.png"] = fault
    store = make(folder, tmp_path / "cache")
    said = capsys.readouterr().err
    assert "skipped 1 pictures" in said
    assert "1.png" in said
    assert "memory" in said or os.strerror(fault) in said
    assert names(store) == ["0.png", "2.png", "3.png"]
    assert list(store.unread.values()) == [1]
    # It fails as before: said, and nothing else is made or read.
    disk.opened.clear()
    before = (store.folder / "tiles.bin").stat().st_ino
    assert names(make(folder, tmp_path / "cache")) == ["0.png", "2.png", "3.png"]
    said = capsys.readouterr().err
    assert "skipped 1 pictures" in said
    assert "warning" not in said
    assert set(disk.opened) == {"1.png"}
    with pytest.raises(InputError, match=r"1 pictures of .* cannot be used, the first: .*1\.png"):
        make(folder, tmp_path / "cache", "error")
    # It can be read again: it joins the others, whose tiles are those of before, also for who has them mapped.
    disk.bad.clear()
    assert_whole(make(folder, tmp_path / "cache", "error"), whole)
    assert "warning: pictures of" in (said := capsys.readouterr().err)
    assert "skipped" not in said
    assert (store.folder / "tiles.bin").stat().st_ino == before
    assert store.crop(2, 0, 0, 8, 8)[0].shape == (32, 32, 3)
    make(folder, tmp_path / "cache")
    assert capsys.readouterr().err == ""


def test_a_fault_that_is_over_at_the_end_is_not_noticed(folder, tmp_path, disk, capsys):
    whole = make(folder, tmp_path / "undisturbed")
    disk.opened.clear()
    disk.bad, disk.times = {"1.png": errno.EIO, "3.png": errno.EIO}, 2  # in the estimate and while tiles are cut
    assert_whole(make(folder, tmp_path / "cache"), whole)
    assert disk.opened.count("1.png") == 3
    assert "skipped" not in capsys.readouterr().err


def test_a_fault_stops_where_no_picture_may_be_left_out(folder, tmp_path, disk, monkeypatch):
    disk.bad["2.png"] = errno.EIO
    with pytest.raises(
        InputError, match=r"2\.png: Input/output error.*run the same command again; finished work is kept"
    ):
        make(folder, tmp_path / "cache", "error")
    disk.bad.clear()
    prepared, prepare = [], store_writer._prepare
    monkeypatch.setattr(store_writer, "_prepare", lambda *args: prepared.append(args[0].name) or prepare(*args))
    assert make(folder, tmp_path / "cache", "error").skipped == {}
    assert [os.path.basename(name) for name in prepared] == ["2.png", "3.png"]


def test_a_fault_in_the_middle_of_a_file_and_of_memory_later_on(folder, tmp_path, monkeypatch):
    class Failing:
        def __init__(self, file):
            self.file, self.left = file, 400

        def read(self, size=-1):
            self.left -= 400 if size < 0 else size
            if self.left <= 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self.file.read(size)

        def __enter__(self):
            return self

        def __exit__(self, *about):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

    for suffix in ("png", "jpg", "webp", "bmp", "tif", "gif"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 90, 3), np.uint8)).save(path)
        with monkeypatch.context() as patch:
            patch.setattr(images, "open", lambda *arguments: Failing(open(*arguments)), raising=False)  # noqa: SIM115
            with pytest.raises(images.Unreadable, match=rf"cannot read .*a\.{suffix}: Input/output error"):
                images.read_image(path)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "to_uint8", lambda pixels: np.empty(2**55))
        with pytest.raises(images.Unreadable, match=r"0.png: not enough memory"):
            Folder(str(folder))[0].read(4)
    with monkeypatch.context() as patch:
        patch.setattr(store_writer, "cut", lambda *arguments: np.empty(2**55))
        with pytest.raises(InputError, match=r"no usable pictures: .*0.png: not enough memory"):
            make(folder, tmp_path / "cache")
    assert len(make(folder, tmp_path / "cache")) == 4


def test_what_is_wrong_with_a_picture_itself_is_not_tried_again(folder, tmp_path, disk):
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:-300])
    (folder / "2.png").write_bytes(b"")
    disk.bad["3.png"] = errno.EIO
    assert list(make(folder, tmp_path / "cache").unread.values()) == [3]
    disk.bad.clear()
    disk.opened.clear()
    store = make(folder, tmp_path / "cache")
    assert disk.opened.count("1.png") == 1
    assert names(store) == ["0.png", "3.png"]
    assert [os.path.basename(name) for name in store.skipped] == ["1.png", "2.png"]
    assert store.unread == {}


def test_a_disk_that_was_away_brings_its_pictures_back(folder, tmp_path):
    source, away = Folder(str(folder)), tmp_path / "away.png"
    key = store_writer.store_folder(source, Bicubic(4), str(tmp_path / "cache"))
    examples = source.examples

    def gone(first):
        (folder / "1.png").rename(away)
        return examples(first)

    source.examples = gone
    store = open_store(source, Bicubic(4), str(tmp_path / "cache"), "skip")
    assert store.folder == key
    assert len(store) == 3
    assert "No such file" in next(iter(store.skipped.values()))
    away.rename(folder / "1.png")
    assert make(folder, tmp_path / "cache").folder == key
    assert len(TileStore(key)) == 4


def test_killed_while_the_pictures_come_back(folder, tmp_path, disk, monkeypatch):
    whole = make(folder, tmp_path / "undisturbed")
    disk.bad = {"0.png": errno.EIO, "2.png": errno.EIO}
    make(folder, tmp_path / "cache")
    disk.bad.clear()
    for moment in ("_check_room", "_fill", "sync_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(store_writer, moment, lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                make(folder, tmp_path / "cache")
    assert_whole(make(folder, tmp_path / "cache"), whole)


def test_a_store_of_others_is_read_as_it_is(folder, tmp_path, disk, monkeypatch, capsys):
    disk.bad["1.png"] = errno.EIO
    store = make(folder, tmp_path / "cache")
    disk.bad.clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        assert len(make(folder, tmp_path / "cache")) == 3
    # Nor are tiles changed that are damaged: somebody may be reading them.
    with open(store.folder / "tiles.bin", "r+b") as file:
        file.write(b"damage")
    assert len(make(folder, tmp_path / "cache")) == 3
    assert "warning" not in capsys.readouterr().err


def test_a_store_that_knows_nothing_of_faults_is_read(folder, tmp_path):
    store = make(folder, tmp_path / "cache")
    about = json.loads((store.folder / "store.json").read_text())
    assert about.pop("unread") == {}
    (store.folder / "store.json").write_text(json.dumps(about))
    assert len(make(folder, tmp_path / "cache")) == 4
