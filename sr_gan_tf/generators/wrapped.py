"""Wraps any Keras model as a generator: finds its scale, and checks it on pictures of two sizes."""

import re

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.layers.borders import CropLike, MirrorToMultiple
from sr_gan_tf.networks import Generator, UnfitModel, Wrapped, answer, check_copy, title_of, wrapped

# LR pictures on which a foreign generator is tested: odd and even sides, in both orders of height and width.
_PROBES = ((13, 22), (24, 17))


@keras.saving.register_keras_serializable("sr_gan_tf")
class WrappedGenerator(Wrapped, Generator):
    """Any Keras model (N, H, W, 3) to (N, scale*H, scale*W, 3) as a generator; `as_generator` creates and checks it.

    Args:
        model: functional, sequential or subclassed; pictures in [0, 1] on both sides. If it has an attribute
            `size_multiple`, pictures of other sizes are mirrored up to multiples of it, and the result is cropped.
        name: name of the wrapper; default: the model's.
    """

    def __init__(self, model: keras.Model, name: str | None = None):
        multiple = getattr(model, "size_multiple", 1)
        inputs = keras.Input((None, None, 3), name="lr")
        x = inputs if multiple == 1 else MirrorToMultiple(multiple, dtype="float32", name="mirror")(inputs)
        x = model(x)
        scale = _scale_of(model, multiple)
        # float32 regardless of the precision policy, as losses and files need it.
        x = keras.layers.Identity(dtype="float32", name="picture")(x)
        if multiple > 1:
            x = CropLike(scale, dtype="float32", name="crop")([x, inputs])
        super().__init__(inputs, x, name=name or model.name)
        self.model = model
        self.scale = scale


def as_generator(model: keras.Model, scale: int | None = None, **given) -> Generator:
    """Returns a user's Keras model as a generator, after testing it on pictures of two sizes.

    Args:
        model: (N, H, W, 3) to (N, s*H, s*W, 3) for any H and W (multiples of its `size_multiple`, where it has one).
        scale: the required scale; default: that of the model.
        **given: other values that an experiment passes to constructors; not used.

    Returns:
        The model itself if it is a `Generator`, otherwise a wrapper around it.

    Raises:
        UnfitModel: it is not such a model, or it cannot be copied.
    """
    generator = wrapped(model, Generator, WrappedGenerator)
    found = _scale_of(generator, generator.size_multiple)
    if generator.scale != found:
        raise UnfitModel(f"{generator.title} has the attribute scale {generator.scale}, but enlarges by {found}")
    if scale is not None and found != scale:
        raise UnfitModel(
            f"{generator.title} enlarges by {found}, but the experiment's scale is {scale}; give its constructor an "
            "argument `scale`, or change one of them"
        )
    check_copy(generator, _picture(generator, *_PROBES[0], generator.size_multiple))
    if isinstance(generator, WrappedGenerator):
        _check_graph(generator)
    return generator


def _check_graph(generator: Generator) -> None:
    """Validation and `upscale` compile a network once for pictures of any size, which some layers cannot take."""
    try:
        tf.function(lambda lr: generator(lr, training=False), autograph=False).get_concrete_function(
            tf.TensorSpec((None, None, None, 3), tf.float32)
        )
    except Exception as error:
        found = re.search(r"when calling (\w+)\.call", str(error))
        layer = f"its layer {found.group(1)}" if found else "it"
        raise UnfitModel(
            f"{generator.title} cannot be compiled for pictures of any size: {layer} does not work with heights and "
            "widths that are unknown; of Keras, UpSampling2D works with interpolation nearest, and "
            "sr_gan_tf.layers.bilinear.BilinearEnlargement replaces bilinear"
        ) from error


def _picture(model: keras.Model, height: int, width: int, multiple: int) -> np.ndarray:
    """A picture (1, H, W, 3) of noise, with sides rounded up to what the model accepts."""
    least = getattr(model, "minimum_size", 1)
    sides = [max(-(-side // multiple), -(-least // multiple)) * multiple for side in (height, width)]
    return np.random.default_rng(0).random((1, *sides, 3), np.float32)


def _scale_of(model: keras.Model, multiple: int) -> int:
    """Finds the enlargement by applying the model."""
    scales = set()
    for sides in _PROBES:
        picture = _picture(model, *sides, multiple)
        _, height, width, _ = picture.shape
        shape = answer(model, picture).shape
        scale = shape[1] // height if len(shape) == 4 else 0
        scales.add(scale)
        if not scale or len(scales) > 1 or shape != (1, scale * height, scale * width, 3):
            raise UnfitModel(
                f"{title_of(model)} turns {picture.shape} into {tuple(shape)}; expected (N, H, W, 3) to "
                "(N, scale*H, scale*W, 3) with one whole-numbered scale"
            )
    return scales.pop()
