"""Every loss of the catalogs: JSON round trip, perfect and extreme input, gradients by finite differences, XLA."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES, artifacts
from sr_gan_tf.losses.package_weights import INSTALL_DISTS, INSTALL_LPIPS, dists_file, lpips_file
from sr_gan_tf.losses.trunk_loss import content_values
from sr_gan_tf.resampling import imresize

HED = {"network": "vgg16", "weights": "hed"}
# Where the default would need larger pictures or a download.
SMALL = {
    "MSSSIM": {"scales": 3},
    "VGGFeatures": {**HED, "layers": {"block2_conv2": 0.5, "block3_conv1": 1.0}, "before_activation": True},
    "GramStyle": {**HED, "layers": {"block1_conv1": 1.0, "block2_conv1": 0.5}},
}
ALL = {**CONTENT_LOSSES, **ADVERSARIAL_LOSSES, **FEATURE_LOSSES, **PENALTIES}
SIZE, SCALE = 44, 4
# Those that need pictures of a smallest size.
LIMITED = (
    "SSIM", "MSSSIM", "MSSSIML1", "VGGFeatures", "GramStyle", "LPIPS", "DISTS", "TotalVariation", "LowPassColor", "LDL",
    "Wavelet", "FrequencyBand",
)  # fmt: skip


def make(name):
    if name in ("LPIPS", "DISTS") and lpips_file("vgg16") is None:
        pytest.skip(INSTALL_LPIPS)
    if name == "DISTS" and dists_file() is None:
        pytest.skip(INSTALL_DISTS)
    return build(Spec(name, SMALL.get(name, {})), ALL, "loss")


def photographs(dtype="float64"):
    """Smooth pictures with some noise, and their distorted copies without ties or clipped values."""
    random = np.random.default_rng(1)
    hr = np.kron(random.uniform(0.2, 0.8, (2, 11, 11, 3)), np.ones((1, 4, 4, 1))) + random.normal(
        0, 0.03, (2, 44, 44, 3)
    )
    sr = 0.9 * hr + random.normal(0.04, 0.05, hr.shape)
    return hr.astype(dtype), sr.astype(dtype), imresize(hr, 1 / SCALE).astype(dtype)


def slope(function, x, direction, step=1e-6):
    """(gradient . direction, the same by central differences)."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    exact = float(tf.reduce_sum(tape.gradient(value, x) * direction))
    return exact, float(function(x + step * direction) - function(x - step * direction)) / (2 * step)


