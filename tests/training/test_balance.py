"""What keeps the two networks in step: accuracy, schedules, rests, pairs of the replay buffer, penalties."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_training import SGD, content, floats, make_gan, make_generator

from sr_gan_tf.config import Spec
from sr_gan_tf.discriminators.patchgan import PatchGAN
from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.training.gan import GAN, Balance
from sr_gan_tf.training.optimizers import build_optimizer
from sr_gan_tf.training.terms import constant


@pytest.fixture
def batch():
    hr = np.random.default_rng(0).random((2, 16, 16, 3), "float32")
    return tf.constant(hr[:, ::2, ::2]), tf.constant(hr)


def conditional_gan(size: int = 2, **arguments) -> GAN:
    discriminator = PatchGAN(filters=4, num_layers=1, normalization="none", conditional=True)
    trainer = GAN(make_generator(), discriminator, ema_decay=0.9)
    adversarial = constant("adversarial", ADVERSARIAL_LOSSES["BinaryCrossentropy"](), 0.1)
    trainer.compile(
        SGD(1e-9), SGD(1e-9), content(), adversarial, picture_shape=(size, 16, 16, 3), jit_compile=False, **arguments
    )
    return trainer


@pytest.mark.parametrize("family", sorted(ADVERSARIAL_LOSSES))
def test_accuracy_is_the_share_of_pairs_where_the_offset_is_free(family):
    """A discriminator that tells all pairs apart, by logits far from 0."""
    trainer = make_gan(family)
    real, fake = tf.constant([[9.0], [8.0]]), tf.constant([[7.0], [6.0]])
    logs = {}
    answers = iter([real, fake])
    trainer.discriminator = lambda pictures, training: next(answers)
    trainer._view = lambda pictures, lr: pictures
    trainer.discriminator_terms(None, real, fake, None, logs)
    logs = floats(logs)
    assert logs["pair_share"] == 1
    is_free = family in ("RelativisticAverage", "RelativisticPair", "Wasserstein")
    assert logs["real_accuracy"] == 1
    assert logs["fake_accuracy"] == (1 if is_free else 0)


@pytest.mark.parametrize("family", ["RelativisticAverage", "Wasserstein"])
def test_accuracy_bound_does_not_look_at_the_offset(batch, family):
    updated = []
    for offset in (0.0, 50.0):
        trainer = make_gan(family, balance={"accuracy_bound": 0.7})
        logit = [layer for layer in trainer.discriminator.layers if layer.weights][-1]
        logit.set_weights([logit.get_weights()[0], logit.get_weights()[1] + offset])
        updated.append([floats(trainer.train_step(batch))["discriminator_updated"] for _ in range(4)])
    assert updated[0] == updated[1]


@pytest.mark.parametrize(
    "balance", [{}, {"discriminator_steps": 2}, {"discriminator_every": 2}, {"accuracy_bound": 1e-9}]
)
def test_both_rates_follow_the_stages_steps(batch, balance):
    rate = {"class_name": "PiecewiseConstantDecay", "config": {"boundaries": [3], "values": [1e-3, 1e-4]}}
    trainer = make_gan(
        optimizer=lambda _: build_optimizer(Spec("Adam", {"learning_rate": rate}), "here"), balance=balance,
        generator=Compact(scale=2, filters=4, num_convs=0),
    )  # fmt: skip
    step = tf.function(trainer.train_step)
    for number in range(7):
        logs = floats(step(batch))
        expected = pytest.approx(1e-3 if number <= 3 else 1e-4)
        assert logs["generator_learning_rate"] == expected
        assert logs["discriminator_learning_rate"] == expected
    # Adam's own count, which its bias correction needs, stays one of updates.
    assert int(trainer.discriminator_optimizer.iterations) == {"discriminator_steps": 14, "discriminator_every": 4}.get(
        next(iter(balance), ""), 0 if balance else 7
    )
    saved = keras.optimizers.serialize(trainer.discriminator_optimizer)
    assert isinstance(
        keras.optimizers.deserialize(saved)._learning_rate, keras.optimizers.schedules.PiecewiseConstantDecay
    )


def test_a_resting_discriminator_costs_no_gradient(batch, monkeypatch):
    """Neither its kernels' gradients nor its penalties, in a graph that is the whole step."""
    trainer = make_gan(
        balance={"discriminator_every": 2}, penalties=[constant("r1", PENALTIES["R1"](), 5.0)], jit_compile=False
    )
    asked = []
    gradient = tf.GradientTape.gradient
    monkeypatch.setattr(
        tf.GradientTape, "gradient", lambda tape, *args, **options: asked.append(1) or gradient(tape, *args, **options)
    )
    costs, logged = [], []
    for _ in range(4):
        asked.clear()
        logged.append(floats(trainer.train_step(batch)))
        costs.append(len(asked))
    assert costs == [3, 1, 3, 1]  # the generator's, the discriminator's, and R1's own
    assert [logs["discriminator_gradient_norm"] > 0 for logs in logged] == [True, False, True, False]
    assert [logs["r1"] > 0 for logs in logged] == [True, False, True, False]
    graph = tf.function(trainer.train_step).get_concrete_function(batch).graph
    always = [operation.type for operation in graph.get_operations()]
    busy = make_gan(penalties=[constant("r1", PENALTIES["R1"](), 5.0)], jit_compile=False)
    graph = tf.function(busy.train_step).get_concrete_function(batch).graph
    kernels = [operation.type for operation in graph.get_operations()].count("Conv2DBackpropFilter")
    # What stands outside any condition is the generator's share alone.
    assert 0 < always.count("Conv2DBackpropFilter") <= kernels - 2


