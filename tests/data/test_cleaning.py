"""Old stores are listed with their size and last use, and deleted on request."""

import os
import time

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.data.__main__ import main
from sr_gan_tf.data.cleaning import stores
from sr_gan_tf.data.degradations import Bicubic
from sr_gan_tf.data.sources import Folder
from sr_gan_tf.data.store_writer import open_store
from sr_gan_tf.files import locked


@pytest.fixture
def cache(tmp_path):
    """Stores of one picture at two scales, an incomplete one, and a folder that is no store; all but x2 are old."""
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(tmp_path / "pictures" / "a.png")
    root = tmp_path / "cache"
    for scale in (4, 2):
        open_store(Folder(str(tmp_path / "pictures")), Bicubic(scale), str(root))
    partial = root / "other-1.partial"
    partial.mkdir()
    (partial / "pictures.jsonl").write_text("{}\n")
    (root / "graphs").mkdir()
    (root / "graphs" / "span.graph").write_bytes(b"1")
    old = time.time() - 40 * 86_400
    os.utime(partial / "pictures.jsonl", (old, old))
    os.utime(old_store(tmp_path) / "store.json", (old, old))
    return root


def old_store(tmp_path):
    return open_store(Folder(str(tmp_path / "pictures")), Bicubic(4), str(tmp_path / "cache")).folder


def run(capsys, *arguments):
    status = main(["stores", *arguments])
    shown = capsys.readouterr()
    return status, shown.out.splitlines(), shown.err


def test_the_list_names_size_and_last_use(cache, capsys):
    status, lines, _ = run(capsys, "--cache-dir", str(cache))
    assert status == 0
    assert [line.split("last used ")[1].split()[0] for line in lines[:3]] == ["40", "40", "0"]
    assert lines[-1].split("GB")[1].strip() == f"3 stores in {cache}"
    last = stores(cache)[-1]
    assert last.gigabytes * 1e9 == sum(path.stat().st_size for path in last.folder.iterdir()) > 96 * 96 * 3


def test_unused_ones_are_deleted_and_opening_counts_as_use(cache, capsys, tmp_path):
    kept = stores(cache)[-1].folder
    status, lines, _ = run(capsys, "--cache-dir", str(cache), "--delete-unused", "30")
    assert status == 0
    assert lines[-1].split("GB")[1].strip() == f"2 stores deleted from {cache}"
    assert [one.folder for one in stores(cache)] == [kept]
    assert (cache / "graphs" / "span.graph").exists()
    again = old_store(tmp_path)
    os.utime(again / "store.json", (0, 0))
    old_store(tmp_path)
    run(capsys, "--cache-dir", str(cache), "--delete-unused", "1")
    assert {one.folder for one in stores(cache)} == {kept, again}


def test_a_store_being_made_stays(cache, capsys):
    with locked(cache / "other-1.lock"):
        run(capsys, "--cache-dir", str(cache), "--delete-unused", "0")
    assert [one.folder.name for one in stores(cache)] == ["other-1.partial"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delete-unused", "-1"], "--delete-unused -1: expected a number of days"),
        (["--cache-dir", "nowhere"], "--cache-dir nowhere: there is no such folder"),
    ],
)
def test_mistakes(arguments, message, capsys):
    status, _, err = run(capsys, *arguments)
    assert (status, message in err) == (2, True)
