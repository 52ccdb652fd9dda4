"""Spectral normalization: against singular values, its gradient, and when its vectors move."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.layers import SpectralConv2D
from sr_gan_tf.layers.spectral_norm import advance_power_iterations
from sr_gan_tf.losses.adversarial import BinaryCrossentropy
from sr_gan_tf.losses.pixel import MeanAbsoluteError
from sr_gan_tf.training.gan import GAN, Balance
from sr_gan_tf.training.terms import constant


def noise(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TestSpectralConv2D:
    def layer(self, **arguments):
        layer = SpectralConv2D(**{"filters": 5, "kernel_size": 3} | arguments)
        layer.build((None, None, None, 4))
        return layer

    def spectral_norm(self, layer):
        return np.linalg.svd(layer.kernel.numpy().reshape(-1, layer.filters), compute_uv=False)[0]

    def test_a_fresh_layer_is_normalized(self):
        layer = self.layer(use_bias=False)
        layer.power_step(200)
        x = noise(1, 6, 6, 4)
        expected = tf.nn.conv2d(x, layer.kernel / self.spectral_norm(layer), 1, "SAME")
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
        fresh = self.layer(use_bias=False)
        sigma = fresh.v.numpy() @ fresh.kernel.numpy().reshape(-1, 5) @ fresh.u.numpy()
        assert 0.9 * self.spectral_norm(fresh) <= sigma <= 1.0001 * self.spectral_norm(fresh)

    def test_the_gradient_passes_through_sigma(self):
        layer, x = self.layer(), noise(1, 6, 6, 4)
        direction = noise(*layer.kernel.shape, seed=1)
        kernel = layer.kernel.numpy()

        def loss(step):
            layer.kernel.assign(kernel + step * direction)
            return tf.reduce_sum(layer(x) ** 2)

        slope = (loss(1e-2) - loss(-1e-2)) / 2e-2
        with tf.GradientTape() as tape:
            value = loss(0.0)
        gradient = tape.gradient(value, layer.kernel.value)
        np.testing.assert_allclose(tf.reduce_sum(gradient * direction), slope, rtol=1e-2)
        # A normalized kernel cannot grow: the gradient has no part along the kernel itself.
        assert abs(tf.reduce_sum(gradient * kernel)) < 1e-3 * tf.norm(gradient) * np.linalg.norm(kernel)

    def test_only_advancing_moves_the_vectors(self):
        discriminator = DISCRIMINATORS["UNetDiscriminator"](filters=2)
        layers = [layer for layer in discriminator.layers if isinstance(layer, SpectralConv2D)]
        assert len(layers) == 8
        for layer in layers:
            layer.kernel.assign_add(0.1 * noise(*layer.kernel.shape))

        def vectors():
            return [vector.numpy() for layer in layers for vector in (layer.u, layer.v)]

        before = vectors()
        for training in (False, True):
            discriminator(np.abs(noise(1, 16, 16, 3)), training=training)
        for now, then in zip(vectors(), before, strict=True):
            np.testing.assert_array_equal(now, then)
        tf.function(lambda: advance_power_iterations(discriminator))()
        for now, then in zip(vectors(), before, strict=True):
            assert np.abs(now - then).max() > 1e-6
            assert abs(np.linalg.norm(now) - 1) < 1e-5

    @pytest.mark.parametrize("resting", [False, True])
    def test_one_power_step_for_each_update(self, resting):
        discriminator = DISCRIMINATORS["UNetDiscriminator"](filters=2)
        layers = [layer for layer in discriminator.layers if isinstance(layer, SpectralConv2D)]
        gan = GAN(GENERATORS["Compact"](scale=2, filters=2, num_convs=1), discriminator)
        gan.compile(
            keras.optimizers.SGD(0.1),
            keras.optimizers.SGD(0.1),
            [constant("mae", MeanAbsoluteError())],
            constant("adversarial", BinaryCrossentropy(), 0.1),
            # It tells a share of 0 or more apart, and rests above -1.
            balance=Balance(accuracy_bound=-1.0 if resting else None),
        )
        before = [layer.u.numpy() for layer in layers]
        gan.train_step((np.abs(noise(1, 8, 8, 3)), np.abs(noise(1, 16, 16, 3))))
        for layer, u in zip(layers, before, strict=True):
            matrix = layer.kernel.numpy().reshape(-1, layer.filters)
            v = matrix @ u / np.linalg.norm(matrix @ u)
            expected = u if resting else v @ matrix / np.linalg.norm(v @ matrix)
            np.testing.assert_allclose(layer.u, expected, atol=1e-5)

    @pytest.mark.parametrize("size", [(8, 8), (9, 7)])
    @pytest.mark.parametrize(("kernel_size", "strides"), [(3, 1), (3, 2), (4, 1), (4, 2)])
    def test_padding(self, size, kernel_size, strides):
        layer = self.layer(kernel_size=kernel_size, strides=strides, use_bias=False)
        layer.power_step(200)
        x = noise(2, *size, 4)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        expected = tf.nn.conv2d(padded, layer.kernel / self.spectral_norm(layer), strides, "VALID")
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
        assert layer.compute_output_shape(x.shape) == expected.shape
        unknown = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 4))])
        np.testing.assert_allclose(unknown(x), expected, atol=1e-5)
