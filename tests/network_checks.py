"""The test body that every network of both catalogs must pass; a new network is tested by being registered.

A test file lists one tiny configuration for each name of its catalog, builds it and hands it over:
`check_round_trip(network, picture(network), tmp_path)`.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.networks import Network


def trainable_count(network: keras.Model) -> int:
    """Trainable parameters; `network.count_params()` is the total."""
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def picture(network: Network, size: tuple[int, int] = (13, 17), batch: int = 2, seed: int = 0) -> np.ndarray:
    """Noise in [0, 1] of the network's own number of channels."""
    channels = network.inputs[0].shape[-1]
    return np.random.default_rng(seed).random((batch, *size, channels), np.float32)


def stir(network: Network, amount: float = 0.1, seed: int = 1) -> Network:
    """Moves every weight off its starting value, so that zeros and ones at the start hide nothing."""
    generator = np.random.default_rng(seed)
    for variable in network.weights:
        if "float" not in str(variable.dtype):
            continue
        value = np.asarray(variable)
        # Running variances must stay positive.
        noise = generator.random(value.shape) if "variance" in variable.path else generator.normal(size=value.shape)
        variable.assign(value + amount * noise.astype(np.float32))
    return network


def check_round_trip(network: Network, images: np.ndarray, tmp_path) -> None:
    """Configuration, `.keras` file in safe mode and `copy()` give the same network back."""
    expected = network(images).numpy()
    config = json.loads(json.dumps(network.get_config()))
    again = type(network).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(network.get_weights())
    np.testing.assert_array_equal(again(images), expected)

    path = tmp_path / "network.keras"
    network.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    assert type(loaded) is type(network)
    assert json.loads(json.dumps(loaded.get_config())) == config
    np.testing.assert_array_equal(loaded(images), expected)
    np.testing.assert_array_equal(network.copy()(images), expected)


def check_any_size(network: Network, sizes: list[tuple[int, int]]) -> None:
    """One graph for pictures of any size, as export and tiling use it, gives what the network gives directly."""
    channels = network.inputs[0].shape[-1]
    graph = tf.function(network, input_signature=[tf.TensorSpec((None, None, None, channels))])
    for size in sizes:
        images = picture(network, size)
        expected = network(images).numpy()
        np.testing.assert_allclose(graph(images), expected, atol=1e-5 * max(1.0, np.abs(expected).max()))


def check_precision(make, images: np.ndarray, tolerance: float = 0.1) -> None:
    """Under mixed_bfloat16 the weights and the output stay float32 and the output stays near float32's.

    Args:
        make: builds the network under the policy of the moment.
        images: input.
        tolerance: largest difference, as a part of the range of the float32 output.
    """
    network = stir(make())
    expected = network(images).numpy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = make()
    assert all(variable.dtype == "float32" for variable in mixed.trainable_variables)
    assert any(layer.compute_dtype == "bfloat16" for layer in mixed.layers if layer.weights)
    mixed.set_weights(network.get_weights())
    output = mixed(images)
    assert output.dtype == tf.float32
    difference = np.abs(output.numpy() - expected).max()
    limit = tolerance * max(np.ptp(expected), np.abs(expected).max(), 1e-3)
    assert difference <= limit, f"{difference} > {limit}"
    keras.config.set_dtype_policy("float32")


def check_batch_independence(network: Network, images: np.ndarray) -> None:
    """At inference a picture's output doesn't depend on its neighbors in the batch."""
    stir(network)
    together = network(images, training=False).numpy()
    alone = np.concatenate([network(images[i : i + 1], training=False).numpy() for i in range(len(images))])
    np.testing.assert_allclose(together, alone, atol=1e-5 * max(1.0, np.abs(together).max()))


def check_gradients(network: Network, images: np.ndarray) -> None:
    """Every trainable weight has a finite gradient other than zero.

    In inference mode, since batch statistics take every gradient from a bias before them.
    """
    stir(network)
    with tf.GradientTape() as tape:
        output = network(images, training=False)
        target = tf.random.stateless_uniform(tf.shape(output), seed=(1, 2))
        loss = tf.reduce_mean(tf.square(output - target))
    variables = network.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, f"{variable.path} has no gradient"
        assert np.isfinite(gradient).all(), f"{variable.path} has a gradient that is not finite"
        assert np.abs(gradient).max() > 0, f"{variable.path} has a gradient of zero"


def check_finite(network: Network, images: np.ndarray) -> None:
    """Black, white and noise give finite output, in training and in inference."""
    for training in (False, True):
        for batch in (np.zeros_like(images), np.ones_like(images), images):
            assert np.isfinite(network(batch, training=training)).all()


def check_xla(network: Network, images: np.ndarray, gradients: bool = True) -> None:
    """XLA compiles the forward and, if `gradients`, the backward pass of a training step, with the same result."""
    stir(network, 0.05)
    variables = [variable.value for variable in network.trainable_variables]

    def step(batch):
        with tf.GradientTape() as tape:
            output = network(batch, training=False)
            loss = tf.reduce_mean(tf.square(output - 0.5))
        return output, tape.gradient(loss, variables) if gradients else []

    batch = tf.constant(images)
    output, expected = step(batch)
    compiled_output, compiled_gradients = tf.function(step, jit_compile=True)(batch)
    np.testing.assert_allclose(compiled_output, output, atol=1e-4 * max(1.0, np.abs(output).max()))
    for gradient, compiled in zip(expected, compiled_gradients, strict=True):
        np.testing.assert_allclose(compiled, gradient, atol=1e-3 * np.abs(gradient).max() + 1e-6)
