"""The store on disk: whole or not there, and every crop equal to the picture's."""

import json
import os
import random
import shutil
import signal
import time

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.data import journal, store_writer
from sr_gan_tf.data.degradations import Bicubic, BlurResize
from sr_gan_tf.data.estimating import estimate
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.data.sources import Folder
from sr_gan_tf.data.store import Layout, TileStore, cut, views
from sr_gan_tf.data.store_key import store_key
from sr_gan_tf.data.store_writer import open_store
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import cache_folder

SIZES = [(120, 200), (97, 101), (260, 130), (64, 64)]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "pictures"
    path.mkdir()
    for number, size in enumerate(SIZES):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path / f"{number}.png")
    return path


def make(folder, cache, degradation=None, **options):
    return open_store(Folder(str(folder)), degradation or Bicubic(4), str(cache), **options)


def files(store):
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def test_crops_equal_the_whole_pictures(folder, tmp_path):
    store = make(folder, tmp_path / "cache")
    source = Folder(str(folder))
    draws = Draws(1)
    assert len(store) == 4
    assert store.verify() == []
    for number in range(4):
        hr = source[number].read(4)[0]
        lr = Bicubic(4).degrade(hr, draws)
        height, width = lr.shape[:2]
        assert (store.heights[number], store.widths[number]) == hr.shape[:2]
        for _ in range(40):
            y, x = draws.integer(height), draws.integer(width)
            rows, columns = 1 + draws.integer(height - y), 1 + draws.integer(width - x)
            got_hr, got_lr = store.crop(number, y, x, rows, columns)
            np.testing.assert_array_equal(got_lr, lr[y : y + rows, x : x + columns])
            np.testing.assert_array_equal(got_hr, hr[4 * y : 4 * (y + rows), 4 * x : 4 * (x + columns)])


