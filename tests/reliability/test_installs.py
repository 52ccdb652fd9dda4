"""Clean installs: a wheel in a fresh environment of each Python, with the lowest and the highest allowed packages."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYTHONS = ("3.11", "3.12", "3.13")

IMPORT = """
import socket, sys, time

def refuse(*arguments, **more):
    raise AssertionError("a connection at import time")

socket.socket.connect = socket.create_connection = refuse
start = time.process_time()
import keras
import tensorflow
before, middle = set(sys.modules), time.process_time()
import sr_gan_tf
end = time.process_time()
from tensorflow.python.eager import context
assert not context.context()._initialized, "a device was touched"
assert not {"matplotlib.pyplot", "tensorflow_datasets", "apache_beam"} & (set(sys.modules) - before)
print(end - middle, middle - start)
"""


VERSIONS = """
import importlib.metadata, sys
print("Python", sys.version.split()[0], *(f"{name} {importlib.metadata.version(name)}" for name in sys.argv[1:]))
"""


def test_importing_is_quick_and_touches_nothing(tmp_path):
    """At most 0.5 s of processor time beyond importing Keras and TensorFlow, no device, no connection, no file."""
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", IMPORT], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        seconds.append(float(done.stdout.split()[0]))
        if min(seconds) < 0.5:
            break
    print(f"importing sr_gan_tf after keras: {min(seconds):.2f} s")
    assert min(seconds) < 0.5
    assert not list(tmp_path.iterdir())


def python(version: str) -> str:
    """An interpreter of this version: on the path, or pyenv's."""
    found = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for path in found:
        # pyenv puts a script of this name on the path even where it then finds no such Python.
        if path and subprocess.run([path, "-c", "import venv"], capture_output=True).returncode == 0:
            return path
    pytest.skip(f"no Python {version} on this machine")


def lowest(repository) -> list[str]:
    """`package==version` of the lowest that setup.cfg admits: its bounds are versions that there are."""
    text = (repository / "setup.cfg").read_text()
    block = re.search(r"install_requires =\n((?:    .+\n)+)", text)[1]
    pairs = re.findall(r"^    ([A-Za-z0-9_.-]+)>=([0-9.]+)", block, re.M)
    assert len(pairs) == len(block.splitlines())
    return [f"{name}=={version}" for name, version in pairs]


@pytest.mark.long
@pytest.mark.parametrize("bounds", ["highest", "lowest"])
@pytest.mark.parametrize("version", PYTHONS)
def test_wheel_in_a_fresh_environment(repository, tmp_path, version, bounds):
    run = lambda *command, **more: subprocess.run(  # noqa: E731
        [str(part) for part in command], check=True, capture_output=True, text=True, cwd=tmp_path, **more
    )
    copy = tmp_path / "source"
    shutil.copytree(repository, copy, ignore=shutil.ignore_patterns(".git", "runs", "*.egg-info", "__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, copy)
    shutil.rmtree(copy)
    (wheel,) = tmp_path.glob("*.whl")
    run(python(version), "-m", "venv", tmp_path / "venv")
    inside = tmp_path / "venv" / "bin" / "python"
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(lowest(repository)) if bounds == "lowest" else "")
    try:
        run(inside, "-m", "pip", "install", "--quiet", "--no-compile", wheel, "-c", constraints)
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr[-3000:])
    print(run(inside, "-m", "pip", "check").stdout.strip())
    print(run(inside, "-c", VERSIONS, "tensorflow", "keras", "numpy", "pillow", "scikit-image").stdout.strip())
    run(inside, "-c", IMPORT)
    shutil.copy(repository / "experiments" / "tiny.json", tmp_path)
    run(inside, "-m", "sr_gan_tf.fit", "tiny.json", "--run-dir", "run")
    run(inside, "-c", "import skimage.data as d, PIL.Image as i; i.fromarray(d.chelsea()[:60, :80]).save('cat.png')")
    run(inside, "-m", "sr_gan_tf.upscale", "cat.png", "-o", "big.png", "--model", "run")
    assert (tmp_path / "big.png").is_file()
    shutil.rmtree(tmp_path / "venv")
