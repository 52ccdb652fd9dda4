"""A train step does nothing twice: pictures, the discriminator's answers, tracing."""

import numpy as np
import pytest
import tensorflow as tf
from test_training import ADAM, SGD, content, make_gan, make_generator

from sr_gan_tf.losses import ADVERSARIAL_LOSSES
from sr_gan_tf.training.gan import GAN, Balance
from sr_gan_tf.training.terms import constant


@pytest.fixture
def batch():
    hr = np.random.default_rng(0).random((2, 16, 16, 3), "float32")
    return tf.constant(hr[:, ::2, ::2]), tf.constant(hr)


@pytest.mark.parametrize("family", ["BinaryCrossentropy", "RelativisticAverage"])
def test_the_discriminator_is_asked_no_more_often_than_needed(batch, family, monkeypatch):
    trainer = make_gan(family)
    seen = []
    layer = trainer.discriminator.get_layer("conv")
    ask = layer.call
    monkeypatch.setattr(layer, "call", lambda inputs: (seen.append(inputs), ask(inputs))[1])
    painted = []
    paint = trainer.generator.call
    monkeypatch.setattr(
        trainer.generator, "call", lambda *args, **options: (painted.append(1), paint(*args, **options))[1]
    )
    trainer.train_step(batch)
    # Once about hr, once about sr, whoever needs the answers.
    assert len(seen) == 2
    assert len(painted) == 1
    seen.clear()
    trainer.balance = Balance(discriminator_steps=2)
    trainer.train_step(batch)
    assert len(seen) == 4
    seen.clear()
    # With noise its own update sees other pictures than the generator's loss did.
    trainer.balance = Balance(instance_noise=lambda step: tf.constant(0.01))
    trainer.train_step(batch)
    assert len(seen) == (3 if family == "BinaryCrossentropy" else 4)


@pytest.mark.parametrize("family", ["BinaryCrossentropy", "RelativisticAverage"])
def test_running_statistics_follow_each_picture_of_a_step_once(batch, family):
    from sr_gan_tf.discriminators.convolutional import ConvDiscriminator

    discriminator = ConvDiscriminator(filters=4)
    trainer = GAN(make_generator(), discriminator, ema_decay=0.9)
    adversarial = constant("adversarial", ADVERSARIAL_LOSSES[family](), 0.1)
    trainer.compile(SGD(0.0), SGD(0.1), content(), adversarial)
    twin = discriminator.copy()
    sr = trainer.generator(batch[0], training=True)
    with tf.GradientTape() as tape:
        fake, real = twin(sr, training=True), twin(batch[1], training=True)
        loss = 0.5 * sum(ADVERSARIAL_LOSSES[family]().discriminator_loss(real, fake))
    gradients = tape.gradient(loss, twin.trainable_variables)
    SGD(0.1).apply(gradients, twin.trainable_variables)
    trainer.train_step(batch)
    for variable, expected in zip(discriminator.variables, twin.variables, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-6)


def test_no_tracing_after_the_first_step(batch):
    trainer = make_gan(optimizer=ADAM)
    traced = []
    step = trainer.train_step
    trainer.train_step = lambda data: (traced.append(1), step(data))[1]
    trainer.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=4, epochs=1, shuffle=False, verbose=0)
    assert len(traced) == 1
