"""Gradient penalties by hand, and the second derivative that trains the discriminator."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.losses import PENALTIES
from sr_gan_tf.losses.penalties import R1, GradientPenalty

random = np.random.default_rng(1)
REAL, FAKE = random.uniform(size=(2, 3, 4, 4, 1)).astype("float32")


def linear(slope):
    """Logit = slope * sum of the pixels: the gradient is `slope` at each of the 16 pixels."""
    return lambda images: slope * tf.reduce_sum(images, axis=(1, 2))


def test_by_hand():
    # ||gradient||^2 = 16 * 0.5^2 = 4.
    assert float(R1()(linear(0.5), REAL, FAKE)) == pytest.approx(4 / 2)
    assert float(GradientPenalty()(linear(0.5), REAL, FAKE)) == pytest.approx((2 - 1) ** 2)
    assert float(GradientPenalty(target=0.0)(linear(0.5), REAL, FAKE)) == pytest.approx(4)
    # The gradient has length 1: a perfect critic.
    assert float(GradientPenalty()(linear(0.25), REAL, FAKE)) == pytest.approx(0, abs=1e-6)


def test_a_map_of_logits_counts_as_its_mean():
    # Each of the 16 logits sees its own pixel: their mean has the gradient 0.5 / 16 at each.
    assert float(R1()(lambda images: 0.5 * images, REAL, FAKE)) == pytest.approx(16 * (0.5 / 16) ** 2 / 2)


def test_r1_looks_at_real_pictures_only():
    quadratic = lambda images: tf.reduce_sum(tf.square(images), axis=(1, 2, 3))  # noqa: E731
    # The gradient of x^2 is 2 x.
    expected = (4 * np.square(REAL).sum(axis=(1, 2, 3))).mean() / 2
    assert float(R1()(quadratic, REAL, FAKE)) == pytest.approx(expected, rel=1e-5)
    assert float(R1()(quadratic, REAL, 0 * FAKE)) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_penalty_looks_between_the_pictures():
    """Where the critic's slope depends on the place, the value shows which places were looked at."""
    seen = []

    def critic(images):
        seen.append(images)
        return tf.reduce_sum(tf.square(images), axis=(1, 2, 3))

    GradientPenalty()(critic, REAL, FAKE)
    share = (seen[0].numpy() - FAKE) / (REAL - FAKE)
    shares = share.reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(share.reshape(3, -1), shares[:, None] * np.ones((1, 16)), atol=1e-3)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert len(set(shares.round(3))) == 3
    # The same batch draws the same places, another batch others.
    GradientPenalty()(critic, REAL, FAKE)
    np.testing.assert_array_equal(seen[0], seen[1])
    GradientPenalty()(critic, REAL, FAKE * 0.999)
    assert np.abs((seen[2].numpy() - FAKE * 0.999) / (REAL - FAKE * 0.999) - share).max() > 0.01


@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_to_the_discriminator_by_finite_differences(name):
    real, fake = tf.constant(REAL, tf.float64), tf.constant(FAKE, tf.float64)
    kernels = tf.constant(random.normal(size=(3, 3, 1, 2)))
    direction = tf.constant(random.normal(size=kernels.shape))

    def function(kernels):
        def critic(images):
            return tf.reduce_mean(tf.tanh(tf.nn.conv2d(images, kernels, 1, "SAME")), axis=-1)

        return PENALTIES[name]()(critic, real, fake)

    with tf.GradientTape() as tape:
        tape.watch(kernels)
        value = function(kernels)
    exact = float(tf.reduce_sum(tape.gradient(value, kernels) * direction))
    measured = float(function(kernels + 1e-6 * direction) - function(kernels - 1e-6 * direction)) / 2e-6
    assert exact == pytest.approx(measured, rel=1e-6)
    assert abs(exact) > 1e-6


@pytest.mark.parametrize("name", PENALTIES)
def test_extreme_input_is_finite(name):
    weight = tf.Variable(0.0)
    for slope in (0.0, 1e6):
        weight.assign(slope)
        for real, fake in [(REAL, REAL), (0 * REAL, 0 * FAKE + 1), (REAL, FAKE)]:
            with tf.GradientTape() as tape:
                value = PENALTIES[name]()(lambda images: weight * tf.reduce_sum(images, axis=(1, 2)), real, fake)
            assert np.isfinite(float(value))
            assert np.isfinite(float(tape.gradient(value, weight)))


def test_compiled_inside_a_step():
    weight = tf.Variable(0.5)

    @tf.function(jit_compile=True)
    def step(real, fake):
        with tf.GradientTape() as tape:
            critic = lambda images: weight * tf.reduce_sum(tf.tanh(images), axis=(1, 2))  # noqa: E731
            value = R1()(critic, real, fake) + GradientPenalty()(critic, tf.cast(real, tf.bfloat16), fake)
        return value, tape.gradient(value, weight)

    value, gradient = step(REAL, FAKE)
    assert value.dtype == tf.float32
    assert np.isfinite(float(value))
    assert float(gradient) != 0
