"""Feature losses by hand, and the gradient to the generated side only."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.losses import FEATURE_LOSSES
from sr_gan_tf.losses.features import FeatureMatching, PairwiseFeatureMatching

# One layer of two pictures with two features, one of a 1 x 2 map with one channel.
REAL = [np.float32([[1, 2], [3, 4]]), np.float32([[[[1], [2]]], [[[3], [4]]]])]
FAKE = [np.float32([[3, 2], [1, 0]]), np.float32([[[[1], [2]]], [[[3], [4.5]]]])]


def test_by_hand():
    # Means (2, 3) and (2, 1): (0 + 4) / 2; means (2, 3) and (2, 3.25): (0 + 0.0625) / 2; then the mean of the layers.
    assert float(FeatureMatching()(REAL, FAKE)) == pytest.approx((2 + 0.03125) / 2)
    # |1-3|, 0, |3-1|, |4-0|: mean 2; one of four differs by 0.5: 0.125.
    assert float(PairwiseFeatureMatching()(REAL, FAKE)) == pytest.approx((2 + 0.125) / 2)


def test_batch_means_do_not_care_who_is_whose_copy():
    swapped = [layer[::-1] for layer in REAL]
    assert float(FeatureMatching()(REAL, swapped)) == 0
    assert float(PairwiseFeatureMatching()(REAL, swapped)) > 1


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_perfect_and_extreme_input(name):
    loss = FEATURE_LOSSES[name]()
    assert float(loss(REAL, REAL)) == 0
    huge = tf.constant(REAL[0]) * 1e6
    with tf.GradientTape() as tape:
        tape.watch(huge)
        value = loss([-huge.numpy()], [huge])
    assert np.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, huge).numpy()).all()
    half = [tf.cast(layer, tf.bfloat16) for layer in REAL]
    assert loss(half, FAKE).dtype == tf.float32
    assert float(loss(half, FAKE)) == float(loss(REAL, FAKE))


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_gradient_by_finite_differences(name):
    random = np.random.default_rng(1)
    real, fake, direction = (tf.constant(random.normal(size=(3, 4, 2))) for _ in range(3))

    def function(x):
        return FEATURE_LOSSES[name]().compute([(real, x), (2 * real, tf.sin(x))])

    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = function(fake)
    exact = float(tf.reduce_sum(tape.gradient(value, fake) * direction))
    measured = float(function(fake + 1e-6 * direction) - function(fake - 1e-6 * direction)) / 2e-6
    assert exact == pytest.approx(measured, rel=1e-6)


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_lists_that_do_not_fit_are_refused(name):
    with pytest.raises(ValueError, match="equally long lists"):
        FEATURE_LOSSES[name]()(REAL, FAKE[:1])
    with pytest.raises(ValueError, match="feature_layers"):
        FEATURE_LOSSES[name]()([], [])
    with pytest.raises(ValueError, match="shapes differ"):
        FEATURE_LOSSES[name]()(REAL[:1], FAKE[1:])
