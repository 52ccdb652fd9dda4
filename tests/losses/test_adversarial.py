"""Adversarial losses against values worked out by hand, for logits of any shape."""

import math

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.losses import ADVERSARIAL_LOSSES
from sr_gan_tf.losses.adversarial import (
    BinaryCrossentropy,
    Hinge,
    LeastSquares,
    RelativisticAverage,
    RelativisticPair,
    Wasserstein,
)

REAL = np.array([[2.0], [0.5]], "float32")  # mean 1.25
FAKE = np.array([[-1.0], [0.0]], "float32")  # mean -0.5


def softplus(x):
    return math.log1p(math.exp(x))  # = -log sigmoid(-x)


def mean(*values):
    return sum(values) / len(values)


# Generator's loss, discriminator's real term, its fake term.
BY_HAND = [
    (
        BinaryCrossentropy(),
        mean(softplus(1), softplus(0)),
        mean(softplus(-2), softplus(-0.5)),
        mean(softplus(-1), softplus(0)),
    ),
    (LeastSquares(), mean(2**2, 1**2) / 2, mean(1**2, 0.5**2), mean(1**2, 0)),
    (Hinge(), 0.5, mean(0, 0.5), mean(0, 1)),
    (Wasserstein(), 0.5, -1.25, -0.5),
    # Against the other side's mean: real 2.5 and 1.0, fake -2.25 and -1.25.
    (
        RelativisticAverage(),
        mean(softplus(2.5), softplus(1.0), softplus(2.25), softplus(1.25)),
        mean(softplus(-2.5), softplus(-1.0)),
        mean(softplus(-2.25), softplus(-1.25)),
    ),
    # Pair by pair, real minus generated: 3 and 0.5.
    (RelativisticPair(), mean(softplus(3), softplus(0.5)), *[mean(softplus(-3), softplus(-0.5))] * 2),
]


@pytest.mark.parametrize(("loss", "generator", "real", "fake"), BY_HAND, ids=lambda value: type(value).__name__)
def test_by_hand(loss, generator, real, fake):
    assert float(loss.generator_loss(FAKE, REAL)) == pytest.approx(generator, rel=1e-6)
    assert [float(term) for term in loss.discriminator_loss(REAL, FAKE)] == pytest.approx([real, fake], rel=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize("shape", [(2, 1), (2, 1, 1, 1), (2, 5, 6, 1), (2, 16, 16)])
def test_logits_of_any_shape(name, shape):
    loss = ADVERSARIAL_LOSSES[name]()
    real, fake = (np.broadcast_to(x.reshape((2,) + (1,) * (len(shape) - 1)), shape) for x in (REAL, FAKE))
    values = loss.generator_loss(fake, real), *loss.discriminator_loss(real, fake)
    expected = loss.generator_loss(FAKE, REAL), *loss.discriminator_loss(REAL, FAKE)
    assert [float(value) for value in values] == pytest.approx([float(value) for value in expected], rel=1e-6)
    assert all(value.shape == () for value in values)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_gradients_by_finite_differences(name):
    loss = ADVERSARIAL_LOSSES[name]()
    random = np.random.default_rng(1)
    both = tf.constant(random.normal(size=(2, 3, 4, 1)) * 0.7 + 0.11)
    direction = random.normal(size=both.shape)
    functions = [
        lambda x: loss.generator_loss(x[1], x[0]),
        lambda x: tf.add_n(loss.discriminator_loss(x[0], x[1])),
    ]
    for function in functions:
        with tf.GradientTape() as tape:
            tape.watch(both)
            value = function(both)
        assert value.dtype == tf.float64
        exact = float(tf.reduce_sum(tape.gradient(value, both) * direction))
        step = 1e-6 * direction
        measured = float(function(both + step) - function(both - step)) / 2e-6
        assert exact == pytest.approx(measured, rel=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_extreme_logits_are_finite(name, size):
    loss = ADVERSARIAL_LOSSES[name]()
    for real_sign, fake_sign in [(1, -1), (-1, 1), (1, 1)]:
        logits = tf.constant([[[real_sign * size]], [[fake_sign * size]]])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            terms = [loss.generator_loss(logits[1], logits[0]), *loss.discriminator_loss(logits[0], logits[1])]
            total = tf.add_n(terms)
        assert np.isfinite([float(term) for term in terms]).all()
        assert np.isfinite(tape.gradient(total, logits).numpy()).all()


@pytest.mark.parametrize(
    "loss", [BinaryCrossentropy(), RelativisticAverage(), RelativisticPair()], ids=lambda loss: type(loss).__name__
)
def test_a_guess_costs_log_two(loss):
    zeros = np.zeros((4, 3, 3, 1), "float32")
    values = loss.generator_loss(zeros, zeros), *loss.discriminator_loss(zeros, zeros)
    assert [float(value) for value in values] == pytest.approx([math.log(2)] * 3)


@pytest.mark.parametrize("loss", [LeastSquares(), Hinge()], ids=lambda loss: type(loss).__name__)
def test_a_perfect_discriminator_costs_nothing(loss):
    ones = np.ones((2, 1), "float32")
    fake = 0 * ones if isinstance(loss, LeastSquares) else -ones
    assert [float(term) for term in loss.discriminator_loss(ones, fake)] == [0, 0]


def test_the_generator_never_saturates():
    fake = tf.constant([[-20.0]])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = BinaryCrossentropy().generator_loss(fake)
    assert float(tape.gradient(value, fake)[0, 0]) == pytest.approx(-1, abs=1e-6)


def test_label_smoothing_is_one_sided():
    smooth, plain = BinaryCrossentropy(label_smoothing=0.1), BinaryCrossentropy()
    real, fake = smooth.discriminator_loss(REAL[:1], FAKE)
    # -0.9 log sigmoid(2) - 0.1 log(1 - sigmoid(2))
    assert float(real) == pytest.approx(0.9 * softplus(-2) + 0.1 * softplus(2), rel=1e-6)
    assert float(fake) == float(plain.discriminator_loss(REAL, FAKE)[1])
    assert float(smooth.generator_loss(FAKE)) == float(plain.generator_loss(FAKE))


def test_half_precision_logits_are_compared_in_float32():
    real, fake = tf.cast(REAL, tf.bfloat16), tf.cast(FAKE, tf.bfloat16)
    for name, constructor in ADVERSARIAL_LOSSES.items():
        loss = constructor()
        assert loss.generator_loss(fake, real).dtype == tf.float32, name
        assert float(loss.discriminator_loss(real, fake)[0]) == float(loss.discriminator_loss(REAL, FAKE)[0])


def test_relativistic_generators_ask_for_real_logits():
    relativistic = (RelativisticAverage, RelativisticPair)
    assert [loss for loss in ADVERSARIAL_LOSSES.values() if loss.needs_real] == list(relativistic)
    for loss in relativistic:
        with pytest.raises(ValueError, match=f"{loss.__name__}.generator_loss needs real_logits"):
            loss().generator_loss(FAKE)


def test_pairs_cancel_what_both_images_show():
    """A logit that depends on the content of a position alone teaches neither network anything."""
    content = np.random.default_rng(2).normal(scale=3, size=(2, 4, 4, 1)).astype("float32")
    loss = RelativisticPair()
    assert float(loss.generator_loss(content, content)) == pytest.approx(math.log(2))
    shifted = [
        float(term) for term in loss.discriminator_loss(REAL[:, None, None] + content, FAKE[:, None, None] + content)
    ]
    assert shifted == pytest.approx([float(term) for term in loss.discriminator_loss(REAL, FAKE)], rel=1e-5)