def test_given_lr_pictures_are_stored_and_random_ones_are_not(folder, tmp_path):
    assert make(folder, tmp_path / "cache", BlurResize(4)).crop(0, 0, 0, 8, 8)[1] is None
    lr = tmp_path / "LR"
    lr.mkdir()
    for number, (height, width) in enumerate(SIZES):
        Image.fromarray(np.full((height // 4, width // 4, 3), number, np.uint8)).save(lr / f"{number}.png")
    store = open_store(Folder(str(folder), lr_path=str(lr)), BlurResize(4), str(tmp_path / "cache"))
    assert all((store.crop(number, 1, 2, 8, 8)[1] == number).all() for number in range(4))


def test_tiles_are_views_and_sized_to_waste_little():
    layout = Layout(96, 4, True)
    records = np.zeros((3, layout.record), np.uint8)
    assert all(np.shares_memory(view, records) for view in views(records, layout))
    assert cut(np.ones((100, 90, 3), np.uint8), np.ones((25, 22, 3), np.uint8), layout).shape == (2, layout.record)

    class Sizes(Folder):
        def __init__(self, sizes):
            self._files, self._sizes = sizes, sizes

        def sizes(self, limit):
            return self._sizes

    assert estimate(Sizes([(480, 480)] * 3), Bicubic(4)).tile == 240
    assert estimate(Sizes([(256, 256)] * 3), Bicubic(4)).tile == 256
    assert estimate(Sizes([(480, 480)] * 3), Bicubic(3)).tile % 3 == 0
    needed = estimate(Sizes([(480, 480)] * 30), Bicubic(4))
    assert needed.pictures == 30
    assert needed.megapixels == pytest.approx(6.912)
    assert needed.gigabytes == pytest.approx(30 * 480 * 480 * 3 * (1 + 1 / 16) / 1e9)


def test_the_estimate_is_what_is_written(folder, tmp_path):
    store = make(folder, tmp_path / "cache")
    expected = estimate(Folder(str(folder)), Bicubic(4)).gigabytes * 1e9
    assert (store.folder / "tiles.bin").stat().st_size == pytest.approx(expected)


def test_the_key_follows_pictures_and_settings(folder):
    def key(degradation):
        return store_key(Folder(str(folder)), degradation)

    assert key(Bicubic(4)) == key(Bicubic(4))
    assert len({key(Bicubic(4)), key(Bicubic(2)), key(Bicubic(4, "symmetric")), key(BlurResize(4))}) == 4
    assert key(BlurResize(4)) == key(BlurResize(4, sigma=(0.5, 1.0)))  # LR isn't stored
    before = key(Bicubic(4))
    os.utime(folder / "1.png", ns=(1, 1))
    assert key(Bicubic(4)) != before


def test_the_cache_folder_is_the_experiments_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / "sr_gan_tf"
    assert cache_folder("there/in").parts == ("there", "in")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / ".cache" / "sr_gan_tf"


def test_a_store_is_made_once_and_reports_its_size(folder, tmp_path, capsys):
    make(folder, tmp_path / "cache")
    assert "creating tiles of" in (said := capsys.readouterr().err)
    assert "4 of 4 pictures" in said
    assert " s\n" in said
    make(folder, tmp_path / "cache")
    assert capsys.readouterr().err == ""


def test_bad_files_stop_or_are_left_out_and_listed(folder, tmp_path, capsys):
    (folder / "1.png").write_bytes(b"")
    (folder / "2b.png").write_text("no picture")
    with pytest.raises(InputError, match=r"1\.png: the file is empty.*on_bad_file"):
        make(folder, tmp_path / "cache")
    store = make(folder, tmp_path / "cache", on_bad_file="skip")
    said = capsys.readouterr().err
    assert "skipped 2 pictures" in said
    assert "1.png: the file is empty" in said
    assert "2b.png: no picture" in said
    assert [os.path.basename(name) for name in store.skipped] == ["1.png", "2b.png"]
    assert [os.path.basename(name) for name in store.names] == ["0.png", "2.png", "3.png"]
    assert store.crop(1, 0, 0, 8, 8)[0].shape == (32, 32, 3)
    with pytest.raises(InputError, match=r"2 pictures of .* cannot be used, the first: "):
        make(folder, tmp_path / "cache")


def test_only_bad_files_are_an_error(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match="no usable picture"):
        make(tmp_path, tmp_path / "cache", on_bad_file="skip")
    assert not [path for path in (tmp_path / "cache").iterdir() if (path / "store.json").exists()]


def test_no_room_and_no_permission_are_said(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(InputError, match=r"need 0.0 GB.*set data.cache_dir"):
        make(folder, tmp_path / "cache")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"set data.cache_dir"):
        make(folder, tmp_path / "file" / "cache")


def test_a_disk_that_fills_up_keeps_what_is_done(folder, tmp_path, monkeypatch):
    add = journal.Journal.add

    def full(self, entry, records):
        if entry["name"].endswith("2.png"):
            raise OSError(28, "No space left on device", "tiles.bin")
        add(self, entry, records)

    monkeypatch.setattr(journal.Journal, "add", full)
    with pytest.raises(InputError, match=r"no space left in .*finished pictures are kept"):
        make(folder, tmp_path / "cache")
    monkeypatch.setattr(journal.Journal, "add", add)
    prepared = []
    prepare = store_writer._prepare
    monkeypatch.setattr(store_writer, "_prepare", lambda *args: prepared.append(args[0].name) or prepare(*args))
    assert make(folder, tmp_path / "cache").verify() == []
    assert [os.path.basename(name) for name in prepared] == ["2.png", "3.png"]


@pytest.mark.parametrize("damage", ["cut tiles", "wrong tile", "garbage line", "half line", "no layout"])
def test_a_damaged_partial_store_is_mended(folder, tmp_path, damage):
    whole = make(folder, tmp_path / "one")
    expected = files(whole)
    partial = tmp_path / "two" / (whole.folder.name + ".partial")
    shutil.copytree(whole.folder, partial)
    for name in ("store.json", "index.npz"):
        (partial / name).unlink()
    tiles, lines = partial / "tiles.bin", partial / "pictures.jsonl"
    if damage == "cut tiles":
        os.truncate(tiles, tiles.stat().st_size - 5)
    elif damage == "wrong tile":
        with open(tiles, "r+b") as file:
            file.seek(200)
            file.write(b"x" * 10)
    elif damage == "garbage line":
        lines.write_bytes(lines.read_bytes() + b"\x00\xff garbage\n")
    elif damage == "half line":
        lines.write_bytes(lines.read_bytes()[:-7])
    else:
        lines.write_bytes(b"\n" + lines.read_bytes())
    assert files(make(folder, tmp_path / "two")) == expected


def test_a_damaged_store_is_not_read(folder, tmp_path):
    store = make(folder, tmp_path / "cache")
    with open(store.folder / "tiles.bin", "r+b") as file:
        file.seek(100)
        file.write(b"xyz")
    assert [os.path.basename(name) for name in TileStore(store.folder).verify()] == ["0.png"]
    os.truncate(store.folder / "tiles.bin", 1000)
    with pytest.raises(InputError, match="damaged"):
        TileStore(store.folder)
    (store.folder / "store.json").write_text(json.dumps({})[:1])
    with pytest.raises(InputError, match="not a complete store"):
        TileStore(store.folder)


def run_apart(function):
    """In a child process that ends without cleaning up; gives its process id."""
    child = os.fork()
    if child:
        return child
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 2)
        function()
        os._exit(0)
    except BaseException:
        os._exit(1)


def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("wanted", [4, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_random_moments_it_is_whole_or_not_there(tmp_path, monkeypatch, wanted):
    monkeypatch.setattr(journal, "_SYNC_SECONDS", 0.005)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(wanted + 8):
        pixels = np.random.default_rng(number).integers(0, 256, (160, 200, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number:02}.png")
    start = time.perf_counter()
    expected = files(make(pictures, tmp_path / "undisturbed"))
    seconds = time.perf_counter() - start
    random.seed(4)
    trials, kills, cache = 0, 0, 0
    while kills < wanted:
        trials += 1
        assert trials < 10 * wanted
        child = run_apart(lambda: make(pictures, tmp_path / f"cache{cache}"))  # noqa: B023
        time.sleep(random.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        kills += wait(child) == -signal.SIGKILL
        for folder in (tmp_path / f"cache{cache}").glob("*[!k]"):
            if folder.suffix != ".partial":
                assert files(TileStore(folder)) == expected
                cache += 1  # whole: the next trials start anew
                break
    assert files(make(pictures, tmp_path / f"cache{cache}")) == expected


def test_two_processes_make_it_once(folder, tmp_path):
    children = [run_apart(lambda: make(folder, tmp_path / "cache")) for _ in range(3)]
    assert [wait(child) for child in children] == [0, 0, 0]
    stores = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert len(stores) == 1
    assert TileStore(stores[0]).verify() == []
