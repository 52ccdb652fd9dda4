"""Replay buffer and historical averaging: what they keep, and that a checkpoint goes on exactly."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.training.historical import HistoricalAverage
from sr_gan_tf.training.replay import ReplayBuffer


def batch(step, size=4):
    """Pictures of one pixel that tell which they are."""
    return tf.reshape(tf.range(size, dtype=tf.float32) + step * size, (size, 1, 1, 1))


def buffer(capacity=6, size=4, seed=1):
    layer = ReplayBuffer(capacity, (1, 1, 1), seed=seed)
    layer.build((size, 1, 1, 1))
    return layer


@pytest.mark.parametrize("compiled", [False, True])
def test_half_of_each_batch_comes_from_the_history(compiled):
    layer = buffer()
    call = tf.function(lambda images: layer(images), jit_compile=compiled)
    seen, returned = set(), []
    for step in range(12):
        images = batch(step)
        before = set(layer.history.numpy().ravel())
        mixed = call(images).numpy().ravel()
        newest = set(images.numpy().ravel())
        after = set(layer.history.numpy().ravel())
        if step < 3:
            # Two pictures a batch go in, and the batch passes, until the six places are taken.
            np.testing.assert_array_equal(mixed, images.numpy().ravel())
            assert int(layer.filled.numpy()) == 2 * (step + 1)
        else:
            old = set(mixed) - newest
            assert len(old) == 2
            assert old <= before
            assert old <= seen
            assert len(set(mixed) & newest) == 2
            # The pictures that went out made place for those that are not in the batch.
            assert after == (before - old) | (newest - set(mixed))
            returned += old
        seen |= newest
    assert len(set(returned)) == len(returned)  # each leaves once
    assert len({int(picture) % 4 for picture in returned}) > 1


def test_it_is_deterministic_and_a_checkpoint_goes_on():
    one, two, other = buffer(), buffer(), buffer(seed=2)
    for step in range(5):
        one(batch(step))
        other(batch(step))
    two.set_weights(one.get_weights())
    rest = [one(batch(step)).numpy() for step in range(5, 9)]
    np.testing.assert_array_equal(rest, [two(batch(step)).numpy() for step in range(5, 9)])
    assert any((other(batch(step)).numpy() != image).any() for step, image in zip(range(5, 9), rest, strict=True))
    assert not one.trainable_variables
    assert len(one.variables) == 3


@pytest.mark.parametrize("compiled", [False, True])
def test_half_of_an_odd_batch_is_rounded_up_and_down_in_turn(compiled):
    layer = buffer(capacity=3, size=5)
    call = tf.function(lambda images: layer(images), jit_compile=compiled)
    kept = []
    for step in range(6):
        mixed = call(batch(step, 5)).numpy().ravel()
        kept.append(len(set(mixed) & set(batch(step, 5).numpy().ravel())))
    assert kept == [5, 3, 2, 3, 2, 3]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_batch_of_any_size_fills_the_history_and_draws_half_from_it(size):
    layer = buffer(capacity=10, size=size)
    old = 0
    for step in range(120):
        mixed = layer(batch(step, size)).numpy().ravel()
        old += size - len(set(mixed) & set(batch(step, size).numpy().ravel()))
    assert int(layer.filled.numpy()) == 10
    # Until ten are kept nothing comes out.
    assert old == pytest.approx(0.5 * (120 * size - 20), abs=size)


def test_conditions_stay_with_their_pictures():
    layer = ReplayBuffer(5, (1, 1, 1), condition_shape=(1, 1, 1))
    layer.build((3, 1, 1, 1))
    stale = 0
    for step in range(12):
        images, conditions = layer(batch(step, 3), 100 + batch(step, 3))
        np.testing.assert_array_equal(conditions, 100 + images)
        stale += len(set(images.numpy().ravel()) - set(batch(step, 3).numpy().ravel()))
    assert stale > 6
    assert ReplayBuffer.from_config(layer.get_config()).condition_shape == (1, 1, 1)


def test_diverged_pictures_are_not_remembered():
    layer = buffer()
    for step in range(4):
        layer(batch(step))
    before = layer.history.numpy()
    bad = batch(4) * np.nan
    assert np.isnan(layer(bad).numpy()).all()
    np.testing.assert_array_equal(layer.history.numpy(), before)
    assert np.isfinite(layer(batch(5)).numpy()).all()


def test_no_gradient_and_no_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = buffer()
    x = tf.Variable(batch(0) + 0.123456)
    with tf.GradientTape() as tape:
        y = layer(x)
    assert tape.gradient(y, x) is None
    np.testing.assert_array_equal(y, x.value())


def test_configuration_and_refusals():
    layer = buffer()
    again = ReplayBuffer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="at least 1 picture"):
        ReplayBuffer(0, (1, 1, 1))
    with pytest.raises(ValueError, match="half of a batch of 16"):
        ReplayBuffer(7, (1, 1, 1)).build((16, 1, 1, 1))


def test_historical_average_by_hand():
    weights = keras.Variable([1.0, 2.0])
    history = HistoricalAverage([weights, keras.Variable(5.0)])
    assert float(history.penalty()) == 0
    step = tf.function(history.update)
    for value in ([2.0, 2.0], [4.0, 2.0], [6.0, 5.0]):
        weights.assign(value)
        step()
    # Means (2 + 4 + 6) / 3 = 4 and (2 + 2 + 5) / 3 = 3: (6 - 4)^2 + (5 - 3)^2.
    assert float(history.penalty()) == pytest.approx(8)
    with tf.GradientTape() as tape:
        penalty = history.penalty()
    np.testing.assert_allclose(tape.gradient(penalty, weights.value), [4, 4])  # 2 (theta - mean)
    assert not any(variable.trainable for variable in history.variables)


def test_historical_average_goes_on_from_its_variables():
    weights = keras.Variable([1.0, 2.0])
    one = HistoricalAverage([weights])
    for value in (3.0, 7.0):
        weights.assign([value, value])
        one.update()
    two = HistoricalAverage([weights])
    for variable, stored in zip(two.variables, one.variables, strict=True):
        variable.assign(stored)
    weights.assign([0.0, 1.0])
    one.update()
    two.update()
    assert float(one.penalty()) == float(two.penalty()) > 0


def test_historical_gradient_by_finite_differences():
    weights = keras.Variable(np.random.default_rng(1).normal(size=(3, 2)), dtype="float32")
    history = HistoricalAverage([weights])
    history.update()
    moved = weights.numpy() + np.float32(0.5)
    weights.assign(moved)
    with tf.GradientTape() as tape:
        value = history.penalty()
    gradient = tape.gradient(value, weights.value).numpy()
    for index in np.ndindex(3, 2):
        values = []
        for step in (1e-2, -1e-2):
            shifted = moved.copy()
            shifted[index] += step
            weights.assign(shifted)
            values.append(float(history.penalty()))
        # The penalty is a parabola, for which central differences are exact.
        assert gradient[index] == pytest.approx((values[0] - values[1]) / 2e-2, rel=1e-3)
