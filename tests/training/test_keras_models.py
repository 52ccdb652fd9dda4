"""Any Keras model in both trainers: wrapped, or refused with the reason; rows of the table in docs/keras.md."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras_trainers import dataset, make, pictures

from sr_gan_tf.discriminators.patchgan import PatchGAN
from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.generators.wrapped import WrappedGenerator, as_generator
from sr_gan_tf.models import load
from sr_gan_tf.training.gan import GAN
from sr_gan_tf.training.supervised import Supervised


class Attention(layers.Layer):
    """Self-attention over all places of a picture; not registered with Keras."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.attention = layers.MultiHeadAttention(1, width)

    def build(self, shape):
        self.attention.build((None, None, shape[-1]), (None, None, shape[-1]))

    def call(self, x):
        n, height, width, _ = ops.shape(x)
        y = ops.reshape(x, (n, height * width, x.shape[-1]))
        return x + ops.reshape(self.attention(y, y), (n, height, width, x.shape[-1]))

    def get_config(self):
        return super().get_config() | {"width": self.width}


class Subclassed(keras.Model):
    """Without get_config, and not registered."""

    def __init__(self, filters: int = 12, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, 3, padding="same")

    def call(self, lr):
        return tf.nn.depth_to_space(self.conv(lr), 2)


class WithoutKeywords(Subclassed):
    """Keras gives name and data type back to the constructor, which doesn't take them."""

    def __init__(self, filters: int = 12):
        super().__init__(filters)


def functional(make_outputs, shape=(None, None, 3)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, make_outputs(inputs), name="mine")


def enlarged(x, scale: int = 2):
    return layers.Conv2DTranspose(3, 2 * scale, strides=scale, padding="same")(x)


def judge(name: str = "judge"):
    picture = keras.Input((None, None, 3))
    x = layers.LeakyReLU(0.2)(layers.Conv2D(4, 3, strides=2)(picture))
    return keras.Model(picture, layers.GlobalAveragePooling2D()(layers.Conv2D(1, 1)(x)), name=name)


def small_x3(x):
    return enlarged(layers.GroupNormalization(2)(layers.Conv2D(4, 3, padding="same")(x)), 3)


def sequential():
    return keras.Sequential([layers.Conv2D(4, 3, padding="same"), layers.UpSampling2D(2), layers.Conv2D(3, 1)])


def of_two_inputs():
    one, two = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    return keras.Model([one, two], enlarged(one + two), name="mine")


@pytest.mark.parametrize(
    ("model", "scale"),
    [
        (lambda: functional(small_x3), 3),
        (lambda: functional(lambda x: enlarged(Attention(4)(x))), 2),
        (sequential, 2),
        (Subclassed, 2),
    ],
    ids=["x3", "attention", "sequential", "subclass"],
)
def test_networks_of_ones_own(model, scale, tmp_path):
    """Trained, validated, saved, loaded: nothing but Keras is needed to write them."""
    trainer = GAN(model(), judge())
    assert trainer.generator.scale == scale
    trainer.compile("adam", "mae", run_eagerly=True)
    lr = pictures(2)[0]
    hr = lr.repeat(scale, 1).repeat(scale, 2)
    history = trainer.fit(lr, hr, validation_data=(lr, hr), verbose=0).history
    assert np.isfinite(history["val_loss"]).all()
    trainer.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_allclose(again.predict(lr, verbose=0), trainer.predict(lr, verbose=0), atol=1e-5)


def test_supervised_takes_a_keras_model_and_exports_its_average(tmp_path):
    trainer = Supervised(functional(enlarged))
    trainer.compile("adam", "mae", run_eagerly=True)
    trainer.fit(dataset(2), verbose=0)
    assert isinstance(trainer.average, WrappedGenerator)
    trainer.save(tmp_path / "supervised.keras")
    assert load(tmp_path / "supervised.keras").scale == 2
    trainer.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    lr = pictures(2)[0]
    np.testing.assert_allclose(served.serve(lr), trainer.predict(lr, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: functional(layers.UpSampling2D(2), (None, None, 1)), "takes (None, None, None, 1), expected pictures"),
        (lambda: functional(lambda x: layers.UpSampling2D(2)(layers.Conv2D(1, 1)(x))), "into (1, 26, 44, 1); expected"),
        (lambda: functional(lambda x: layers.Resizing(48, 48)(x)), "into (1, 48, 48, 3); expected"),
        (lambda: functional(lambda x: [enlarged(x), x]), "gives a list of 2, expected one tensor"),
        (lambda: functional(lambda x: {"sr": enlarged(x)}), "gives a dict of 1, expected one tensor"),
        (of_two_inputs, "mine takes 2 inputs, expected one"),
        (WithoutKeywords, "__init__() got an unexpected keyword argument"),
        (lambda: functional(lambda x: enlarged(layers.Lambda(lambda y: 2 * y)(x))), "has the Lambda layer"),
        (lambda: functional(lambda x: enlarged(x) * float("nan")), "values that are not finite"),
        (
            lambda: functional(layers.UpSampling2D(2, interpolation="bilinear")),
            "mine cannot be compiled for pictures of any size: its layer UpSampling2D does not work",
        ),
        (lambda: functional(enlarged, (32, 32, 3)), "mine cannot take pictures of 13x22"),
        (lambda: "SPAN", "expected a keras.Model, found str"),
        (lambda: SPAN, "found the class SPAN; call it: SPAN(...)"),
        (lambda: TinyDiscriminator(filters=4), "expected (N, H, W, 3) to (N, scale*H, scale*W, 3)"),
    ],
)  # fmt: skip
def test_models_that_are_no_generator(model, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Supervised(model())


def test_models_that_are_no_discriminator():
    generator = make("Supervised").generator
    for model, message in (
        (generator, "Compact is a generator, expected a discriminator"),
        (PatchGAN, "found the class PatchGAN"),
        (functional(lambda x: ops.mean(x)), "expected logits"),
    ):
        with pytest.raises(ValueError, match=message):
            GAN(generator, model)
    assert as_generator(generator) is generator