@pytest.mark.parametrize("features", [False, True])
def test_a_generator_that_waits_costs_no_gradient(batch, monkeypatch, features):
    """During the discriminator's warm-up; in the graph of the step its gradients are inside a condition."""
    features = [constant("matching", FEATURE_LOSSES["FeatureMatching"]())] if features else []
    trainer = make_gan(balance={"discriminator_warm_up": 2}, features=features, jit_compile=False)
    asked = []
    gradient = tf.GradientTape.gradient
    monkeypatch.setattr(
        tf.GradientTape, "gradient", lambda tape, *args, **options: asked.append(1) or gradient(tape, *args, **options)
    )
    costs, logged = [], []
    for _ in range(3):
        asked.clear()
        logged.append(floats(trainer.train_step(batch)))
        costs.append(len(asked))
    assert costs == [1, 1, 2]
    assert [logs["generator_gradient_norm"] > 0 for logs in logged] == [False, False, True]
    assert all(logs["generator_loss"] > 0 and logs["generator_learning_rate"] > 0 for logs in logged)
    kernels = []
    for one in (trainer, make_gan(features=features, jit_compile=False)):
        graph = tf.function(one.train_step).get_concrete_function(batch).graph
        kernels.append([operation.type for operation in graph.get_operations()].count("Conv2DBackpropFilter"))
    convolutions = [layer for layer in trainer.generator.layers if "conv" in type(layer).__name__.lower()]
    assert kernels[1] - kernels[0] >= len(convolutions) > 2


def test_replayed_pictures_are_judged_with_their_own_lr():
    trainer = conditional_gan(4, balance=Balance(replay_buffer=4))
    seen = []
    view = trainer._view
    trainer._view = lambda pictures, lr: seen.append(view(pictures, lr)) or seen[-1]
    trainer.generator.call = lambda lr, training: lr.numpy().repeat(2, 1).repeat(2, 2)
    trainer.generator = lambda lr, training=True: tf.repeat(tf.repeat(lr, 2, 1), 2, 2)
    trainer.generator.trainable_variables = trainer.average.trainable_variables
    trainer.generator.variables = trainer.average.variables
    trainer.generator.scale = 2
    stale = 0
    trainer.update = lambda *args: tf.constant(True)
    for step in range(8):
        levels = (4 * step + np.arange(4, dtype=np.float32)) / 40
        lr, hr = (np.ones((4, side, side, 3), np.float32) * levels[:, None, None, None] for side in (8, 16))
        seen.clear()
        trainer.train_step((tf.constant(lr), tf.constant(hr)))
        pictures, conditions = (seen[-1][..., part].numpy().mean((1, 2, 3)) for part in (slice(3), slice(3, 6)))
        np.testing.assert_allclose(pictures, conditions, atol=1e-6)
        stale += sum(level < levels[0] - 1e-6 for level in pictures)
    assert stale >= 8


@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_penalties_leave_the_condition_out(penalty):
    """A discriminator that looks at the LR channels only is flat as a function of the picture."""
    random = np.random.default_rng(1)
    real, fake = (tf.constant(random.random((2, 4, 4, 6), "float32")) for _ in range(2))
    loss = PENALTIES[penalty]()
    deaf = float(loss(lambda images: tf.reduce_sum(1e3 * images[..., 3:], axis=(1, 2, 3)), real, fake))
    assert deaf == pytest.approx(0 if penalty == "R1" else 1, abs=1e-4)
    both = float(loss(lambda images: tf.reduce_sum(images, axis=(1, 2, 3)), real, fake))
    plain = float(loss(lambda images: tf.reduce_sum(images, axis=(1, 2, 3)), real[..., :3], fake[..., :3]))
    assert both == pytest.approx(plain)
