"""FeatureDiscriminator, which judges features of a fixed network, and PatchGAN on the high bands of a wavelet."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import picture, stir, trainable_count

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.inference.receptive_field import receptive_field
from sr_gan_tf.losses import VGGFeatures
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.losses.shared_passes import shared_passes
from sr_gan_tf.losses.vgg import Trunk, layer_names
from sr_gan_tf.losses.vgg_weights import load_trunk
from sr_gan_tf.training import gan

IMAGES = np.random.default_rng(0).random((2, 8, 10, 3), np.float32)


def discriminator(**changes):
    config = {"network": "vgg16", "trunk_weights": "lpips", "taps": ("block1_conv2", "block2_conv1"), "filters": 4}
    return DISCRIMINATORS["FeatureDiscriminator"](**{**config, **changes})


def layer_number(name: str) -> int:
    return layer_names("vgg16").index(name) + 1


@pytest.mark.skipif(lpips_file("vgg16") is None, reason=INSTALL_LPIPS)
class TestFeatures:
    def test_each_position_has_a_mean_square_of_one(self):
        trunk = discriminator().get_layer("trunk")
        for features, channels in zip(trunk(IMAGES), (64, 128), strict=True):
            squares = np.mean(np.square(features), axis=-1)
            np.testing.assert_allclose(squares, 1, rtol=1e-3)
            assert features.shape[-1] == channels

    def test_deeper_logits_are_repeated_on_the_shallow_grid(self):
        logits = stir(discriminator())(IMAGES).numpy()
        blocks = logits.reshape(2, 4, 2, 5, 2, 2)
        assert np.ptp(blocks[..., 1], axis=(2, 4)).max() == 0
        assert np.ptp(blocks[..., 0], axis=(2, 4)).min() > 0

    def test_only_the_heads_are_weights(self):
        # Per head: mix C * 4 + 4, convolution 9 * 4 * 4 + 4, logits 4 + 1.
        assert trainable_count(discriminator()) == sum(4 * c + 4 + 148 + 5 for c in (64, 128))

    @pytest.mark.parametrize(("tap", "pixels"), [("block1_conv2", 7), ("block2_conv1", 14), ("block4_conv3", 108)])
    def test_receptive_field_is_what_the_picture_changes(self, tap, pixels):
        judge = stir(discriminator(taps=(tap,)))
        field = receptive_field(judge)
        assert field.size == pixels
        image = tf.Variable(np.random.default_rng(1).random((1, 128, 128, 3), np.float32))
        with tf.GradientTape() as tape:
            logits = judge(image)
            middle = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
        seen = np.flatnonzero(np.abs(tape.gradient(middle, image))[0].max(axis=(1, 2)) > 0)
        assert pixels // 2 < np.ptp(seen) + 1 <= pixels  # max pooling passes its gradient to one pixel only

    def test_a_step_computes_each_layer_once_per_picture(self, monkeypatch):
        """With a perceptual loss on the same trunk, whichever of the two reads deeper; the values stay the same."""
        computed = []
        compute = Trunk.add_layer
        monkeypatch.setattr(Trunk, "add_layer", lambda *given: (computed.append(given[1]), compute(*given))[1])
        hr = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
        batch = tf.constant(hr[:, ::2, ::2]), tf.constant(hr)
        for layer, layers in (("block1_conv1", 4), ("block2_conv2", 5)):  # block2_conv1 is the fourth layer
            results = []
            for sharing in (shared_passes, contextlib.nullcontext):
                monkeypatch.setattr(gan, "shared_passes", sharing)
                keras.utils.set_random_seed(1)
                trainer = gan.GAN(GENERATORS["Compact"](scale=2, filters=4, num_convs=1), discriminator())
                features = VGGFeatures(network="vgg16", weights="lpips", layers={layer: 1.0})
                trainer.compile("sgd", "sgd", [(features, 1.0)], ("RelativisticAverage", 0.1), run_eagerly=True)
                computed.clear()
                logs = trainer.train_step(batch)
                results.append({name: float(value) for name, value in logs.items()})
                assert len(computed) == (2 * layers if sharing is shared_passes else 2 * (4 + layer_number(layer)))
            assert results[0] == pytest.approx(results[1], rel=1e-5)
            assert results[0]["generator_gradient_norm"] > 0

    def test_a_cutoff_hides_what_is_finer(self):
        judge = stir(discriminator(cutoff=0.4))
        image = 0.3 + 0.4 * np.random.default_rng(2).random((1, 48, 48, 3), np.float32)
        checks = 0.1 * (np.indices((48, 48)).sum(0) % 2 - 0.5).astype(np.float32)[None, :, :, None]
        waves = 0.1 * np.cos(np.arange(48, dtype=np.float32) * np.pi / 2)[None, :, None, None]
        before = judge(image).numpy()
        np.testing.assert_allclose(judge(image + checks), before, atol=1e-4 * np.abs(before).max())
        assert np.abs(judge(image + waves) - before).max() > 1e-2 * np.abs(before).max()
        assert judge.get_config()["cutoff"] == 0.4
        assert receptive_field(judge).size == receptive_field(discriminator()).size + 2 * 24
        with pytest.raises(ValueError, match=r"cutoff: expected a frequency above 0 and below 0\.7, found 0\.7"):
            discriminator(cutoff=0.7)

    def test_a_branch_has_passes_of_its_own(self):
        trunk = load_trunk("vgg16", "lpips")
        taps = [("block1_conv2", False)]

        @tf.function
        def both(image):
            with shared_passes():
                inside = tf.cond(
                    tf.reduce_mean(image) > 2,
                    lambda: tf.zeros([2, 8, 10, 64]),
                    lambda: trunk.features(image, taps)[taps[0]],
                )
                return inside, trunk.features(image, taps)[taps[0]]

        inside, outside = both(tf.constant(IMAGES))
        np.testing.assert_allclose(inside, outside, rtol=1e-5, atol=1e-6)

    def test_wrong_taps(self):
        for taps, message in (
            (("block2_conv1", "block1_conv1"), "from shallow to deep, found block2_conv1, block1_conv1"),
            (("block6_conv1",), "taps: vgg16 has no 'block6_conv1'"),
            ((), "taps is empty; set at least one layer"),
        ):
            with pytest.raises(ValueError, match=message):
                discriminator(taps=taps)


def test_high_bands_are_blind_to_what_is_smooth():
    """The low band is left to the content losses: a ramp of brightness changes no logit, a fine pattern does."""
    patchgan = DISCRIMINATORS["PatchGAN"](filters=4, num_layers=2, high_bands=True, normalization="none")
    assert receptive_field(patchgan).size == 34 + 13  # of a PatchGAN with two layers, and of a filter with 14 taps
    image = 0.2 + 0.3 * picture(patchgan, (48, 48))
    ramp = np.linspace(0, 0.4, 48, dtype=np.float32)[None, :, None, None]
    stripes = 0.05 * (-1.0) ** np.arange(48, dtype=np.float32)[None, :, None, None]
    before = patchgan(image).numpy()[:, 4:-4, 4:-4]
    np.testing.assert_allclose(patchgan(image + ramp).numpy()[:, 4:-4, 4:-4], before, atol=1e-5)
    assert np.abs(patchgan(image + stripes).numpy()[:, 4:-4, 4:-4] - before).max() > 1e-3
    with pytest.raises(ValueError, match="set conditional or high_bands to false"):
        DISCRIMINATORS["PatchGAN"](filters=4, high_bands=True, conditional=True)
