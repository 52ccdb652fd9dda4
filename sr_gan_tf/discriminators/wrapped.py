"""Wraps any Keras model as a discriminator, and tests it on two pictures."""

import keras
import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.networks import Discriminator, Generator, UnfitModel, Wrapped, answer, check_copy, wrapped


@keras.saving.register_keras_serializable("sr_gan_tf")
class WrappedDiscriminator(Wrapped, Discriminator):
    """Any Keras model from pictures (N, H, W, 3) in [0, 1] to logits (N, ...) as a discriminator.

    Args:
        model: functional, sequential or subclassed. Its attributes `size_multiple`, `minimum_size`, `conditional` and
            `feature_layers` (names of layers, shallow to deep) are used if it has them.
        name: name of the wrapper; default: the model's.
    """

    def __init__(self, model: keras.Model, name: str | None = None):
        conditional = bool(getattr(model, "conditional", False))
        shape = (None, None, 6 if conditional else 3)
        if getattr(model, "inputs", None):
            shape = tuple(model.inputs[0].shape[1:])
        inputs = keras.Input(shape, name="picture")
        outputs = keras.layers.Identity(dtype="float32", name="logits")(model(inputs))
        super().__init__(inputs, outputs, name=name or model.name)
        self.model = model
        self.conditional = conditional
        self.size_multiple = getattr(model, "size_multiple", 1)
        self.minimum_size = getattr(model, "minimum_size", 1)

    @property
    def feature_layers(self) -> list[str]:
        names = getattr(self.model, "feature_layers", None)
        if not names or not getattr(self.model, "inputs", None):
            raise InputError(
                f"{self.title} has no layers for feature losses; make it a functional model with an attribute "
                "feature_layers (names of layers, shallow to deep), or remove `features`"
            )
        return list(names)

    def feature_model(self) -> keras.Model:
        features = [self.model.get_layer(name).output for name in self.feature_layers]
        return keras.Model(self.model.inputs[0], [*features, self.model.outputs[0]], name=f"{self.name}_features")


def as_discriminator(model: keras.Model, image_size: int | None = None, **given) -> Discriminator:
    """Returns a user's Keras model as a discriminator, after testing it on two pictures.

    Args:
        model: pictures (N, H, W, 3) in [0, 1] to logits (N, ...).
        image_size: side of the pictures; default: the size for which the model was built, or 64.
        **given: other values that an experiment passes to constructors; not used.

    Raises:
        UnfitModel: it is not a model from pictures to logits, or it cannot be copied.
    """
    discriminator = wrapped(model, Discriminator, WrappedDiscriminator)
    if isinstance(model, Generator):
        raise UnfitModel(f"{model.title} is a generator, expected a discriminator")
    channels = 6 if discriminator.conditional else 3
    image_size = image_size or discriminator.input_shape[1] or 64
    pictures = np.random.default_rng(0).random((2, image_size, image_size, channels), np.float32)
    shape = answer(discriminator, pictures).shape
    if not shape or shape[0] != 2:
        raise UnfitModel(
            f"{discriminator.title} returns an output of shape {tuple(shape)} for two pictures; "
            "expected logits (2, ...)"
        )
    check_copy(discriminator, pictures)
    return discriminator
