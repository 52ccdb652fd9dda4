"""Damaged files of every format: a clear error or a whole picture, never a traceback, a hang or half a file."""

import time

import numpy as np
import pytest
from damaged_files import damaged, small_pictures
from tiny import tiny_generator

from sr_gan_tf.pictures.reading import read_frames
from sr_gan_tf.upscale import main


def _run(folder, model: str, count: int, capsys, seed: int) -> None:
    generator = np.random.default_rng(seed)
    originals = small_pictures()
    suffixes = ["png", "jpg", "webp", "tif", "bmp", "gif", "avif"]
    source, target = folder / "in", folder / "out"
    source.mkdir()
    for index in range(count):
        content = damaged(originals[index % len(originals)], generator)
        (source / f"{index:04d}.{suffixes[generator.integers(len(suffixes))]}").write_bytes(content)
    start = time.monotonic()
    for format in ("png", "webp", "tif"):
        status = main([str(source), "-o", str(target / format), "--format", format, "--model", model, *_LIMITS])
        said = capsys.readouterr()
        assert status == 1
        assert "Traceback" not in said.err
        assert "unexpected" not in said.err
        errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
        written = sorted((target / format).iterdir())
        assert len(errors) + len(written) == count
        assert len(errors) > count / 4
        assert len(written) > count / 20
        assert all(str(source) in line for line in errors)
        for path in written:
            assert path.suffix == f".{format}"
            assert list(read_frames(path))
    assert time.monotonic() - start < count


# A damaged header may name any size; these keep what passes for a picture small.
_LIMITS = ["--max-megapixels", "0.02"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny.keras"
    tiny_generator("Compact", scale=2).save(path)
    return str(path)


def test_damaged_files(model, tmp_path, capsys):
    _run(tmp_path, model, 44, capsys, seed=1)


@pytest.mark.long
def test_many_damaged_files(model, tmp_path, capsys):
    _run(tmp_path, model, 500, capsys, seed=2)
