"""Layers of generators, by numbers worked out by hand and by Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.discriminators.unet import UNetDiscriminator
from sr_gan_tf.layers import ICNR, CropLike, FusedBatchNormalization, MirrorToMultiple, PixelShuffle, PixelUnshuffle
from sr_gan_tf.layers.bilinear import BilinearEnlargement
from sr_gan_tf.layers.upsampling import stages


def test_pixel_shuffle_puts_channels_into_rows_and_columns():
    """Channels are (row, column, channel): 0 1 | 2 3 are the four pixels of the first of two colors' pairs."""
    values = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)
    shuffled = PixelShuffle(2)(values).numpy()
    np.testing.assert_array_equal(shuffled[0], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]])
    np.testing.assert_array_equal(PixelUnshuffle(2)(shuffled), values)


@pytest.mark.parametrize(("layer", "shape"), [(PixelShuffle, (18, 27, 2)), (PixelUnshuffle, (2, 3, 162))])
def test_shuffles_know_their_shapes(layer, shape):
    assert layer(3).compute_output_shape((None, 6, 9, 18)) == (None, *shape)
    assert layer(3)(np.zeros((2, 6, 9, 18), np.float32)).shape == (2, *shape)
    assert layer(3).compute_output_shape((2, None, 9, 18))[1] is None


def test_icnr_starts_without_a_checkerboard():
    """Before the first step every block of output pixels is one color."""
    convolution = keras.layers.Conv2D(3 * 9, 3, padding="same", kernel_initializer=ICNR(3, "he_normal"))
    images = np.random.default_rng(0).random((1, 5, 4, 2), np.float32)
    enlarged = PixelShuffle(3)(convolution(images)).numpy()
    assert enlarged.shape == (1, 15, 12, 3)
    assert np.std(enlarged) > 0.01
    blocks = enlarged.reshape(1, 5, 3, 4, 3, 3)
    np.testing.assert_allclose(blocks, np.broadcast_to(blocks[:, :, :1, :, :1], blocks.shape), atol=1e-6)
    with pytest.raises(ValueError, match="10 channels cannot be shuffled by 2"):
        ICNR(2)((3, 3, 4, 10))
    again = ICNR.from_config(ICNR(2, keras.initializers.HeNormal(seed=1)).get_config())
    np.testing.assert_array_equal(again((1, 1, 2, 8)), ICNR(2, keras.initializers.HeNormal(seed=1))((1, 1, 2, 8)))


@pytest.mark.parametrize(("scale", "factors"), [(1, []), (2, [2]), (3, [3]), (4, [2, 2]), (6, [2, 3]), (8, [2, 2, 2])])
def test_stages(scale, factors):
    assert stages(scale) == factors


@pytest.mark.parametrize("scale", [0, 5, 7, 10])
def test_stages_that_do_not_exist(scale):
    with pytest.raises(ValueError, match=f"scale: {scale} is not a product of twos and threes"):
        stages(scale)


@pytest.mark.parametrize("known", [True, False])
def test_mirror_and_crop(known):
    """0 1 2 becomes 0 1 2 2 1 0 0 1; what is cropped again is what was there."""
    row = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    mirror, crop = MirrorToMultiple(8), CropLike(2)

    def both(images):
        wide = mirror(images)
        return wide, crop([tf.repeat(tf.repeat(wide, 2, axis=1), 2, axis=2), images])

    signature = None if known else [tf.TensorSpec((None, None, None, 1))]
    wide, cropped = tf.function(both, input_signature=signature)(tf.constant(row))
    assert wide.shape == (1, 8, 8, 1)
    assert cropped.shape == (1, 2, 6, 1)
    np.testing.assert_array_equal(wide[0, 0, :, 0], [0, 1, 2, 2, 1, 0, 0, 1])
    np.testing.assert_array_equal(wide[0, 7], wide[0, 0])
    np.testing.assert_array_equal(cropped[0, 1, :, 0], [0, 0, 1, 1, 2, 2])
    assert mirror.compute_output_shape((None, 16, None, 3)) == (None, 16, None, 3)
    np.testing.assert_array_equal(mirror(np.ones((1, 8, 16, 1), np.float32)), np.ones((1, 8, 16, 1)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_fused_batch_normalization_is_kerass(training, affine):
    """Output, gradients and running mean; the running variance is the unbiased one, as PyTorch's."""
    generator = np.random.default_rng(0)
    images = tf.constant(2 + 3 * generator.normal(size=(3, 5, 4, 6)), tf.float32)
    settings = {"momentum": 0.8, "epsilon": 1e-4, "center": affine, "scale": affine}
    ours, keras_own = FusedBatchNormalization(**settings), keras.layers.BatchNormalization(**settings)
    results = []
    for layer in (ours, keras_own):
        layer.build(images.shape)
        for index, variable in enumerate(layer.weights):
            variable.assign(0.5 + np.random.default_rng(index).random(6))
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=training)
            loss = tf.reduce_sum(outputs**3)
        sources = [images, *(variable.value for variable in layer.trainable_variables)]
        results.append((outputs, *tape.gradient(loss, sources), layer.moving_mean.value))
        if training and layer is ours:
            before = 0.5 + np.random.default_rng(len(layer.weights) - 1).random(6)
            unbiased = images.numpy().reshape(-1, 6).var(axis=0, ddof=1)
            np.testing.assert_allclose(layer.moving_variance, 0.8 * before + 0.2 * unbiased, rtol=1e-5)
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())
    assert [v.path.split("/")[-1] for v in ours.weights] == [v.path.split("/")[-1] for v in keras_own.weights]


def test_fused_batch_normalization_rests_when_frozen():
    layer = FusedBatchNormalization()
    images = np.random.default_rng(0).random((2, 3, 3, 4), np.float32)
    layer.build(images.shape)
    layer.trainable = False
    np.testing.assert_allclose(layer(images, training=True), images, atol=1e-4)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(4))


def with_a_skip(layer):
    """A network in which two gradients meet: that of the enlargement and that of what goes around it."""
    given = keras.Input((8, 8, 3))
    pooled = keras.layers.AveragePooling2D(2)(given)
    return keras.Model(given, keras.layers.Add()([layer(pooled), layer(keras.layers.Activation("tanh")(pooled))]))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: with_a_skip(BilinearEnlargement(2)), id="layer"),
        pytest.param(lambda: UNetDiscriminator(filters=2), id="U-Net", marks=pytest.mark.long),
    ],
)
def test_xla_differentiates_bilinear_enlargement_in_bfloat16(build):
    """It refused: its gradient of a bfloat16 enlargement is float32."""
    images = tf.constant(np.random.default_rng(0).random((1, 8, 8, 3), np.float32))
    gradients = []
    for precision, compiled in (("float32", False), ("mixed_bfloat16", True)):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(precision)
        try:
            network = build()
        finally:
            keras.config.set_dtype_policy("float32")

        def gradient(x, network=network):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(tf.cast(network(x), tf.float32) ** 2)
            return tape.gradient(loss, x)

        gradients.append((tf.function(gradient, jit_compile=True) if compiled else gradient)(images).numpy())
    exact, rounded = gradients
    assert np.abs(exact).max() > 0
    np.testing.assert_allclose(rounded, exact, atol=0.05 * np.abs(exact).max())
