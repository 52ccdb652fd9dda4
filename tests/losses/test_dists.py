"""DISTS: the published code's figures and gradients, as loss and as metric, and what is said without its weights."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from skimage import data as photographs

from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.losses import package_weights
from sr_gan_tf.losses.dists import DISTS, load_dists
from sr_gan_tf.losses.lpips import LPIPS

REFERENCES = Path(__file__).parents[1] / "reference"
installed = pytest.mark.skipif(
    package_weights.lpips_file("vgg16") is None or package_weights.dists_file() is None,
    reason=f"{package_weights.INSTALL_LPIPS}; {package_weights.INSTALL_DISTS}",
)


@pytest.fixture(name="pictures")
def _pictures():
    with np.load(REFERENCES / "lpips" / "pictures.npz") as arrays:
        return {name: tf.constant(arrays[name] / np.float32(255)) for name in ("hr", "sr")}


@pytest.fixture(name="published")
def _published():
    """Written by tools/dists_reference.py, which runs the published PyTorch code."""
    with np.load(REFERENCES / "dists" / "figures.npz") as arrays:
        return dict(arrays)


@installed
@pytest.mark.parametrize(("name", "height"), [("whole", 67), ("odd", 33)])
def test_figures_and_gradients_of_the_published_code(pictures, published, name, height):
    hr, sr = (pictures[key][:, :height] for key in ("hr", "sr"))
    with tf.GradientTape() as tape:
        tape.watch(sr)
        values = load_dists()(hr, sr)
    np.testing.assert_allclose(values, published[name], atol=1e-5)
    gradients = tape.gradient(values, sr)
    lengths = tf.norm(tf.reshape(gradients, (2, -1)), axis=1)
    np.testing.assert_allclose(lengths, published[f"{name}_gradient_norm"], rtol=1e-3)
    assert float(DISTS()(hr, sr)) == pytest.approx(float(published[name].mean()), abs=1e-5)
    assert float(DISTS()(hr, hr)) == 0


@installed
def test_another_place_of_a_texture_is_nearer_than_its_blur():
    """What it was made for: LPIPS, on the same VGG16, judges the other way round."""
    photograph = photographs.chelsea().astype("float32")[None] / 255
    fur, elsewhere = (tf.constant(photograph[:, y : y + 96, x : x + 96]) for y, x in ((60, 100), (67, 109)))
    blurred = tf.nn.avg_pool2d(fur, 3, 1, "SAME")
    assert float(DISTS()(fur, elsewhere)) < float(DISTS()(fur, blurred))
    assert float(LPIPS()(fur, elsewhere)) > float(LPIPS()(fur, blurred))


@installed
def test_bfloat16_is_near(pictures):
    exact = float(DISTS()(pictures["hr"], pictures["sr"]))
    near = float(DISTS(precision="bfloat16")(pictures["hr"], pictures["sr"]))
    assert near == pytest.approx(exact, rel=0.05)
    assert near != exact


def test_missing_weights_are_said_in_one_line(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    load_dists.cache_clear()
    package_weights.dists_weights.cache_clear()
    with pytest.raises(Unavailable, match="pip install --no-deps dists-pytorch"):
        DISTS()


def test_another_file_is_refused_unread(monkeypatch, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(bytes(12288))
    monkeypatch.setattr(package_weights, "dists_file", lambda: path)
    load_dists.cache_clear()
    package_weights.dists_weights.cache_clear()
    with pytest.raises(InputError, match="damaged or another version"):
        DISTS()
