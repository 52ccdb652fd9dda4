"""Perceptual losses by hand, sharing of a trunk, and that no trunk gets into a checkpoint."""

import keras
import numpy as np
import pytest
import skimage.data
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import MeanAbsoluteError
from sr_gan_tf.losses.low_pass import low_pass
from sr_gan_tf.losses.perceptual import GramStyle, VGGFeatures, feature_distance, gram_matrix
from sr_gan_tf.losses.trunk_loss import content_values
from sr_gan_tf.losses.vgg_weights import load_trunk
from sr_gan_tf.resampling import imresize

HED = {"network": "vgg16", "weights": "hed"}


@pytest.fixture(scope="module")
def pictures():
    hr = skimage.data.chelsea()[60:108, 100:148].astype("float32")[None] / 255
    return tf.constant(hr), tf.constant(imresize(imresize(hr, 1 / 2), 2))


def test_features_by_hand(pictures):
    """The loss from the trunk's features with plain NumPy."""
    hr, sr = pictures
    layers = {"block1_conv2": 0.25, "block2_pool": 1.0, "block3_conv2": 2.0}
    taps = [("block1_conv2", True), ("block2_pool", False), ("block3_conv2", True)]
    trunk = load_trunk("vgg16", "hed")
    real, fake = trunk.features(hr, taps), trunk.features(sr, taps)
    differences = [(real[tap] - fake[tap]).numpy() * 0.1 for tap in taps]
    expected = {
        "l1": sum(w * np.abs(d).mean() for w, d in zip(layers.values(), differences, strict=True)),
        "mse": sum(w * np.square(d).mean() for w, d in zip(layers.values(), differences, strict=True)),
        "huber": sum(
            w * np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5).mean()
            for w, d in zip(layers.values(), differences, strict=True)
        ),
    }
    for distance, value in expected.items():
        loss = VGGFeatures(**HED, layers=layers, before_activation=True, distance=distance, feature_scale=0.1)
        assert float(loss(hr, sr)) == pytest.approx(value, rel=1e-5)


def test_lpips_is_the_distance_that_is_measured(pictures):
    hr, sr = pictures
    layers = {"block1_conv1": 0.5, "block3_conv1": 1.0}
    loss = VGGFeatures(**HED, layers=layers, distance="lpips")
    measured = feature_distance(load_trunk("vgg16", "hed"), hr, sr, layers)
    assert float(loss(hr, sr)) == pytest.approx(float(measured[0]), rel=1e-5)
    assert float(loss(hr, sr)) > 0.01
    assert float(loss(hr, hr)) == 0


def test_the_rescale_of_the_paper(pictures):
    hr, sr = pictures
    one, paper = (
        VGGFeatures(**HED, layers={"block5_conv3": 1.0}, distance="mse", feature_scale=s) for s in (1, 1 / 12.75)
    )
    assert float(paper(hr, sr)) == pytest.approx(float(one(hr, sr)) / 162.5625, rel=1e-5)


def test_gram_matrix_by_hand():
    # Two positions, channels (1, 2) and (3, 4): sums of products over 1 * 2 * 2.
    features = tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]])
    np.testing.assert_allclose(gram_matrix(features)[0], np.array([[10, 14], [14, 20]]) / 4)


def test_style_does_not_care_where_a_texture_stands(pictures):
    hr, _ = pictures
    flipped = hr[:, :, ::-1]
    style = GramStyle(**HED, layers={"block1_conv1": 1.0})
    content = VGGFeatures(**HED, layers={"block1_conv1": 1.0})
    assert float(style(hr, flipped)) < 0.1 * float(content(hr, flipped))
    trunk = load_trunk("vgg16", "hed")
    real, fake = (gram_matrix(trunk.features(x, style.taps)["block1_conv1", False]) / 12.75**2 for x in (hr, flipped))
    assert float(style(hr, flipped)) == pytest.approx(np.abs(real - fake).mean(), rel=1e-4)


def test_shared_pass_equals_single_ones(pictures):
    hr, sr = pictures
    losses = [
        VGGFeatures(**HED, layers={"block3_conv1": 1.0}, before_activation=True),
        MeanAbsoluteError(),
        GramStyle(**HED, layers={"block2_conv1": 1.0}),
    ]
    passes = []
    trunk = losses[0].trunk
    assert trunk is losses[2].trunk
    original = trunk.features
    trunk.features = lambda image, taps: passes.append(taps) or original(image, taps)
    try:
        together = content_values(losses, hr, sr)
    finally:
        del trunk.features
    assert len(passes) == 2
    assert [float(value) for value in together] == [float(loss(hr, sr)) for loss in losses]
    with pytest.raises(InputError, match="VGGFeatures needs pictures of at least 4 x 4"):
        content_values(losses, hr[:, :3, :3], sr[:, :3, :3])


