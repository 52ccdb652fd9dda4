"""Files that are whole or not there, and what a killed process leaves."""

import hashlib

import pytest

from sr_gan_tf.config import load_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import atomic_file, remove_leftovers, replacing, sha256, write_text
from sr_gan_tf.runs.folder import RunFolder


def test_nothing_is_left_of_a_failure(tmp_path):
    for writer in (atomic_file, replacing):
        write_text(tmp_path / "a.txt", "before")
        with pytest.raises(ZeroDivisionError), writer(tmp_path / "a.txt"):
            raise ZeroDivisionError
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
        assert (tmp_path / "a.txt").read_text() == "before"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot write"), atomic_file(tmp_path / "none" / "a.txt"):
        pass


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 1000).hexdigest()


def test_leftovers_alone_are_removed(tmp_path):
    (tmp_path / "samples").mkdir()
    kept = ["best.keras", ".lock", ".mine.tmp.txt", "samples/a.12.tmp.png"]
    for name in [*kept, ".best.3923.tmp.keras", "samples/.step.77.tmp.png", ".experiment.5.tmp"]:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_a_run_killed_while_its_folder_was_begun_goes_on(tmp_path, repository):
    (tmp_path / ".experiment.4242.tmp.json").write_text("{")
    with RunFolder(tmp_path).claim(load_experiment(repository / "experiments" / "tiny.json")):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "experiment.json"]
