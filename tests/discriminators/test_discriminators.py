"""Discriminators: parameter counts, sizes, and the checks that every one of the catalog must pass."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import (
    check_batch_independence,
    check_finite,
    check_gradients,
    check_precision,
    check_round_trip,
    check_xla,
    picture,
    stir,
    trainable_count,
)

from sr_gan_tf import layers as own
from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.networks import Network

TINY = {
    "SRGANDiscriminator": {"image_size": 32, "filters": 4, "units": 8},
    "TinyDiscriminator": {"filters": 4},
    "ConvDiscriminator": {"filters": 4},
    "PatchGAN": {"filters": 4, "num_layers": 2},
    "UNetDiscriminator": {"filters": 4},
    "DUnet": {"filters": 4},
    "MetaGAN": {"filters": (16, 16, 32), "blocks": (1, 1, 1), "reductions": (2, 2, 2)},
    "VGGDiscriminator": {"image_size": 32, "filters": 4},
    "FeatureDiscriminator": {
        "network": "vgg16",
        "trunk_weights": "lpips",
        "taps": ("block1_conv2", "block2_conv1"),
        "filters": 4,
    },
}
# The stages of the full size, for what depends on them.
NARROW = TINY | {"MetaGAN": {"filters": (16, 16, 4, 4), "blocks": (0,) * 4}}
# Sizes that each tiny discriminator takes, odd ones where it can.
SIZES = {
    "SRGANDiscriminator": [(32, 32)],
    "TinyDiscriminator": [(13, 17), (1, 2)],
    "ConvDiscriminator": [(13, 17), (32, 20)],
    "PatchGAN": [(13, 17), (32, 20), (12, 12)],
    "UNetDiscriminator": [(8, 24), (32, 16)],
    "DUnet": [(8, 24), (32, 16)],
    "MetaGAN": [(16, 16), (16, 24)],
    "VGGDiscriminator": [(32, 32)],
    "FeatureDiscriminator": [(8, 10), (32, 20)],
}
ENDINGS = [
    {"class_name": "MinibatchDiscrimination", "config": {"num_kernels": 3, "kernel_size": 2}},
    {"class_name": "MinibatchStandardDeviation"},
]

# (name, configuration, trainable, not trainable); a spectrally normalized layer holds the vectors u and v.
COUNTS = [
    ("SRGANDiscriminator", {}, 23_565_505, 3_712),
    ("TinyDiscriminator", {"logits": "matrix"}, 1_857, 0),
    ("TinyDiscriminator", {"logits": "one"}, 1_857, 0),
    ("ConvDiscriminator", {}, 5_213_761, 5_760),
    ("PatchGAN", {}, 2_765_633, 1_792),
    ("PatchGAN", {"conditional": True}, 2_768_705, 1_792),
    ("PatchGAN", {"normalization": "instance"}, 2_764_737, 0),
    ("PatchGAN", {"normalization": "spectral"}, 2_764_737, 16_369),
    ("UNetDiscriminator", {}, 4_376_897, 17_856),
    ("DUnet", {}, 3_231_457, 14_720),
    ("MetaGAN", {}, 10_050_148, 0),
    *[
        pytest.param("MetaGAN", config, trainable, 0, marks=pytest.mark.long)
        for config, trainable in [
            ({"excitation": "cse"}, 10_666_810),
            ({"excitation": "csse"}, 10_669_852),
            ({"mixer": "conv"}, 10_304_164),
            ({"mixer": "conv", "excitation": "cse"}, 10_920_826),
            ({"mixer": "conv", "excitation": "csse"}, 10_923_868),
        ]
    ],
]


def tiny(name: str, **changes):
    if name == "FeatureDiscriminator" and lpips_file("vgg16") is None:
        pytest.skip(INSTALL_LPIPS)
    return DISCRIMINATORS[name](**{**TINY[name], **changes})


@functools.cache
def _built(name: str):
    network = tiny(name)
    return network, network.get_weights()


def unchanged(name: str):
    """The tiny discriminator as it starts; building it anew for each test would take longer than the tests."""
    network, weights = _built(name)
    network.set_weights(weights)
    return network


def images(name: str, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).random((batch, *SIZES[name][0], 3), np.float32)


def test_every_discriminator_has_a_tiny_configuration():
    assert set(TINY) == set(SIZES) == set(DISCRIMINATORS)


@pytest.mark.parametrize(("name", "config", "trainable", "fixed"), COUNTS)
@pytest.mark.usefixtures("no_random_weights")
def test_parameter_counts(name, config, trainable, fixed):
    discriminator = DISCRIMINATORS[name](**config)
    assert (trainable_count(discriminator), discriminator.count_params()) == (trainable, trainable + fixed)


@pytest.mark.parametrize("name", DISCRIMINATORS)
class TestEveryDiscriminator:
    def test_sizes(self, name):
        discriminator = unchanged(name)
        for size in SIZES[name]:
            logits = discriminator(picture(discriminator, size))
            assert logits.shape == discriminator.compute_output_shape((2, *size, 3))
            assert logits.shape[0] == 2
            assert logits.shape[-1] == (2 if name == "FeatureDiscriminator" else 1)  # one per tap
            assert logits.dtype == tf.float32

    def test_round_trip(self, name, tmp_path):
        discriminator = stir(unchanged(name))
        check_round_trip(discriminator, images(name), tmp_path)

    def test_precision(self, name):
        check_precision(lambda: tiny(name), images(name, batch=8))

    def test_batch_independence(self, name):
        check_batch_independence(unchanged(name), images(name))

    def test_gradients(self, name):
        check_gradients(unchanged(name), images(name))

    def test_finite(self, name):
        check_finite(unchanged(name), images(name))

    @pytest.mark.long
    def test_xla(self, name):
        check_xla(tiny(name), images(name))

    def test_wrong_arguments(self, name):
        with pytest.raises(InputError, match="takes no such argument"):
            build(Spec(name, {"filtres": 8}), DISCRIMINATORS, "discriminator")
        with pytest.raises(ValueError, match="filters: 0 "):
            tiny(name, filters=(0, 16, 32) if name == "MetaGAN" else 0)

    def test_features(self, name):
        discriminator = stir(unchanged(name))
        *features, logits = discriminator.feature_model()(images(name))
        assert len(features) == len(discriminator.feature_layers) > 0
        assert all(np.ptp(feature) > 0 for feature in features)
        np.testing.assert_allclose(logits, discriminator(images(name)), atol=1e-6)

    def test_ending_sees_the_batch(self, name):
        discriminator = stir(tiny(name, ending=ENDINGS[0]))
        batch = images(name, 3)
        logits = discriminator(batch).numpy()
        assert logits.shape == unchanged(name).compute_output_shape(batch.shape)
        assert np.abs(logits[:1] - discriminator(batch[:1])).max() > 1e-6


@pytest.mark.parametrize("logits", ["matrix", "one"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_endings(logits, ending, tmp_path):
    discriminator = stir(tiny("TinyDiscriminator", logits=logits, ending=ending))
    batch = images("TinyDiscriminator", 3)
    check_round_trip(discriminator, batch, tmp_path)
    check_precision(lambda: tiny("TinyDiscriminator", logits=logits, ending=ending), batch)
    check_gradients(discriminator, batch)
    check_finite(discriminator, batch)


def test_wrong_endings():
    for ending, message in (
        ({"class_name": "MinibatchDiscrimation"}, "ending.class_name: no 'MinibatchDiscrimation'; did you mean"),
        ({"name": "MinibatchDiscrimination"}, "ending: expected"),
        (ENDINGS[0] | {"config": {"num_kernels": 0}}, "must be at least 1, found 0"),
        (ENDINGS[0] | {"config": {"kernels": 0}}, "takes no such argument"),
    ):
        with pytest.raises(InputError, match=message):
            build(Spec("TinyDiscriminator", {"ending": ending}), DISCRIMINATORS, "discriminator")


@keras.saving.register_keras_serializable("test_discriminators")
class OwnLayers(Network):
    """Every layer of ours that discriminators use, once: what XLA could refuse."""

    def __init__(self, name: str | None = "own_layers"):
        image = keras.Input((None, None, 3))
        x = own.UnshuffledConv2D(8, 2)(image)
        x = own.SelfAttention2D(4)(own.SpectralConv2D(8, 3)(x))
        x = own.DySample()(own.Excitation("csse")(x))
        x = own.MinibatchDiscrimination(2, 2)(own.MinibatchStandardDeviation()(own.ChannelAffine()(x)))
        super().__init__(image, x, name=name)


@pytest.mark.long
def test_xla_trains_own_layers():
    network = OwnLayers()
    check_xla(network, picture(network, (8, 12)))


def test_own_layers(tmp_path):
    network = OwnLayers()
    batch = picture(network, (8, 12))
    check_xla(network, batch, gradients=False)
    check_gradients(network, batch)
    check_round_trip(network, batch, tmp_path)
    assert network.compute_output_shape(batch.shape) == network(batch).shape


class TestSizes:
    @pytest.mark.parametrize(
        ("name", "size", "nearest"),
        [
            ("MetaGAN", (96, 160), "64 or 128, 128 or 192"),
            ("MetaGAN", (224, 192), "192 or 256"),
            ("MetaGAN", (20, 64), "64"),
            ("UNetDiscriminator", (20, 32), "16 or 24"),
            ("DUnet", (4, 33), "8, 32 or 40"),
            ("PatchGAN", (11, 32), "12"),
        ],
    )
    def test_nearest_sizes_are_named(self, name, size, nearest):
        with pytest.raises(InputError, match=f"nearest: {nearest}$"):
            DISCRIMINATORS[name](**NARROW[name])(np.zeros((1, *size, 3), np.float32))

    @pytest.mark.parametrize("name", ["SRGANDiscriminator", "VGGDiscriminator"])
    def test_fixed_sizes(self, name):
        with pytest.raises(InputError, match="made for pictures of 32x32, which 64x32 is not"):
            tiny(name)(np.zeros((1, 64, 32, 3), np.float32))

    @pytest.mark.parametrize(("size", "side"), [(32, 1), (64, 2), (96, 3), (256, 4), (320, 5)])
    def test_vgg_image_sizes(self, size, side):
        discriminator = tiny("VGGDiscriminator", image_size=size)
        assert discriminator.get_layer("dense").kernel.shape[0] == side**2 * 32

    def test_vgg_names_the_nearest_image_sizes(self):
        with pytest.raises(ValueError, match="100 is no multiple of 32; the nearest are 96 and 128"):
            tiny("VGGDiscriminator", image_size=100)

    @pytest.mark.parametrize(("size", "patches"), [(256, 30), (128, 14), (96, 10)])
    def test_patches_a_side(self, size, patches):
        for normalization in ("batch", "spectral"):
            discriminator = DISCRIMINATORS["PatchGAN"](filters=1, normalization=normalization)
            assert discriminator.compute_output_shape((1, size, size, 3)) == (1, patches, patches, 1)

    def test_a_logit_of_patchgan_sees_70_pixels(self):
        discriminator = DISCRIMINATORS["PatchGAN"](filters=2, normalization="none")
        image = tf.Variable(picture(discriminator, (128, 128), 1))
        with tf.GradientTape() as tape:
            logit = discriminator(image)[0, 7, 7, 0]
        seen = np.abs(tape.gradient(logit, image))[0].max(axis=-1) > 0
        assert np.flatnonzero(seen.any(axis=0)).size == np.flatnonzero(seen.any(axis=1)).size == 70

    def test_conditional(self):
        discriminator = tiny("PatchGAN", conditional=True)
        logits = discriminator(picture(discriminator, (32, 32))).numpy()
        assert discriminator.conditional
        assert picture(discriminator, (32, 32)).shape[-1] == 6
        assert logits.shape == (2, 6, 6, 1)


class TestMetaGAN:
    @pytest.mark.parametrize("excitation", ["SSE", "both"])
    def test_excitation_is_checked(self, excitation):
        with pytest.raises(ValueError, match=r"excitation: .* is not known"):
            tiny("MetaGAN", excitation=excitation)

    def test_published_attention_leaves_queries_keys_and_values_alone(self):
        discriminator = tiny("MetaGAN", published_attention=True)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(discriminator(images("MetaGAN")))
        gradients = tape.gradient(loss, [variable.value for variable in discriminator.trainable_variables])
        idle = {
            variable.path.split("/")[-2]
            for variable, gradient in zip(discriminator.trainable_variables, gradients, strict=True)
            if gradient is None or not np.abs(gradient).max()
        }
        assert idle == {"queries_keys_values"}

    def test_dropout_in_its_own_update_only(self):
        discriminator = stir(tiny("MetaGAN"))
        batch = images("MetaGAN")
        inference = [discriminator(batch, training=False).numpy() for _ in range(2)]
        training = [discriminator(batch, training=True).numpy() for _ in range(2)]
        np.testing.assert_array_equal(*inference)
        assert np.abs(training[0] - training[1]).max() > 0

    @pytest.mark.parametrize("mixer", ["attention", "conv"])
    @pytest.mark.parametrize("excitation", ["sse", "cse", "csse"])
    def test_variants_learn(self, mixer, excitation):
        check_gradients(tiny("MetaGAN", mixer=mixer, excitation=excitation), images("MetaGAN"))


def test_conv_discriminator_keeps_statistics_for_each_use():
    discriminator = tiny("ConvDiscriminator")
    layers = [layer.name for layer in discriminator.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(layers) == 8
    discriminator(images("ConvDiscriminator"), training=True)
    means = [discriminator.get_layer(f"norm_{number}").moving_mean.numpy() for number in (2, 3)]
    assert np.abs(means[0] - means[1]).max() > 1e-6