@pytest.mark.parametrize("name", ALL)
def test_round_trip(name):
    loss = make(name)
    assert isinstance(loss, ALL[name])
    packed = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(packed))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert json.loads(json.dumps(loss.get_config())) == loss.get_config()
    # What an experiment file says is what the loss answers.
    for key, value in SMALL.get(name, {}).items():
        assert loss.get_config()[key] == value


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_perfect_input(name):
    hr, sr, lr = photographs("float32")
    loss = make(name)
    value = loss(hr, hr, lr)
    assert value.dtype == tf.float32
    assert value.shape == ()
    if name != "TotalVariation":
        assert abs(float(value)) < 1e-6
    assert float(loss(hr, sr, lr)) > 10 * abs(float(value)) + 1e-6 or name == "TotalVariation"


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_gradient_by_finite_differences(name, monkeypatch):
    loss, step, tolerance = make(name), 1e-6, 1e-5
    hr, sr, lr = photographs()
    if name in ("VGGFeatures", "GramStyle", "LPIPS", "DISTS"):
        # Fewer and shorter steps over the kinks of the many ReLUs; the trunk's own rounding asks for the tolerance.
        size = max(8, loss.smallest_size)
        hr, sr, lr = hr[:1, :size, :size], sr[:1, :size, :size], lr[:1, : size // SCALE, : size // SCALE]
        step, tolerance = 1e-8, 1e-4
    if name == "FourierAmplitude":
        # The weights of its focus are constants for the gradient, so they must be here.
        loss = build(Spec(name, {"focus": 0.0}), ALL, "loss")
    if name == "LDL":
        # So are those of its map, which vary with the picture.
        fixed = artifacts.artifact_map(tf.constant(hr), tf.constant(sr))
        monkeypatch.setattr(artifacts, "artifact_map", lambda *pictures: fixed)
    direction = np.random.default_rng(2).normal(size=sr.shape)
    exact, measured = slope(lambda x: loss.compute(tf.constant(hr), x, tf.constant(lr)), sr, direction, step)
    assert exact == pytest.approx(measured, rel=tolerance)
    assert abs(exact) > 1e-8


def extremes():
    x = np.random.default_rng(3).uniform(size=(1, SIZE, SIZE, 3)).astype("float32")
    black, white = np.zeros_like(x), np.ones_like(x)
    checks = np.indices((SIZE, SIZE)).sum(0)[None, :, :, None] % 2 * white
    yield from [(x, 1 - x), (black, white), (white, black), (black, black), (x, x), (checks, 1 - checks)]
    yield from [(x, 100 * x - 50), (x, np.full_like(x, 0.5)), (x, x + 1e-7)]


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_extreme_input_is_finite(name):
    loss = make(name)
    for hr, sr in extremes():
        lr = imresize(hr, 1 / SCALE)
        sr = tf.constant(sr)
        with tf.GradientTape() as tape:
            tape.watch(sr)
            value = loss(hr, sr, lr)
        assert np.isfinite(float(value))
        assert np.isfinite(tape.gradient(value, sr, unconnected_gradients="zero").numpy()).all()


@pytest.mark.parametrize("name", CONTENT_LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_picture_gives_no_finite_loss(name, bad):
    hr, sr, lr = photographs("float32")
    sr[:, :, :, :] = bad
    assert not np.isfinite(float(make(name)(hr, sr, lr)))


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_half_precision_pictures_are_computed_in_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    hr, sr, lr = (tf.cast(image, tf.bfloat16) for image in photographs("float32"))
    loss = make(name)
    value = loss(hr, sr, lr)
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(float(loss(*(tf.cast(image, tf.float32) for image in (hr, sr, lr)))), rel=1e-6)


@pytest.mark.parametrize("name", CONTENT_LOSSES)
def test_shapes_that_would_broadcast_are_refused(name):
    hr, sr, lr = photographs("float32")
    with pytest.raises(ValueError, match="shapes differ"):
        make(name)(hr, sr[:, :, :, :1], lr)
    with pytest.raises(ValueError, match="shapes differ"):
        make(name)(hr, sr[:1], lr)


def test_the_losses_of_a_smallest_size_are_listed():
    assert {name for name in CONTENT_LOSSES if make(name).smallest_size > 1} == set(LIMITED)


@pytest.mark.parametrize("name", LIMITED)
def test_smallest_size_is_named_and_works(name):
    loss = make(name)
    size = loss.smallest_size
    x = np.random.default_rng(5).uniform(size=(1, size, size, 3)).astype("float32")
    lr = imresize(x, 0.25)
    assert np.isfinite(float(loss(x, 1 - x, lr)))
    with pytest.raises(
        InputError, match=rf"at least {size} x {size} pixels, found {size} x {size - 1}; .*{size} or more"
    ):
        loss(x[:, :, 1:], x[:, :, 1:], lr)


@pytest.mark.parametrize(
    "names",
    [["ColorHistogram", "FourierAmplitude"]]
    + [pytest.param([name], marks=pytest.mark.long) for name in CONTENT_LOSSES],
    ids=" ".join,
)
def test_compiled_values_equal_plain_ones(names):
    hr, sr, lr = (tf.constant(image) for image in photographs("float32"))
    losses = [make(name) for name in names]

    def values_and_gradient(sr):
        with tf.GradientTape() as tape:
            tape.watch(sr)
            values = content_values(losses, hr, sr, lr)
            total = tf.add_n(values)
        return values, tape.gradient(total, sr)

    plain, plain_gradient = tf.function(values_and_gradient)(sr)
    compiled, gradient = tf.function(values_and_gradient, jit_compile=True)(sr)
    assert [float(value) for value in compiled] == pytest.approx([float(value) for value in plain], rel=1e-4)
    difference = float(tf.reduce_max(tf.abs(gradient - plain_gradient)))
    assert difference < 1e-3 * float(tf.reduce_max(tf.abs(plain_gradient)))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("Charbonnier", {"epsilon": 0}),
        ("LogMeanSquaredError", {"floor": 0}),
        ("Huber", {"delta": -1}),
        ("SSIM", {"window": 8}),
        ("SSIM", {"sigma": 0}),
        ("MSSSIM", {"scales": 6}),
        ("MSSSIML1", {"alpha": 1.5}),
        ("ColorHistogram", {"bins": 1}),
        ("LowPassColor", {"sigma": 0}),
        ("FourierAmplitude", {"focus": -1}),
        ("FrequencyBand", {"start": 0.5, "end": 0.4}),
        ("BinaryCrossentropy", {"label_smoothing": 0.5}),
        ("GradientPenalty", {"target": -1}),
        ("VGGFeatures", {**HED, "layers": {}}),
        ("VGGFeatures", {**HED, "layers": {"block1_conv1": 0}}),
        ("GramStyle", {**HED, "feature_scale": 0}),
        ("VGGFeatures", {**HED, "distance": "cosine"}),
    ],
)
def test_senseless_arguments_are_refused_in_one_line(name, config):
    with pytest.raises(InputError) as error:
        build(Spec(name, config), ALL, "stages.0.content.0")
    assert str(error.value).startswith("stages.0.content.0")
    assert "\n" not in str(error.value)


def test_the_document_has_a_line_for_each_loss(repository):
    lines = (repository / "docs" / "losses.md").read_text(encoding="utf-8").splitlines()
    for name in ALL:
        assert any(re.match(rf"\| `{name}` \|", line) for line in lines), name
