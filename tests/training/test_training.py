"""The train steps: order of updates, averages, balance, faults, exact state."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from seeding import start_from

from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.generators.srresnet import SRResNet
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.runs.checkpoints import restore
from sr_gan_tf.training.gan import GAN, Balance
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.terms import WeightedLoss, constant
from sr_gan_tf.training.turns import Turns

SGD = keras.optimizers.SGD
ADAM = keras.optimizers.Adam


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    hr = random.random((2, 16, 16, 3), "float32")
    return tf.constant(hr[:, ::2, ::2]), tf.constant(hr)


def make_generator(**arguments):
    start_from(1)
    return SRResNet(scale=2, filters=4, num_blocks=1, **arguments)


def content(weight: float = 1.0) -> list[WeightedLoss]:
    return [constant("mae", CONTENT_LOSSES["MeanAbsoluteError"](), weight)]


def make_supervised(optimizer=None, **arguments) -> Supervised:
    trainer = Supervised(make_generator(**arguments), ema_decay=0.9)
    trainer.compile(optimizer or SGD(0.1), content())
    return trainer


def make_gan(family="BinaryCrossentropy", weight=0.1, optimizer=SGD, balance=None, generator=None, **arguments) -> GAN:
    """Its generator has few weights and no running statistics, unless another is given."""
    start_from(1)
    generator = generator or Compact(scale=2, filters=4, num_convs=1)
    trainer = GAN(generator, TinyDiscriminator(filters=4), ema_decay=0.9)
    adversarial = constant("adversarial", ADVERSARIAL_LOSSES[family](), weight)
    trainer.compile(
        optimizer(0.1), optimizer(0.1), content(), adversarial,
        balance=Balance(**(balance or {})), picture_shape=(2, 16, 16, 3), **arguments,
    )  # fmt: skip
    return trainer


def floats(logs) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def test_supervised_step_is_gradient_descent_on_the_weighted_loss(batch):
    lr, hr = batch
    trainer = make_supervised(normalization="none")
    twin = trainer.generator.copy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.abs(hr - twin(lr, training=True)))
    gradients = tape.gradient(loss, twin.trainable_variables)
    logs = trainer.train_step(batch)
    assert float(logs["generator_loss"]) == pytest.approx(float(loss), rel=1e-6)
    for variable, before, gradient in zip(
        trainer.generator.trainable_variables, twin.trainable_variables, gradients, strict=True
    ):
        np.testing.assert_allclose(variable, before - 0.1 * gradient, atol=1e-6)


def test_average_follows_weights_and_copies_statistics(batch):
    trainer = make_supervised()
    before = [v.numpy() for v in trainer.average.variables]
    trainer.train_step(batch)
    decay = min(0.9, 1 / 10)  # (1 + t) / (10 + t) at step 0
    trainable = {id(v) for v in trainer.generator.trainable_variables}
    for mean, old, variable in zip(trainer.average.variables, before, trainer.generator.variables, strict=True):
        expected = old + (1 - decay) * (variable.numpy() - old) if id(variable) in trainable else variable.numpy()
        np.testing.assert_allclose(mean, expected, atol=1e-6)
    assert not trainer.average.trainable_variables


def test_predict_answers_with_the_average(batch):
    trainer = make_supervised()
    trainer.train_step(batch)
    np.testing.assert_allclose(
        trainer.predict(batch[0], verbose=0), trainer.average(batch[0], training=False), atol=1e-6
    )


def test_guessing_discriminator_reports_0_693(batch):
    trainer = make_gan()
    # A last layer of zeros guesses: every logit is 0.
    last = [layer for layer in trainer.discriminator.layers if layer.weights][-1]
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    logs = floats(trainer.train_step(batch))
    for name in ("discriminator_real", "discriminator_fake", "discriminator_loss", "adversarial"):
        assert logs[name] == pytest.approx(0.693147, abs=1e-5)
    assert logs["adversarial.weighted"] == pytest.approx(0.0693147, abs=1e-6)
    assert logs["generator_loss"] == pytest.approx(logs["mae"] + 0.0693147, abs=1e-5)


def test_generator_goes_first_and_the_discriminator_sees_the_same_detached_picture(batch):
    lr, hr = batch
    trainer = make_gan()
    generator, discriminator = trainer.generator.copy(), trainer.discriminator.copy()
    cross_entropy = ADVERSARIAL_LOSSES["BinaryCrossentropy"]()
    with tf.GradientTape() as tape:
        sr = generator(lr, training=True)
        loss = tf.reduce_mean(tf.abs(hr - sr)) + 0.1 * cross_entropy.generator_loss(discriminator(sr))
    generator_gradients = tape.gradient(loss, generator.trainable_variables)
    with tf.GradientTape() as tape:
        terms = cross_entropy.discriminator_loss(discriminator(hr), discriminator(tf.stop_gradient(sr)))
        loss = 0.5 * (terms[0] + terms[1])
    discriminator_gradients = tape.gradient(loss, discriminator.trainable_variables)
    logs = trainer.train_step(batch)
    assert float(logs["discriminator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    for part, twin, gradients in (
        (trainer.generator, generator, generator_gradients),
        (trainer.discriminator, discriminator, discriminator_gradients),
    ):
        for variable, before, gradient in zip(
            part.trainable_variables, twin.trainable_variables, gradients, strict=True
        ):
            np.testing.assert_allclose(variable, before - 0.1 * gradient, atol=1e-6)


def test_non_finite_data_change_nothing_and_are_counted(batch):
    trainer = make_gan(optimizer=ADAM)
    lr, hr = batch
    before = [v.numpy() for v in trainer.generator.trainable_variables]
    logs = floats(trainer.train_step((lr, hr * float("nan"))))
    assert logs["skipped_steps"] == 1
    assert logs["skipped_in_a_row"] == 1
    for variable, old in zip(trainer.generator.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert int(trainer.generator_optimizer.iterations) == 0
    logs = floats(trainer.train_step(batch))
    assert logs["skipped_steps"] == 1
    assert logs["skipped_in_a_row"] == 0


def test_non_finite_weights_are_noticed(batch):
    trainer = make_gan()
    kernel = trainer.discriminator.trainable_variables[0]
    kernel.assign(kernel * float("nan"))
    for count in (1, 2):
        assert floats(trainer.train_step(batch))["skipped_in_a_row"] == count


def test_discriminator_rests_above_the_accuracy_bound(batch):
    trainer = make_gan(balance={"accuracy_bound": 0.6})
    # Real pictures are brighter than the generator's first ones: a brightness detector is right on all.
    first, *_, _last = [layer for layer in trainer.discriminator.layers if layer.weights]
    first.set_weights([np.ones_like(w) * (w.ndim == 4) for w in first.get_weights()])
    trainer.train_step(batch)
    before = [v.numpy() for v in trainer.discriminator.trainable_variables]
    logs = floats(trainer.train_step(batch))
    accuracy = 0.5 * (logs["real_accuracy"] + logs["fake_accuracy"])
    moved = any((v.numpy() != b).any() for v, b in zip(trainer.discriminator.trainable_variables, before, strict=True))
    assert moved == (accuracy <= 0.6) == bool(logs["discriminator_updated"])
    trainer.turns = Turns(accuracy_bound=1e-9)
    before = [v.numpy() for v in trainer.discriminator.trainable_variables]
    logs = floats(trainer.train_step(batch))
    assert logs["discriminator_updated"] == 0
    for variable, old in zip(trainer.discriminator.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_update_ratios(batch):
    trainer = make_gan(balance={"discriminator_every": 2})
    assert [floats(trainer.train_step(batch))["discriminator_updated"] for _ in range(4)] == [1, 0, 1, 0]
    trainer = make_gan(optimizer=ADAM, balance={"discriminator_steps": 3})
    trainer.train_step(batch)
    assert int(trainer.discriminator_optimizer.iterations) == 3
    assert int(trainer.generator_optimizer.iterations) == 1


def test_instance_noise_decays_and_reaches_the_discriminator_only(batch):
    noisy = make_gan(weight=0.0, balance={"instance_noise": lambda step: tf.where(step < 1, 0.5, 0.0)})
    plain = make_gan(weight=0.0)
    first, second = floats(noisy.train_step(batch)), floats(plain.train_step(batch))
    assert first["discriminator_loss"] != pytest.approx(second["discriminator_loss"], rel=1e-4)
    assert first["mae"] == pytest.approx(second["mae"])
    noisy.discriminator.set_weights(plain.discriminator.get_weights())
    first, second = floats(noisy.train_step(batch)), floats(plain.train_step(batch))
    assert first["discriminator_loss"] == pytest.approx(second["discriminator_loss"], rel=1e-5)


def test_weights_may_be_schedules(batch):
    trainer = make_gan()
    trainer.adversarial = WeightedLoss(
        "adversarial", ADVERSARIAL_LOSSES["BinaryCrossentropy"](), lambda step: tf.cast(step, tf.float32) * 0.5
    )
    values = [floats(trainer.train_step(batch)) for _ in range(3)]
    assert [v["adversarial.weighted"] / v["adversarial"] for v in values] == pytest.approx([0, 0.5, 1.0])


# Tracing takes most of it; the others take their eager steps in losses/test_adversarial_trials.py.
@pytest.mark.parametrize(
    "family",
    [
        pytest.param(name, marks=() if name == "RelativisticAverage" else pytest.mark.long)
        for name in sorted(ADVERSARIAL_LOSSES)
    ],
)
def test_every_family_with_features_penalties_and_balance_trains_in_graph(batch, family):
    trainer = make_gan(
        family,
        optimizer=ADAM,
        features=[constant("matching", FEATURE_LOSSES["FeatureMatching"](), 0.1)],
        penalties=[constant("r1", PENALTIES["R1"](), 1.0)],
        balance={
            "replay_buffer": 4,
            "historical_averaging": 0.01,
            "instance_noise": lambda step: tf.constant(0.01),
        },
    )
    step = tf.function(trainer.train_step)
    for _ in range(3):
        logs = floats(step(batch))
    assert np.isfinite(list(logs.values())).all()
    assert {"matching.weighted", "r1.weighted", "generator_history", "discriminator_history"} <= logs.keys()


def test_state_restores_a_training_exactly(batch):
    arguments = {
        "optimizer": ADAM,
        "balance": {
            "replay_buffer": 4,
            "historical_averaging": 0.01,
            "instance_noise": lambda step: tf.constant(0.1),
        },
    }
    first = make_gan(**arguments, generator=make_generator())
    for _ in range(2):
        first.train_step(batch)
    saved = {f"{part}/{i:05d}": v.numpy() for part, vs in first.state().items() for i, v in enumerate(vs)}
    expected = [floats(first.train_step(batch)) for _ in range(3)]
    second = make_gan(**arguments, generator=make_generator())
    restore(second.state(), saved)
    assert [floats(second.train_step(batch)) for _ in range(3)] == expected


def test_generator_loss_leaves_batch_statistics_of_the_discriminator_alone(batch):
    from sr_gan_tf.discriminators.convolutional import ConvDiscriminator

    discriminator = ConvDiscriminator(filters=4)
    trainer = GAN(make_generator(), discriminator, ema_decay=0.9)
    trainer.compile(SGD(0.0), SGD(0.0), content(), constant("a", ADVERSARIAL_LOSSES["LeastSquares"](), 1.0))
    before = [v.numpy() for v in discriminator.non_trainable_variables]
    trainer.generator_terms(*batch, batch[1], {})
    for variable, old in zip(discriminator.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    judged = trainer._judge(discriminator, batch[1])
    np.testing.assert_allclose(judged, discriminator(batch[1], training=True), rtol=1e-5, atol=1e-6)


def test_generator_loss_sees_the_discriminator_without_dropout():
    from sr_gan_tf.discriminators.metagan import MetaGAN

    discriminator = MetaGAN(filters=(16, 16, 32, 32), blocks=(1, 1, 1, 1))
    trainer = GAN(make_generator(), discriminator, ema_decay=0.9)
    picture = tf.constant(np.random.default_rng(1).random((1, 64, 64, 3), "float32"))
    first, second = (trainer._judge(discriminator, picture).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    noisy = {float(discriminator(picture, training=True)[0, 0]) for _ in range(3)}
    assert len(noisy) > 1


def test_weights_without_a_gradient_stay_as_they_are():
    """The published attention computes what its queries, keys and values give, and drops it."""
    from sr_gan_tf.discriminators.metagan import MetaGAN

    discriminator = MetaGAN(filters=(16, 16, 32, 32), blocks=(1, 1, 1, 1), published_attention=True)
    trainer = GAN(make_generator(), discriminator, ema_decay=0.9)
    adversarial = constant("adversarial", ADVERSARIAL_LOSSES["BinaryCrossentropy"](), 0.1)
    trainer.compile(SGD(0.1), SGD(0.1), content(), adversarial, picture_shape=(1, 64, 64, 3))
    before = [variable.numpy() for variable in discriminator.trainable_variables]
    hr = tf.constant(np.random.default_rng(0).random((1, 64, 64, 3), "float32"))
    logs = floats(trainer.train_step((hr[:, ::2, ::2], hr)))
    pairs = zip(before, discriminator.trainable_variables, strict=True)
    idle = [variable.path for value, variable in pairs if np.array_equal(value, variable.numpy())]
    assert logs["skipped_steps"] == 0
    assert 0 < len(idle) < len(before)
    assert all("attention" in path for path in idle), idle


def test_fit_under_mixed_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = make_gan(optimizer=ADAM)
    trainer.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=3, epochs=1, shuffle=False, verbose=0)
    assert all(variable.dtype == "float32" for variable in trainer.generator.trainable_variables)
    assert trainer.generator(batch[0]).dtype == tf.float32


def test_a_loss_may_compare_with_the_averaged_generator(batch):
    lr, hr = batch
    trainer = make_supervised(normalization="none")
    loss = CONTENT_LOSSES["LDL"](refined=True)
    trainer.compile(SGD(0.1), [constant("ldl", loss)])
    for variable in trainer.average.variables:
        variable.assign(variable + 0.05)
    expected = loss(hr, trainer.generator(lr), lr, trainer.average(lr))
    assert floats(trainer.train_step(batch))["ldl"] == pytest.approx(float(expected), rel=1e-5)
    assert float(expected) != pytest.approx(float(CONTENT_LOSSES["LDL"]()(hr, trainer.generator(lr), lr)), rel=1e-3)
