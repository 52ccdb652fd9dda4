"""Fixtures of the trials: a small training, and small file systems to fill and to close."""

import os
import subprocess

import pytest
from trials import Trial


@pytest.fixture
def trial(tmp_path, monkeypatch, capsys) -> Trial:
    return Trial(tmp_path, monkeypatch, capsys)


@pytest.fixture
def mount(tmp_path):
    """`mount(kilobytes)` makes a small file system of its own; `mount.change("ro")` remounts it; needs root."""

    class Mount:
        def __init__(self, kilobytes: int):
            self.path = tmp_path / f"small_{kilobytes}"
            self.path.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(self.path)]
            if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
                pytest.skip("mounting a small file system takes root's rights")
            mounted.append(self.path)

        def change(self, options: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True, capture_output=True)

    mounted = []
    yield Mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)
