"""Layers that discriminators use, against plain NumPy, hand-made values and TensorFlow's own operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.layers import (
    DepthwiseConv2D,
    DySample,
    Excitation,
    FusedBatchNormalization,
    HardSwish,
    MinibatchDiscrimination,
    MinibatchStandardDeviation,
    Mish,
    SelfAttention2D,
    UnshuffledConv2D,
)
from sr_gan_tf.layers.activations import hard_swish, mish
from sr_gan_tf.layers.depthwise import depthwise_convolution
from sr_gan_tf.layers.dysample import sample, weighted_lines


def noise(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bilinear(image, row, column):
    """One pixel of (H, W, C) at a place clipped to the border, in float64."""
    row, column = (np.clip(place, 0, size - 1) for place, size in zip((row, column), image.shape, strict=False))
    top, left = int(row), int(column)
    bottom, far = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
    down, right = row - top, column - left
    upper = image[top, left] * (1 - right) + image[top, far] * right
    return upper * (1 - down) + (image[bottom, left] * (1 - right) + image[bottom, far] * right) * down


class TestDySample:
    def test_without_offsets_it_is_bilinear(self):
        layer = DySample(2, groups=2)
        x = noise(2, 7, 5, 4)
        layer.build(x.shape)
        layer.offset_kernel.assign(tf.zeros_like(layer.offset_kernel))
        expected = tf.image.resize(x, (14, 10), method="bilinear")
        assert np.abs(layer(x) - expected).max() < 1e-6

    def test_places_anywhere(self):
        images = noise(2, 5, 6, 6)
        rows, columns = (8 * noise(2, 3, 4, 3, seed=seed) for seed in (1, 2))
        output = sample(tf.constant(images), rows, columns, 3).numpy()
        for index in np.ndindex(2, 3, 4, 3):
            group = slice(2 * index[-1], 2 * index[-1] + 2)
            expected = bilinear(images[index[0]], rows[index], columns[index])[group]
            np.testing.assert_allclose(output[index[:3]][group], expected, atol=1e-5)

    def test_offsets_of_the_learned_convolutions(self):
        layer = DySample(3, groups=2)
        x = noise(1, 4, 5, 4)
        layer.build(x.shape)
        for seed, weight in enumerate((layer.offset_kernel, layer.offset_bias, layer.scope_kernel)):
            weight.assign(noise(*weight.shape, seed=seed))
        offsets = x @ layer.offset_kernel.numpy() + layer.offset_bias.numpy()
        offsets *= 0.5 / (1 + np.exp(-x @ layer.scope_kernel.numpy()))
        offsets = offsets.reshape(4, 5, 2, 2, 3, 3)
        output = layer(x).numpy()[0]
        for row, column, group in np.ndindex(12, 15, 2):
            across, down = offsets[row // 3, column // 3, :, group, row % 3, column % 3]
            place = (row + 0.5) / 3 - 0.5 + down, (column + 0.5) / 3 - 0.5 + across
            part = slice(2 * group, 2 * group + 2)
            np.testing.assert_allclose(output[row, column, part], bilinear(x[0], *place)[part], atol=1e-5)

    def test_gradients(self):
        images = tf.constant(noise(1, 4, 4, 2))
        # Away from whole pixels, where the interpolation has a kink.
        rows, columns = (tf.constant(0.1 + 0.8 * np.random.default_rng(s).random((1, 3, 3, 1)) + s - 1) for s in (1, 2))
        arguments = [images, tf.cast(rows, tf.float32), tf.cast(columns, tf.float32)]
        weights = noise(1, 3, 3, 2, seed=3)

        def loss(*places):
            return tf.reduce_sum(sample(*places, 1) * weights)

        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = loss(*arguments)
        for number, gradient in enumerate(tape.gradient(value, arguments)):
            direction = noise(*arguments[number].shape, seed=4)

            def moved(step, number=number, direction=direction):
                changed = list(arguments)
                changed[number] = changed[number] + step * direction
                return loss(*changed)

            slope = (moved(1e-2) - moved(-1e-2)) / 2e-2
            np.testing.assert_allclose(tf.reduce_sum(gradient * direction), slope, rtol=2e-2, atol=1e-3)


class TestMinibatch:
    def test_discrimination_by_hand(self):
        layer = MinibatchDiscrimination(num_kernels=1, kernel_size=2)
        layer.build((None, 2))
        layer.kernel.assign([[1.0, 0.0], [0.0, 2.0]])
        x = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
        # Distances: 1 between the first two, 2 from the first to the last, 3 between the last two.
        expected = [np.exp(-1) + np.exp(-2), np.exp(-1) + np.exp(-3), np.exp(-2) + np.exp(-3)]
        np.testing.assert_allclose(layer(x), np.column_stack([x, expected]), rtol=1e-6)

    def test_discrimination_of_maps_sees_their_averages(self):
        layer = MinibatchDiscrimination(num_kernels=2, kernel_size=3)
        x = noise(3, 4, 5, 6)
        output = layer(x).numpy()
        assert output.shape == (3, 4, 5, 8)
        expected = layer(x.mean(axis=(1, 2))).numpy()[:, None, None, 6:]
        np.testing.assert_allclose(output[..., 6:], np.broadcast_to(expected, (3, 4, 5, 2)), rtol=1e-5)
        np.testing.assert_array_equal(output[..., :6], x)

    def test_standard_deviation_by_hand(self):
        x = np.array([[0, 1], [2, 1], [4, 1]], np.float32)
        expected = (np.sqrt(8 / 3) + 1e-4) / 2
        np.testing.assert_allclose(MinibatchStandardDeviation()(x)[:, 2], [expected] * 3, rtol=1e-6)
        x = noise(4, 3, 2, 5)
        output = MinibatchStandardDeviation()(x)
        np.testing.assert_allclose(output[..., 5], np.full((4, 3, 2), x.std(axis=0).mean()), rtol=1e-5)

    def test_equal_pictures(self):
        x = tf.ones((3, 4))
        for layer, expected in ((MinibatchStandardDeviation(), 1e-4), (MinibatchDiscrimination(2), 2.0)):
            with tf.GradientTape() as tape:
                tape.watch(x)
                output = layer(x)[:, 4:]
            np.testing.assert_allclose(output, np.full(output.shape, expected), rtol=1e-5)
            assert np.isfinite(tape.gradient(output, x)).all()


class TestExcitation:
    def test_by_position(self):
        layer, x = Excitation("sse"), noise(2, 3, 4, 6)
        layer(x)
        logits = x @ layer.position_gate.kernel.numpy()
        np.testing.assert_allclose(layer(x), x * np.clip(logits / 6 + 0.5, 0, 1), atol=1e-6)

    def test_both(self):
        x = noise(2, 3, 4, 6)
        both, position, channel = (Excitation(kind) for kind in ("csse", "sse", "cse"))
        for layer in (both, position, channel):
            layer(x)
        position.set_weights(both.position_gate.get_weights())
        channel.set_weights(both.squeeze.get_weights() + both.excite.get_weights())
        np.testing.assert_allclose(both(x), np.maximum(position(x), channel(x)), atol=1e-6)


def test_attention_is_keras_own():
    layer, x = SelfAttention2D(head_size=4), noise(2, 3, 2, 8)
    layer(x)
    twin = keras.layers.MultiHeadAttention(2, 4, use_bias=False)
    tokens = x.reshape(2, 6, 8)
    twin(tokens, tokens)
    joint = layer.queries_keys_values.kernel.numpy().reshape(8, 3, 2, 4)
    query, key, value = (joint[:, part] for part in range(3))
    projection = layer.projection.kernel.numpy().reshape(2, 4, 8)
    twin.set_weights([query, key, value, projection])
    np.testing.assert_allclose(np.reshape(layer(x), tokens.shape), twin(tokens, tokens), atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4])
def test_unshuffled_convolution_is_convolution_and_unshuffle(factor):
    layer, x = UnshuffledConv2D(3 * factor**2, factor), noise(2, 2 * factor, 3 * factor, 5)
    output = layer(x).numpy()
    plain = tf.nn.conv2d(x, layer.kernel, 1, "SAME").numpy()
    for channel, row, column in np.ndindex(3, factor, factor):
        part = output[..., channel * factor**2 + row * factor + column]
        np.testing.assert_allclose(part, plain[:, row::factor, column::factor, channel], atol=1e-5)


@pytest.mark.parametrize(("layer", "name"), [(Mish(), "mish"), (HardSwish(), "hard_swish")])
def test_activations_are_keras_own(layer, name):
    x = tf.constant(np.linspace(-40, 40, 8001), tf.float32)
    exact = tf.cast(x, tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, exact])
        output, expected = layer(x), keras.activations.get(name)(exact)
    np.testing.assert_allclose(output, expected, atol=2e-6)
    # At the kinks of hard swish either slope will do.
    smooth = np.abs(np.abs(exact) - 3) > 1e-3
    gradient, slope = (tape.gradient(value, source) for value, source in ((output, x), (expected, exact)))
    np.testing.assert_allclose(gradient[smooth], slope[smooth], atol=2e-6)
    np.testing.assert_allclose(layer(tf.constant([-1e4, 1e4])), [0, 1e4], atol=1e-6)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_depthwise_convolution_is_keras_own(kernel_size):
    layer, twin = (
        DepthwiseConv2D(kernel_size),
        keras.layers.DepthwiseConv2D(kernel_size, padding="same", use_bias=False),
    )
    x, weights = tf.constant(noise(2, 7, 6, 3)), noise(2, 7, 6, 3, seed=1)
    layer(x), twin(x)
    twin.set_weights(layer.get_weights())
    results = []
    for each in (layer, twin):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = each(x)
            loss = tf.reduce_sum(weights * output)
        results.append((output, *tape.gradient(loss, [x, each.kernel.value])))
    for value, expected in zip(*results, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is DepthwiseConv2D
    assert again.kernel_size == layer.kernel_size


def _plain_lines(table, indices, weights):
    return tf.add_n([tf.gather(table, i) * w[:, None] for i, w in zip(indices, weights, strict=True)])


INDICES = [np.random.default_rng(seed).integers(0, 6, 9).astype(np.int32) for seed in range(4)]
PAIRS = {
    "mish": (mish, keras.activations.mish, [(5, 4)]),
    "hard_swish": (hard_swish, keras.activations.hard_swish, [(5, 4)]),
    "depthwise": (
        depthwise_convolution,
        lambda x, kernel: tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME"),
        [(2, 6, 5, 3), (3, 3, 3, 1)],
    ),
    "lines": (
        lambda table, *weights: weighted_lines(table, *INDICES, *weights),
        lambda table, *weights: _plain_lines(table, INDICES, weights),
        [(6, 2), (9,), (9,), (9,), (9,)],
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_of_gradients(name):
    """Penalties on the discriminator's gradient differentiate it once more."""
    ours, plain, shapes = PAIRS[name]
    inputs = [tf.constant(noise(*shape, seed=seed)) for seed, shape in enumerate(shapes)]

    def second_order(function):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(function(*inputs) ** 2)
            first = [tf.convert_to_tensor(gradient) for gradient in inner.gradient(loss, inputs)]
            penalty = tf.add_n([tf.reduce_sum(gradient**2) for gradient in first])
        return [tf.convert_to_tensor(gradient) for gradient in outer.gradient(penalty, inputs)]

    expected = second_order(plain)
    for results in (second_order(ours), tf.function(lambda: second_order(ours))()):
        for value, right in zip(results, expected, strict=True):
            np.testing.assert_allclose(value, right, atol=1e-4 * np.abs(right).max())


@pytest.mark.parametrize("training", [True, False])
def test_second_gradients_of_batch_normalization_are_kerass(training):
    """A gradient penalty differentiates the discriminator's gradient once more, through the fused operation too."""
    images, weights = tf.constant(noise(3, 4, 5, 6)), noise(3, 4, 5, 6, seed=1)
    results = []
    for layer in (FusedBatchNormalization(), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)):
        layer.build(images.shape)
        for index, variable in enumerate(layer.weights):
            variable.assign(0.5 + np.random.default_rng(index).random(6))
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                score = tf.reduce_sum(tf.tanh(layer(images, training=training)) * weights)
            penalty = tf.reduce_sum(tf.square(inner.gradient(score, images)))
        sources = [images, *(variable.value for variable in layer.trainable_variables)]
        results.append((penalty, *outer.gradient(penalty, sources)))
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())
