"""SPAN: the merged kernels are the published chain of convolutions, forward and backward, borders included."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import picture, stir
from skimage import data

from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.layers.conv3xc import Conv3XC
from sr_gan_tf.layers.gate import SiLU, SymmetricGate


def span(**changes) -> SPAN:
    return SPAN(**{"filters": 8, "num_blocks": 3, "input_gain": 10.0, **changes})


def gradients(network, images):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(network(images, training=True)))
    return tape.gradient(loss, [variable.value for variable in network.trainable_variables])


@pytest.fixture(params=[0.0, 4.0], ids=["gates closed", "gates open"])
def pair(request):
    """The network that trains through merged kernels, and its published form with the same weights."""
    network = stir(span(initial_gate=request.param))
    published = span(initial_gate=request.param, published_graph=True)
    published.set_weights(network.get_weights())
    return network, published


def test_training_form_equals_the_published_graph(pair):
    network, published = pair
    images = picture(network, (6, 9))
    expected = published(images).numpy()
    np.testing.assert_allclose(network(images), expected, atol=1e-5 * np.ptp(expected))


def test_gradients_equal_the_published_graphs(pair):
    images = picture(pair[0], (6, 9))
    for variable, ours, theirs in zip(
        pair[0].trainable_variables, gradients(pair[0], images), gradients(pair[1], images), strict=True
    ):
        scale = np.abs(theirs).max()
        assert scale > 0, variable.path
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * scale, err_msg=variable.path)


@pytest.mark.long
def test_open_gates_let_the_signal_reach_every_block():
    """With the published start it is gone after a few: 1e-3 of its size, and no gradient."""
    photograph = data.chelsea()[None, 100:164, 100:164].astype(np.float32) / 255

    def sizes(**changes):
        keras.utils.set_random_seed(3)
        network = SPAN(nearest_skip=True, initial_output_gain=0.0, **changes)
        blocks = keras.Model(network.inputs, [network.get_layer(f"block{index}").output for index in (1, 6)])
        return [float(output.std((0, 1, 2)).mean()) for output in blocks.predict(photograph, verbose=0)]

    first, last = sizes(input_gain=5.0, initial_gain=2.5, initial_gate=4.0)
    assert 0.5 < first < 3
    assert 0.5 < last < 3
    first, last = sizes(input_gain=1.0)
    assert last < 1e-3 * first


def test_borders_alone():
    """On a 1x1 picture all taps but the center see padding only, where the first bias must not be lost."""
    layer, published = Conv3XC(4), Conv3XC(4, published_graph=True)
    images = tf.constant(np.random.default_rng(0).normal(size=(1, 1, 1, 3)), tf.float32)
    for one in (layer, published):
        one.build(images.shape)
    for variable in layer.weights:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    published.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(images), published(images), rtol=1e-5, atol=1e-5)
    without = [np.zeros_like(value) if "first_bias" in variable.path else value
               for variable, value in zip(layer.weights, layer.get_weights(), strict=True)]  # fmt: skip
    published.set_weights(without)
    assert np.abs(layer(images) - published(images)).max() > 0.1


@pytest.mark.parametrize("config", [{}, {"scale": 2}, {"scale": 3, "nearest_skip": True}, {"published_graph": True}])
def test_merged(config):
    network = stir(span(**config))
    merged = network.for_inference()
    images = picture(network)
    expected = network(images).numpy()
    np.testing.assert_allclose(merged(images), expected, atol=1e-5 * max(1, np.ptp(expected)))
    assert merged.for_inference() is merged
    assert merged.merged
    assert not network.merged
    assert merged.get_config() == {**network.get_config(), "merged": True, "published_graph": False}
    assert not any(isinstance(layer, Conv3XC) for layer in merged.layers)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients(merged, images))


def test_merged_from_the_start_is_a_network_of_its_own():
    assert SPAN(merged=True, filters=8).count_params() == SPAN(filters=8).for_inference().count_params()
    with pytest.raises(ValueError, match="published_graph"):
        SPAN(merged=True, published_graph=True)


def test_input_range():
    """(x - mean) * gain, and nothing of it with mean 0 and gain 1."""
    network = span(input_mean=(0.5, 0.25, 0.0), input_gain=4.0)
    normalize = keras.Model(network.inputs[0], network.get_layer("normalize").output)
    np.testing.assert_allclose(normalize(np.full((1, 1, 1, 3), 0.5, np.float32))[0, 0, 0], [0, 1, 2])
    plain = span(input_mean=(0.0, 0.0, 0.0), input_gain=1.0)
    images = picture(plain)
    np.testing.assert_array_equal(keras.Model(plain.inputs[0], plain.get_layer("normalize").output)(images), images)


def test_initial_gains():
    images = picture(span())
    nearest = span(nearest_skip=True, initial_output_gain=0.0)
    np.testing.assert_array_equal(nearest(images), images.repeat(4, axis=1).repeat(4, axis=2))

    def spread(gain):
        layer = Conv3XC(32, initial_gain=gain)
        return float(np.std(layer(tf.random.stateless_normal((1, 16, 16, 32), seed=(1, 2)))))

    assert spread(3.0) / spread(1.0) == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activations_and_their_gradients(dtype):
    """SiLU and the gate against their formulas in float64."""
    tolerance = {"rtol": 0.02, "atol": 0.02} if dtype == "bfloat16" else {"rtol": 1e-5, "atol": 1e-6}
    values = tf.cast(tf.linspace(-6.0, 6.0, 25), dtype)
    skip = tf.cast(tf.linspace(2.0, -1.0, 25), dtype)
    upstream = tf.cast(tf.linspace(-1.0, 2.0, 25), dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([values, skip])
        activated = SiLU(dtype=dtype)(values)
        gated = SymmetricGate(dtype=dtype)([values, skip])
    x, s, u = (np.asarray(tensor, np.float64) for tensor in (values, skip, upstream))
    gate = 1 / (1 + np.exp(-x))
    slope = gate * (1 - gate)
    np.testing.assert_allclose(np.asarray(activated, np.float64), x * gate, **tolerance)
    np.testing.assert_allclose(
        np.asarray(tape.gradient(activated, values, upstream), np.float64), u * (gate + x * slope), **tolerance
    )
    np.testing.assert_allclose(np.asarray(gated, np.float64), (x + s) * (gate - 0.5), **tolerance)
    by_values, by_skip = tape.gradient(gated, [values, skip], upstream)
    np.testing.assert_allclose(np.asarray(by_values, np.float64), u * (gate - 0.5 + (x + s) * slope), **tolerance)
    np.testing.assert_allclose(np.asarray(by_skip, np.float64), u * (gate - 0.5), **tolerance)


@pytest.mark.long
@pytest.mark.parametrize(("precision", "times"), [("float32", 3.0), ("mixed_bfloat16", 2.0)])
def test_a_training_step_is_several_times_as_fast_as_the_published_graph(precision, times):
    """Medians of steps taken in turn; batch 16 of 48x48 LR at x4, 48 channels.

    Less in bfloat16, where convolutions are quicker and the activations, equal in both, weigh more.
    """
    keras.config.set_dtype_policy(precision)
    generator = np.random.default_rng(0)
    lr = tf.constant(generator.random((16, 48, 48, 3), np.float32))
    hr = tf.constant(generator.random((16, 192, 192, 3), np.float32))

    def training(network):
        optimizer = keras.optimizers.Adam(1e-4)
        optimizer.build(network.trainable_variables)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.abs(network(lr, training=True) - hr))
            optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
            return loss

        return step

    steps = {"merged kernels": training(SPAN()), "published graph": training(SPAN(published_graph=True))}
    seconds = {name: [] for name in steps}
    for turn in range(12):
        for name, step in steps.items():
            start = time.perf_counter()
            step().numpy()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    merged, published = (np.median(seconds[name]) for name in steps)
    print(f"\n{precision}: {merged:.3f} s a step, published graph {published:.3f} s: {published / merged:.2f} times")
    assert published >= times * merged
