"""FeatureDiscriminator, which judges features of a fixed network, and PatchGAN on the high bands of a wavelet."""

import numpy as np
import pytest
import tensorflow as tf
from network_checks import picture, stir, trainable_count

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.inference.receptive_field import receptive_field
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file

IMAGES = np.random.default_rng(0).random((2, 8, 10, 3), np.float32)


def discriminator(**changes):
    config = {"network": "vgg16", "trunk_weights": "lpips", "taps": ("block1_conv2", "block2_conv1"), "filters": 4}
    return DISCRIMINATORS["FeatureDiscriminator"](**{**config, **changes})


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
