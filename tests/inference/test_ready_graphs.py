"""Kept graphs: the same pixels without Keras, and made anew wherever they no longer fit."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tiny import tiny_generator

from sr_gan_tf.inference import ready_graphs
from sr_gan_tf.inference.c_session import CannotRunGraph, FrozenGraph, library_path
from sr_gan_tf.inference.chain import load_chain
from sr_gan_tf.inference.keras_enlarger import KerasEnlarger
from sr_gan_tf.inference.ready_graphs import ready_enlarger
from sr_gan_tf.pictures.reading import read_rgb, write_image

pytestmark = pytest.mark.skipif(library_path() is None, reason="TensorFlow's C library is not where Linux has it")


def refuse():
    raise AssertionError("the network was built")


def noise(*shape, dtype=np.uint8):
    values = np.random.default_rng(0).random(shape)
    return (values * (np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1)).astype(dtype)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The enlarger of a network that is shipped as "tiny", keeping its graphs in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "tiny.keras"
    generator = tiny_generator("SPAN")
    generator.save(file)
    monkeypatch.setattr(ready_graphs, "shipped_models", lambda: {"tiny": file})
    monkeypatch.setattr(ready_graphs, "_is_tensorflow_imported", lambda: False)
    return KerasEnlarger(generator, kept_as=("tiny", "float32"))


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_kept_graphs_give_the_same_pixels(tiny, tmp_path):
    pictures = [noise(9, 14, 3), noise(20, 11, 1), noise(9, 14, 3, dtype=np.uint16), noise(8, 8, 3, dtype=np.float32)]
    expected = [tiny(picture) for picture in pictures]
    assert len(kept(tmp_path)) == 4
    ready = ready_enlarger("tiny", "float32", False, refuse)
    for name in ("scale", "field", "border", "bytes_per_pixel", "identity"):
        assert getattr(ready, name) == getattr(tiny, name)
    for picture, result in zip(pictures, expected, strict=True):
        np.testing.assert_array_equal(ready(picture), result)
        assert ready(picture).dtype == picture.dtype


def test_flips_and_turns_are_kept_too(tiny, tmp_path):
    tiny.ensemble = True
    expected = tiny(noise(9, 14, 3))
    assert kept(tmp_path) == ["tiny-float32-uint8x3-unrounded.graph"]
    np.testing.assert_array_equal(ready_enlarger("tiny", "float32", True, refuse)(noise(9, 14, 3)), expected)


def test_what_is_not_kept_is_left_to_the_network(tiny):
    assert ready_enlarger("tiny", "float32", False, refuse) is None
    tiny(noise(9, 14, 3))
    ready = ready_enlarger("tiny", "float32", False, lambda: tiny)
    np.testing.assert_array_equal(ready(noise(9, 14, 1)), tiny(noise(9, 14, 1)))
    assert ready_enlarger("tiny", "bfloat16", False, refuse) is None


@pytest.mark.parametrize("change", ["weights", "version", "damage", "source", "foreign"])
def test_a_graph_that_no_longer_fits_is_made_anew(change, tiny, tmp_path, monkeypatch):
    tiny(noise(9, 14, 3))
    file = next((tmp_path / "cache").rglob("*.graph"))
    whole = file.read_bytes()
    if change == "weights":
        (tmp_path / "tiny.keras").write_bytes(b"others")
    elif change == "version":
        monkeypatch.setattr(ready_graphs, "__version__", "9.9")
    elif change == "source":
        monkeypatch.setattr(ready_graphs, "_SOURCES", ("errors.py",))
    elif change == "damage":
        file.write_bytes(whole[:-1] + b"?")
    else:
        about = {**json.loads(whole.partition(b"\n")[0]), "field": {"left": 1}}
        file.write_bytes(json.dumps(about).encode() + b"\n" + whole.partition(b"\n")[2])
    assert ready_enlarger("tiny", "float32", False, refuse) is None
    if change != "foreign":
        again = KerasEnlarger(tiny.generator, kept_as=tiny.kept_as)
        again(noise(9, 14, 3))
        assert ready_enlarger("tiny", "float32", False, refuse) is not None


def test_a_cache_that_cannot_be_written_costs_nothing_else(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert tiny(noise(9, 14, 3)).shape == (9 * tiny.scale, 14 * tiny.scale, 3)


def test_a_graph_that_tensorflow_refuses_is_reported():
    with pytest.raises(CannotRunGraph):
        FrozenGraph(b"no graph", "input", "output")


def test_the_command_needs_neither_tensorflow_nor_keras(tmp_path, monkeypatch):
    """A first process keeps the graph; the second one enlarges without importing either."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    picture = noise(12, 10, 3)
    monkeypatch.setattr("sr_gan_tf.inference.chain._recent", {})
    bordered = np.pad(picture, ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    expected = load_chain(["span_x2"], precision="float32").enlargers[0](bordered)[16:-16, 16:-16]
    write_image(tmp_path / "a.png", picture)
    code = (
        "import sys; sys.orig_argv = ['python', '-m', 'sr_gan_tf.upscale']\n"
        "from sr_gan_tf.upscale import main\n"
        "status = main(['a.png', '-o', 'b.png', '--model', 'span_x2', '--precision', 'float32'])\n"
        "sys.exit(status or [name for name in ('tensorflow', 'keras', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=quiet, capture_output=True, text=True)
    assert done.stderr in ("", "[]\n")
    assert "wrote b.png" in done.stdout
    np.testing.assert_array_equal(read_rgb(tmp_path / "b.png"), expected)
