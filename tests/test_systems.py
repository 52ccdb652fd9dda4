"""Systems without POSIX: the modules and calls that Windows and macOS lack are taken away."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from light_process import WITHOUT_TENSORFLOW

from sr_gan_tf import files
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import locked
from sr_gan_tf.pictures.encoding import scratch_array


@pytest.fixture(params=[True, False], ids=["fcntl", "none"])
def system(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(files, "fcntl", None)
    return request.param


def holder(path, has_fcntl, seconds=60):
    """Another process that holds the lock."""
    code = (
        WITHOUT_TENSORFLOW
        + "import time, pathlib\n"
        + ("" if has_fcntl else "sys.modules['fcntl'] = None\n")
        + "from sr_gan_tf.files import locked\n"
        f"with locked(pathlib.Path({str(path)!r})):\n"
        f"    print('held', flush=True)\n    time.sleep({seconds})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_keeps_others_out(system, tmp_path):
    with locked(tmp_path / "a"), pytest.raises(BlockingIOError), locked(tmp_path / "a"):
        pass
    with locked(tmp_path / "a"):  # it was given back
        pass


def test_the_lock_of_a_killed_process_goes(system, tmp_path):
    with holder(tmp_path / "a", system) as process:
        with pytest.raises(BlockingIOError), locked(tmp_path / "a"):
            pass
        process.kill()
        process.wait()
    with locked(tmp_path / "a"):
        pass


def test_waiting_for_a_lock(system, tmp_path):
    said = []
    with holder(tmp_path / "a", system, seconds=1), locked(tmp_path / "a", lambda: said.append(time.monotonic())):
        pass
    assert len(said) == 1


def test_an_owner_that_means_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "fcntl", None)
    for content in (b"", b"12", b"999999999 1.0", b"x y", f"{os.getpid()} 17.0".encode()):
        (tmp_path / "a.owner").write_bytes(content)
        os.utime(tmp_path / "a.owner", (1, 1))
        with locked(tmp_path / "a"):
            pass
        assert sorted(item.name for item in tmp_path.iterdir()) == ["a"]


def test_scratch_files_without_fallocate(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "posix_fallocate")
    array = scratch_array((30, 40, 3), np.uint16, tmp_path)
    array[:] = 7
    assert int(array.sum()) == 7 * 3600
    with pytest.raises(InputError, match="no room for a scratch file"):
        scratch_array((2**40,), np.uint8, tmp_path)
