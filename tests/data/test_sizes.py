"""Stores of one folder in several sizes: each picture is decoded once, and the stores are those made one by one."""

import os

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.config import Data
from sr_gan_tf.data import sources, store_writer
from sr_gan_tf.data.degradations import Bicubic
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.data.sources import Folder
from sr_gan_tf.data.store_writer import open_store, open_stores
from sr_gan_tf.errors import InputError

FACTORS = (None, 0.5, 0.25)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, size in enumerate([(120, 200), (97, 101), (260, 130), (64, 64)]):
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded."""
    read, names = sources.read_image, []
    monkeypatch.setattr(
        sources, "read_image", lambda file, **options: names.append(os.path.basename(file)) or read(file, **options)
    )
    return names


def sizes(folder):
    return [Folder(str(folder), resize=factor) for factor in FACTORS]


def contents(stores):
    return [{path.name: path.read_bytes() for path in store.folder.iterdir()} for store in stores]


def one_by_one(folder, cache):
    return [open_store(source, Bicubic(4), str(cache), "skip") for source in sizes(folder)]


def test_each_picture_is_decoded_once(folder, tmp_path, decoded, capsys):
    alone = one_by_one(folder, tmp_path / "alone")
    assert len(decoded) == 12
    decoded.clear()
    capsys.readouterr()
    together = open_stores(sizes(folder), Bicubic(4), str(tmp_path / "together"))
    assert sorted(decoded) == ["0.png", "1.png", "2.png", "3.png"]
    assert contents(together) == contents(alone)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" GB in")[0].rpartition(",")[0] for line in lines[:3]] == [
        f"creating tiles of {source}: 4 of 4 pictures" for source in sizes(folder)
    ]
    assert lines[3].startswith("each picture is decoded once for these 3 sizes, in ")
    decoded.clear()
    assert contents(open_stores(sizes(folder), Bicubic(4), str(tmp_path / "together"))) == contents(alone)
    assert decoded == []


def test_an_experiment_uses_it(folder, tmp_path, decoded):
    train = [{"class_name": "Folder", "config": {"path": str(folder), "resize": factor}} for factor in FACTORS]
    data = Data(train=train, patch_size=16, cache_dir=str(tmp_path / "cache"))
    assert [len(store) for store in Sampler(data, 4, 1).stores] == [4, 4, 4]
    assert len(decoded) == 4


def test_what_is_there_already_is_not_made_again(folder, tmp_path, decoded, monkeypatch):
    """A killed process: one size is complete, the others hold a different number of pictures."""
    alone = one_by_one(folder, tmp_path / "alone")
    cache = tmp_path / "cache"
    open_store(sizes(folder)[0], Bicubic(4), str(cache))
    prepare = store_writer._prepare

    def killed_at(name):
        def killed(example, *arguments):
            if example.name.endswith(name):
                raise KeyboardInterrupt
            return prepare(example, *arguments)

        return killed

    for source, name in zip(sizes(folder)[1:], ("1.png", "3.png"), strict=True):
        with monkeypatch.context() as patch:
            patch.setattr(store_writer, "_prepare", killed_at(name))
            with pytest.raises(KeyboardInterrupt):
                open_store(source, Bicubic(4), str(cache))
    decoded.clear()
    prepared = []
    monkeypatch.setattr(store_writer, "_prepare", lambda *a: prepared.append(a[0].resize) or prepare(*a))
    assert contents(open_stores(sizes(folder), Bicubic(4), str(cache))) == contents(alone)
    assert sorted(decoded) == ["1.png", "2.png", "3.png"]
    assert sorted(prepared) == [0.25, 0.5, 0.5, 0.5]


def test_bad_pictures_are_the_same_in_every_size(folder, tmp_path, decoded):
    (folder / "1.png").write_bytes(b"")
    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(folder / "4.png")  # 3 x 3 at a quarter: below the scale
    alone = one_by_one(folder, tmp_path / "alone")
    together = open_stores(sizes(folder), Bicubic(4), str(tmp_path / "together"), "skip")
    assert contents(together) == contents(alone)
    assert [len(store.skipped) for store in together] == [1, 1, 2]
    with pytest.raises(InputError, match=r"1\.png: the file is empty.*on_bad_file"):
        open_stores(sizes(folder), Bicubic(4), str(tmp_path / "third"))


def test_room_for_all_sizes_is_checked_at_once(folder, tmp_path, monkeypatch):
    needed = sum(store_writer.estimate(source, Bicubic(4)).gigabytes for source in sizes(folder))
    free = type("Free", (), {"free": 0.9e9 * needed})
    monkeypatch.setattr(store_writer.shutil, "disk_usage", lambda path: free)
    with pytest.raises(InputError, match="the tiles need"):
        open_stores(sizes(folder), Bicubic(4), str(tmp_path / "cache"))
    free.free = 1.1e9 * needed
    assert len(open_stores(sizes(folder), Bicubic(4), str(tmp_path / "cache"))) == 3


def test_sources_of_different_files_are_made_apart(folder, tmp_path, decoded):
    some = Folder(str(folder), pattern="[01].png", resize=0.5)
    stores = open_stores([Folder(str(folder)), some, Folder(str(folder))], Bicubic(4), str(tmp_path / "cache"))
    assert [len(store) for store in stores] == [4, 2, 4]
    assert len(decoded) == 6
