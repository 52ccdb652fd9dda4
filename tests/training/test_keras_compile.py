"""What `compile` takes, and how the steps are run: rows of the table in docs/keras.md."""

import functools
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_trainers import dataset, make, pictures, same, weights

from sr_gan_tf.discriminators.convolutional import ConvDiscriminator
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.losses.base import AdversarialLoss, ImageLoss
from sr_gan_tf.losses.wrapped import KerasContent
from sr_gan_tf.training.compiling import KerasLoss
from sr_gan_tf.training.gan import Balance
from sr_gan_tf.training.terms import constant

callbacks = keras.callbacks


@pytest.mark.parametrize("kind", ["Supervised", pytest.param("GAN", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("loss", "names"),
    [
        ("mae", ["mean_absolute_error"]),
        ("Charbonnier", ["Charbonnier"]),
        (keras.losses.MeanSquaredError(), ["mean_squared_error"]),
        (keras.losses.mean_squared_error, ["mean_squared_error"]),
        (CONTENT_LOSSES["MeanAbsoluteError"](), ["MeanAbsoluteError"]),
        ([("mae", 0.5), (CONTENT_LOSSES["SSIM"](), 0.1)], ["mean_absolute_error", "SSIM"]),
        (("mae", keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)), ["mean_absolute_error"]),
        ([constant("pixels", CONTENT_LOSSES["MeanAbsoluteError"](), 2.0)], ["pixels"]),
        (["mae", "mae"], ["mean_absolute_error", "mean_absolute_error_2"]),
    ],
)
def test_loss(kind, loss, names):
    check_loss(kind, loss, names)


def test_losses_beside_the_adversarial_one():
    """Both trainers read `loss` by the same function; what the adversarial term adds is the same for every loss."""
    check_loss("GAN", ["mae", (CONTENT_LOSSES["SSIM"](), 0.1)], ["mean_absolute_error", "SSIM"])


def check_loss(kind, loss, names):
    trainer = make(kind)
    trainer.compile("adam", loss, run_eagerly=True)
    assert [term.name for term in trainer.content] == names
    logs = trainer.train_on_batch(*pictures(2), return_dict=True)
    for name in names:
        assert {name, f"{name}.weighted"} <= logs.keys()
    expected = sum(logs[f"{name}.weighted"] for name in names) + logs.get("BinaryCrossentropy.weighted", 0.0)
    assert logs["loss"] == logs["generator_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_is_the_mean_over_pictures_and_pixels():
    trainer, (lr, hr) = make("Supervised"), pictures(2)
    trainer.compile("sgd", loss="mse")
    expected = np.mean(np.square(trainer.predict(lr, verbose=0) - hr))
    assert trainer.test_on_batch(lr, hr, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum", None])
@pytest.mark.parametrize("wrapper", [KerasLoss, KerasContent])
def test_a_keras_loss_is_the_same_on_several_replicas(wrapper, reduction, monkeypatch):
    """The mean over two replicas, each with half of the batch, is the value of one with the whole batch."""
    hr = pictures(4)[1]
    sr = np.zeros_like(hr)
    loss = wrapper(keras.losses.MeanSquaredError(reduction=reduction))
    whole = float(loss(hr, sr))
    two = types.SimpleNamespace(num_replicas_in_sync=2)
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: two)
    halves = [float(loss(hr[part], sr[part])) for part in (slice(0, 2), slice(2, 4))]
    assert sum(halves) / 2 == pytest.approx(whole, rel=1e-5)


def test_our_own_arguments_stay():
    trainer = make("GAN", ConvDiscriminator(filters=4))
    trainer.compile(
        keras.optimizers.Adam(1e-3), "sgd", [constant("mae", CONTENT_LOSSES["MeanAbsoluteError"]())],
        constant("adversarial", ADVERSARIAL_LOSSES["Hinge"](), 0.1),
        [constant("matching", FEATURE_LOSSES["FeatureMatching"]())], [constant("r1", PENALTIES["R1"]())],
        Balance(replay_buffer=4), (2, 16, 16, 3), False, run_eagerly=True,
    )  # fmt: skip
    logs = trainer.fit(dataset(), verbose=0).history
    assert {"mae", "adversarial", "matching", "r1", "discriminator_loss"} <= logs.keys()
    assert isinstance(trainer.discriminator_optimizer, keras.optimizers.SGD)


@pytest.mark.parametrize("adversarial", ["Hinge", ADVERSARIAL_LOSSES["Hinge"](), ("Hinge", 1e-3)])
def test_adversarial(adversarial):
    trainer = make("GAN")
    trainer.compile("adam", "adam", "mae", adversarial, run_eagerly=True)
    logs = trainer.train_on_batch(*pictures(2), return_dict=True)
    assert logs["Hinge.weighted"] == pytest.approx(1e-3 * logs["Hinge"], rel=1e-4)


@pytest.mark.parametrize("name", ["sgd", None])
def test_the_second_optimizer_by_its_name(name):
    trainer = make("GAN")
    trainer.compile("adam", "mae", discriminator_optimizer=name, adversarial="Hinge")
    assert isinstance(trainer.discriminator_optimizer, keras.optimizers.SGD if name else keras.optimizers.Adam)
    assert [term.name for term in trainer.content] == ["mean_absolute_error"]
    for call in (
        lambda: trainer.compile("adam", "mae", discriminator_optimizer="sgd", loss="mse"),
        lambda: trainer.compile("adam", "mae", discriminator_optimizer="sgd", content="mse"),
        lambda: trainer.compile("adam", "sgd", "mae", discriminator_optimizer="sgd"),
    ):
        with pytest.raises((ValueError, TypeError), match=r"content|multiple values"):
            call()


def test_the_second_optimizer_is_like_the_first():
    trainer = make("GAN")
    trainer.compile(keras.optimizers.Adam(3e-3, beta_1=0.5), "mae")
    second = trainer.discriminator_optimizer
    assert second is not trainer.generator_optimizer
    assert float(second.learning_rate) == pytest.approx(3e-3)
    assert second.beta_1 == 0.5


@functools.cache
def uncompiled(kind: str):
    """A trainer for all that is refused."""
    return make(kind)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("Supervised", {"optimizer": "adam"}, "no loss; pass one"),
        ("GAN", {"optimizer": "adam"}, "no loss; pass one"),
        ("GAN", {"loss": "mae"}, "not an optimizer"),
        ("Supervised", {"optimizer": "adam", "loss": "Charbonier"}, "did you mean 'Charbonnier'"),
        ("GAN", {"optimizer": "adam", "loss": "mae", "adversarial": "Hinges"}, "did you mean 'Hinge'"),
        ("GAN", {"optimizer": "adam", "loss": "mae", "adversarial": 3}, "expected one of"),
        ("GAN", {"optimizer": "adam", "loss": 3}, "expected a loss"),
        ("Supervised", {"optimizer": keras.optimizers.Adam(use_ema=True), "loss": "mae"}, "use_ema has no effect"),
        ("Supervised", {"optimizer": keras.optimizers.Adam(loss_scale_factor=8.0), "loss": "mae"}, "are not scaled"),
        (
            "Supervised",
            {"optimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "loss": "mae"},
            "losses are not scaled",
        ),
        ("Supervised", {"optimizer": "adam", "generator_optimizer": "adam", "loss": "mae"}, "the same argument"),
        ("Supervised", {"optimizer": "adam", "loss": "mae", "metrics": {"a": "mae"}}, "expected a list"),
        ("Supervised", {"optimizer": "adam", "loss": "mae", "metrics": ["psnr"]}, "metrics: no 'psnr'; did you mean"),
        ("GAN", {"optimizer": "adam", "loss": {"a": "mae"}}, "expected one loss or a list"),
        ("GAN", {"optimizer": "adamm", "loss": "mae"}, "did you mean"),
    ],
)
def test_refused_by_compile(kind, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        uncompiled(kind).compile(**arguments)


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="loss_weights"):
        make("GAN").compile("adam", "mae", loss_weights=[1.0])


def test_mixed_float16_is_refused():
    keras.config.set_dtype_policy("mixed_float16")
    trainer = make("GAN")
    with pytest.raises(ValueError, match="mixed_bfloat16"):
        trainer.compile("adam", "mae")


def test_steps_per_execution():
    """The same steps, with fewer calls of the callbacks; the last call may be short of steps."""
    results = []
    for together in (1, 2, 3):
        trainer, calls = make("GAN"), []
        trainer.compile("adam", "mae", steps_per_execution=together, run_eagerly=True)
        count = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs, calls=calls: calls.append(batch))
        history = trainer.fit(dataset(6), verbose=0, callbacks=[count]).history
        assert len(calls) == -(-3 // together)
        results.append((weights(trainer), history["loss"]))
    for others, loss in results[1:]:
        assert same(others, results[0][0])
        assert loss == pytest.approx(results[0][1])


def test_steps_that_steps_per_execution_does_not_divide():
    trainer = make("GAN")
    trainer.compile("adam", "mae", steps_per_execution=2)
    with pytest.raises(ValueError, match="not a multiple of steps_per_execution=2"):
        trainer.fit(dataset().repeat(), steps_per_epoch=3, verbose=0)


def test_compiled_and_eager_steps_agree():
    histories = []
    for mode in ({}, {"jit_compile": True}, {"run_eagerly": True}):
        trainer = make("GAN")
        trainer.compile(keras.optimizers.SGD(0.1), "mae", **mode)
        assert trainer.jit_compile == mode.get("jit_compile", False)
        histories.append(trainer.fit(dataset(), validation_data=dataset(2), verbose=0).history)
    for other in histories[1:]:
        assert other["loss"] == pytest.approx(histories[0]["loss"], rel=1e-4)
        assert other["val_loss"] == pytest.approx(histories[0]["val_loss"], rel=1e-4)


class _Difference(ImageLoss):
    """The absolute difference, as a mean over the given axes."""

    def __init__(self, axes: tuple[int, ...] | None = None):
        self.axes = axes

    def compute(self, hr, sr, lr):
        value = tf.abs(hr - sr)
        return tf.reduce_mean(value, axis=self.axes) if self.axes != () else value


class _Logits(AdversarialLoss):
    """The original GAN loss, not averaged."""

    def generator_loss(self, fake_logits, real_logits=None):
        return tf.math.softplus(-fake_logits)

    def discriminator_loss(self, real_logits, fake_logits):
        return tf.math.softplus(-real_logits), tf.math.softplus(fake_logits)


def test_a_loss_of_ones_own_may_return_a_value_for_each_picture_or_pixel():
    logs = []
    for axes, adversarial in ((None, "BinaryCrossentropy"), ((1, 2, 3), _Logits()), ((), _Logits())):
        trainer = make("GAN")
        trainer.compile("adam", "sgd", _Difference(axes), adversarial=(adversarial, 0.1), run_eagerly=True)
        logs.append(trainer.train_on_batch(*pictures(2), return_dict=True))
    for name in ("loss", "discriminator_loss", "generator_gradient_norm", "discriminator_gradient_norm"):
        assert [each[name] for each in logs] == pytest.approx([logs[0][name]] * 3, rel=1e-4), name


def test_a_loss_that_returns_nothing_is_named():
    class Forgetful(ImageLoss):
        def compute(self, hr, sr, lr):
            tf.reduce_mean(tf.abs(hr - sr))

    trainer = make("Supervised")
    trainer.compile("adam", Forgetful(), run_eagerly=True)
    with pytest.raises(ValueError, match="the loss Forgetful returned nothing"):
        trainer.train_on_batch(*pictures(2))