def test_the_trunk_is_not_part_of_a_model(pictures, tmp_path):
    class Holder(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.losses_held = [VGGFeatures(**HED, layers={"block1_conv1": 1.0})]
            self.loss_held = self.losses_held[0]

        def call(self, x):
            return self.dense(x)

    model = Holder()
    model(np.zeros((1, 2)))
    assert len(model.variables) == 2
    model.save_weights(tmp_path / "model.weights.h5")
    assert (tmp_path / "model.weights.h5").stat().st_size < 100_000
    tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 200_000


def test_distance_by_hand(pictures):
    hr, sr = pictures
    trunk = load_trunk("vgg16", "hed")
    layers = {"block1_conv2": 1.0, "block3_conv3": 0.5}
    both, back = tf.concat([hr, hr], 0), tf.concat([sr, hr], 0)
    value = feature_distance(trunk, both, back, layers)
    expected = 0
    for name, weight in layers.items():
        real, fake = (trunk.features(x, [(name, False)])[name, False].numpy()[0] for x in (hr, sr))
        real, fake = (x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-12) for x in (real, fake))
        expected += weight * np.square(real - fake).sum(-1).mean()
    assert value.shape == (2,)
    np.testing.assert_allclose(value, [expected, 0], rtol=1e-4, atol=1e-7)
    # A worse copy is further away.
    worse = imresize(imresize(hr[0].numpy(), 1 / 4), 4)[None]
    assert float(feature_distance(trunk, hr, worse, layers)[0]) > expected
    with pytest.raises(InputError, match="did you mean"):
        feature_distance(trunk, hr, sr, {"block1_conv3": 1.0})


def test_default_layers_and_sizes():
    loss = VGGFeatures(**HED)
    assert loss.layers == {"block5_conv3": 1.0}
    assert loss.smallest_size == 16
    assert GramStyle(**HED).layers == {"block1_conv1": 1.0, "block2_conv1": 1.0, "block3_conv1": 1.0}
    with pytest.raises(ValueError, match="expected RGB"):
        loss(np.zeros((1, 32, 32, 1)), np.zeros((1, 32, 32, 1)))


def test_a_cutoff_leaves_finer_frequencies_out():
    hr = np.random.default_rng(3).uniform(0.3, 0.7, (1, 48, 48, 3)).astype("float32")
    checks = 0.1 * (np.indices((48, 48)).sum(0) % 2 - 0.5).astype("float32")[None, :, :, None]
    waves = 0.1 * np.cos(np.arange(48) * np.pi / 2).astype("float32")[None, :, None, None]
    for kind in (VGGFeatures, GramStyle):
        loss = kind(**HED, layers={"block1_conv2": 1.0}, cutoff=0.4)
        assert loss.trunk is not kind(**HED, layers={"block1_conv2": 1.0}).trunk
        assert float(loss(hr, hr + checks)) < 1e-3 * float(loss(hr, hr + waves))
        with pytest.raises(ValueError, match="cutoff: expected a frequency above 0"):
            kind(**HED, layers={"block1_conv2": 1.0}, cutoff=0.0)


@pytest.mark.parametrize("shape", [(1, 30, 41, 3), (2, 64, 64, 1), (1, 7, 9, 2)])
def test_the_low_pass_by_its_definition(shape):
    image = np.random.default_rng(4).uniform(size=shape)
    border = [min(24, side - 1) for side in shape[1:3]]
    padded = np.pad(image, [(0, 0), (border[0],) * 2, (border[1],) * 2, (0, 0)], mode="reflect")
    height, width = padded.shape[1:3]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    gains = np.clip((0.3 + 0.02 - radius) / 0.04, 0, 1)[None, :, :, None]
    filtered = np.fft.ifft2(np.fft.fft2(padded, axes=(1, 2)) * gains, axes=(1, 2)).real
    expected = filtered[:, border[0] : height - border[0], border[1] : width - border[1]]
    np.testing.assert_allclose(low_pass(tf.constant(image), 0.3), expected, atol=1e-9)
