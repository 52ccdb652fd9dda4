"""Layers whose training pass is compiled apart, and the convolution by columns, against their plain form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.layers import ChannelPReLU, FewChannelsConv2D, SiLU, SymmetricGate
from sr_gan_tf.layers.few_channels import by_columns
from sr_gan_tf.layers.one_pass import worth_compiling

SHAPE = (2, 32, 32, 32)  # just large enough to be compiled


def noise(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def value_and_gradients(function, sources):
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = function()
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * noise(*outputs.shape, seed=9))
    return outputs, *tape.gradient(loss, sources)


def compare(layer, inputs, dtype: str, plain, tolerance: float) -> None:
    """The compiled layer in a graph against `plain` in float32, with all gradients."""
    cast = [tf.cast(tensor, dtype) for tensor in inputs]
    fed = cast if len(cast) > 1 else cast[0]
    weights = [variable.value for variable in layer.trainable_variables]
    assert tf.function(lambda: worth_compiling(cast[0]))()
    mine = tf.function(lambda: value_and_gradients(lambda: layer(fed, training=True), [*cast, *weights]))()
    exact = [tf.cast(tensor, tf.float32) for tensor in cast]
    theirs = value_and_gradients(lambda: plain(*exact, *weights), [*exact, *weights])
    for own, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(
            tf.cast(own, tf.float32), other, rtol=tolerance, atol=tolerance * np.abs(other).max()
        )
    assert mine[0].dtype == dtype


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 2e-2)])
def test_activations_and_their_gradients(dtype, tolerance):
    prelu = ChannelPReLU(dtype=keras.DTypePolicy("mixed_bfloat16") if dtype == "bfloat16" else None)
    prelu.build(SHAPE)
    prelu.alpha.assign(noise(1, 1, 32, seed=2))
    slopes = lambda x, a: tf.nn.relu(x) - a * tf.nn.relu(-x)  # noqa: E731
    compare(prelu, [noise(*SHAPE)], dtype, slopes, tolerance)
    compare(SiLU(dtype=dtype), [noise(*SHAPE)], dtype, lambda x: x * tf.sigmoid(x), tolerance)
    gate = lambda o, x: (o + x) * (tf.sigmoid(o) - 0.5)  # noqa: E731
    compare(SymmetricGate(dtype=dtype), [noise(*SHAPE), noise(*SHAPE, seed=1)], dtype, gate, tolerance)


def test_plain_and_compiled_forms_agree():
    """Inference, eager steps and graphs of unknown size take the plain form."""
    images = noise(*SHAPE)
    prelu = ChannelPReLU(0.3)
    np.testing.assert_allclose(prelu(images), np.where(images > 0, images, 0.3 * images), rtol=1e-6)
    eager = prelu(images, training=True)
    np.testing.assert_allclose(tf.function(lambda: prelu(images, training=True))(), eager, rtol=1e-6)
    of_any_size = tf.function(lambda x: prelu(x, training=True), input_signature=[tf.TensorSpec((None,) * 3 + (32,))])
    np.testing.assert_allclose(of_any_size(images), eager, rtol=1e-6)
    again = ChannelPReLU.from_config(prelu.get_config())
    np.testing.assert_allclose(again(images), eager, rtol=1e-6)


@pytest.mark.parametrize("side", [3, 9])
def test_convolution_by_columns(side):
    images, kernel = noise(2, 11, 13, 5), noise(side, side, 5, 3, seed=1)
    mine = value_and_gradients(lambda: by_columns(images, kernel), [images, kernel])
    theirs = value_and_gradients(lambda: tf.nn.conv2d(images, kernel, 1, "SAME"), [images, kernel])
    for own, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_convolution_layer_is_kerass():
    own, other = FewChannelsConv2D(3, 9), keras.layers.Conv2D(3, 9, padding="same")
    for layer in (own, other):
        layer.build((None, None, None, 4))
        for index, variable in enumerate(layer.trainable_variables):
            variable.assign(noise(*variable.shape, seed=index))
    np.testing.assert_allclose(own(noise(1, 12, 9, 4)), other(noise(1, 12, 9, 4)), rtol=1e-4, atol=1e-4)
    again = FewChannelsConv2D.from_config(own.get_config())
    assert again.kernel_size == (9, 9)
    assert again.padding == "same"
