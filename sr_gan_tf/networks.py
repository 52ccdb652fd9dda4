"""Network: the base class of generators and discriminators, a functional Keras graph in a subclass.

A subclass builds its graph in the constructor, passes it to `super().__init__(inputs, outputs)` and stores each
constructor argument under its own name. `get_config` reads them back according to the constructor's signature, so that
no field is written twice and a `.keras` file loads in safe mode.
"""

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.layers.unknown_shapes import known_channels
from sr_gan_tf.registry.imports import describe_fault
from sr_gan_tf.registry.parts import known_to_keras


@contextlib.contextmanager
def computing(policy) -> Iterator[None]:
    """Sets the precision policy of layers that are created inside, and restores the previous one.

    Args:
        policy: a name as in Keras, e.g. "mixed_bfloat16", or a policy object.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Network(keras.Model):
    """A Keras Model whose constructor arguments are its configuration.

    Every constructor argument must be stored as an attribute of the same name, be JSON-serializable, and have a plain
    type annotation. There is no `**kwargs`: a misspelled argument is an error.
    """

    # The configuration contains plain values only, from which nothing is built, whatever they look like.
    takes_plain_values = True
    # Height and width of the input must be multiples of the first number and at least the second; training checks the
    # crop before step 0, and every call checks the known sizes.
    size_multiple = 1
    minimum_size = 1
    # The only height and width that a network with dense layers over positions accepts.
    image_size: int | None = None

    def __call__(self, inputs, *args, **kwargs):
        inputs = known_channels(inputs, self.input_shape[-1]) if self.built else inputs
        shape = getattr(inputs, "shape", None)
        if shape is not None and len(shape) == 4:
            self.check_size(*shape[1:3])
        if shape is not None and self.built:
            self._check_pictures(shape, getattr(inputs, "dtype", None))
        return super().__call__(inputs, *args, **kwargs)

    def _check_pictures(self, shape, dtype) -> None:
        """Refuses gray pictures, single pictures and integers, which layers would report obscurely or miscompute."""
        channels = self.input_shape[-1]
        if len(shape) != 4 or shape[-1] not in (None, channels):
            remedy = "a single picture is picture[None]" if len(shape) == 3 else "repeat the channel of gray pictures"
            raise InputError(
                f"{self.title}: expected pictures (N, H, W, {channels}), found {tuple(shape)}; {remedy}, or enlarge "
                "any picture with sr_gan_tf.upscale.upscale"
            )
        if dtype is not None and not tf.as_dtype(dtype).is_floating:
            raise InputError(
                f"{self.title}: expected floats in [0, 1], found {tf.as_dtype(dtype).name}; divide 8-bit pictures by "
                "255, or enlarge them with sr_gan_tf.upscale.upscale"
            )

    def check_size(self, height: int | None, width: int | None) -> None:
        """Raises InputError, naming the nearest sizes, unless the network accepts pictures of this size."""
        if self.image_size is not None and any(side not in (None, self.image_size) for side in (height, width)):
            raise InputError(
                f"{type(self).__name__}: made for pictures of {self.image_size}x{self.image_size}, which "
                f"{height}x{width} is not; set its image_size to theirs, or cut them to {self.image_size}"
            )
        problems = []
        for side in (height, width):
            if side is not None and (side < self.minimum_size or side % self.size_multiple):
                lower = side // self.size_multiple * self.size_multiple
                nearest = [size for size in (lower, lower + self.size_multiple) if size >= self.minimum_size]
                problems.append(" or ".join(str(size) for size in nearest or [self.minimum_size]))
        if problems:
            limits = f"multiples of {self.size_multiple}, " if self.size_multiple > 1 else ""
            raise InputError(
                f"{type(self).__name__}: pictures of {height}x{width} do not fit; heights and widths must be "
                f"{limits}at least {self.minimum_size}; nearest: {', '.join(dict.fromkeys(problems))}"
            )

    def get_config(self) -> dict:
        names = inspect.signature(type(self).__init__).parameters
        return {name: as_json_value(getattr(self, name)) for name in names if name != "self"}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "Network":
        return cls(**config)

    @property
    def title(self) -> str:
        """The network's name in messages: its class."""
        return type(self).__name__

    def copy(self, name: str | None = None) -> "Network":
        """Returns a second network with the same configuration and weights, and optionally another name."""
        with computing(self.dtype_policy):
            twin = type(self).from_config({**self.get_config(), **({"name": name} if name else {})})
        twin.set_weights(self.get_weights())
        return twin


class Generator(Network):
    """(N, H, W, 3) to (N, scale*H, scale*W, 3), both float32 in [0, 1] for any internal range.

    The output is not clipped: losses see values beyond the range, and writing a picture clips them.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.generators import GENERATORS
        >>> generator = GENERATORS["Compact"](scale=2, filters=8, num_convs=2)
        >>> generator(tf.zeros((1, 16, 24, 3))).shape
        TensorShape([1, 32, 48, 3])
    """

    scale: int
    # Arguments of the published network that differ from the defaults; the defaults train well from scratch.
    PUBLISHED: ClassVar[dict] = {}

    @classmethod
    def published(cls, **arguments) -> "Generator":
        """Builds the published network, e.g. to compare with a paper; trained from scratch, it may need far more steps.

        Args:
            **arguments: of the constructor; they take precedence over `PUBLISHED`.
        """
        return cls(**{**cls.PUBLISHED, **arguments})

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "Generator":
        # A file from before the defaults changed lacks the arguments that did not exist then.
        return cls.published(**config)

    def for_inference(self) -> "Generator":
        """Returns the network for inference: itself, unless training uses a larger equivalent graph."""
        return self


class Discriminator(Network):
    """(N, H, W, 3) in [0, 1] to logits of any shape (N, ...): one per picture, a grid of patches, or a full map.

    A conditional discriminator takes 6 channels: the picture, and the LR picture enlarged to its size.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.discriminators import DISCRIMINATORS
        >>> discriminator = DISCRIMINATORS["TinyDiscriminator"](filters=8)
        >>> discriminator(tf.zeros((2, 32, 32, 3))).shape[0]
        2
    """

    conditional = False

    @property
    def feature_layers(self) -> list[str]:
        """Names of the layers whose outputs feature matching compares, shallow to deep."""
        raise NotImplementedError

    def feature_model(self) -> keras.Model:
        """Maps a picture to [features of each of `feature_layers`, ..., logits]; shares this network's weights."""
        features = [self.get_layer(name).output for name in self.feature_layers]
        return keras.Model(self.inputs[0], [*features, self.outputs[0]], name=f"{self.name}_features")


# Attributes with which a foreign model may describe itself.
_ATTACHED = ("size_multiple", "minimum_size", "conditional", "feature_layers")


class Wrapped:
    """Base of the wrappers of foreign Keras models: the model is part of the configuration."""

    # The configuration contains that of another model, which is built as well.
    wraps = True
    takes_plain_values = False
    model: keras.Model
    name: str

    @property
    def title(self) -> str:
        return title_of(self.model)

    def get_config(self) -> dict:
        model = keras.saving.serialize_keras_object(self.model)
        model.pop("compile_config", None)
        # A functional model's own configuration doesn't contain attributes that were set on it.
        attached = {key: as_json_value(vars(self.model)[key]) for key in _ATTACHED if key in vars(self.model)}
        return {"model": model, "attached": attached, "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects, safe_mode=True)
        for key in _ATTACHED:
            if key in config["attached"]:
                setattr(model, key, config["attached"][key])
        return cls(model, config["name"])  # type: ignore[call-arg]


class UnfitModel(ValueError):
    """A user's Keras model cannot serve as the intended network."""


def title_of(model: keras.Model) -> str:
    """Returns a model's name in messages: its class, or its own name if it is functional."""
    if isinstance(model, Network):
        return model.title
    return model.name if type(model).__module__.startswith("keras.") else type(model).__name__


def wrapped(model, kind: type[Network], wrapper: type) -> Network:
    """Returns the model itself if it is a network of that kind, otherwise wrapped; raises UnfitModel if that fails."""
    if isinstance(model, type) and issubclass(model, keras.Model):
        raise UnfitModel(f"expected a keras.Model, found the class {model.__name__}; call it: {model.__name__}(...)")
    if not isinstance(model, keras.Model):
        raise UnfitModel(f"expected a keras.Model, found {type(model).__name__}")
    if isinstance(model, kind):
        return model
    inputs = getattr(model, "inputs", None) or [None]
    if len(inputs) > 1:
        raise UnfitModel(f"{title_of(model)} takes {len(inputs)} inputs, expected one: pictures (N, H, W, 3)")
    channels = 6 if getattr(model, "conditional", False) else 3
    if inputs[0] is not None and inputs[0].shape[-1] not in (channels, None):
        raise UnfitModel(f"{title_of(model)} takes {tuple(inputs[0].shape)}, expected pictures (N, H, W, {channels})")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Lambda):
            raise UnfitModel(
                f"{title_of(model)} has the Lambda layer {layer.name!r}, whose code no model file can hold safely; "
                "write it as a keras.layers.Layer"
            )
        if not type(layer).__module__.startswith(("keras.", "sr_gan_tf.")):
            known_to_keras(type(layer))  # the average and every file rebuild classes by name
    try:
        return wrapper(model)
    except (InputError, UnfitModel):
        raise
    except Exception as error:
        raise UnfitModel(
            f"{type(model).__name__} cannot be built for pictures of any height and width, as on "
            f"keras.Input((None, None, 3)): {describe_fault(error)}"
        ) from error


def answer(network: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """Applies a network to pictures (N, H, W, C); raises UnfitModel if it fails."""
    try:
        outputs = network(pictures, training=False)
        if isinstance(outputs, (dict, list, tuple)):
            found = f"{type(outputs).__name__} of {len(outputs)}"
            raise UnfitModel(f"{title_of(network)} gives a {found}, expected one tensor")
        return np.asarray(outputs)
    except UnfitModel:
        raise
    except Exception as error:
        size = "x".join(map(str, pictures.shape[1:3]))
        raise UnfitModel(
            f"{title_of(network)} cannot take pictures of {size}: {describe_fault(error)}; write it for any height and "
            "width, or give it an attribute size_multiple"
        ) from error


def check_copy(network: Network, pictures: np.ndarray) -> None:
    """Checks that a copy made from the configuration, as for the average and every file, is the same network."""
    if not np.isfinite(answer(network, pictures)).all():
        raise UnfitModel(f"{network.title} gives values that are not finite for a picture of noise; repair it")
    try:
        same = np.allclose(answer(network.copy(), pictures), answer(network, pictures), rtol=1e-3, atol=1e-4)
    except Exception as error:
        first: BaseException = error
        while first.__context__ is not None:  # Keras wraps it several times
            first = first.__context__
        raise UnfitModel(
            f"{network.title} cannot be copied from its get_config(): {describe_fault(first)}; get_config must return "
            "every constructor argument, the constructor hand **kwargs on to Keras, and all that it is made of be "
            "registered (@sr_gan_tf.register)"
        ) from error
    if not same:
        raise UnfitModel(
            f"a copy of {network.title} made from its get_config() gives other outputs; return every constructor "
            "argument from get_config()"
        )


def enter_range(image, value_range: Sequence[float]):
    """Maps [0, 1] to the network's own range, e.g. (-1, 1)."""
    low, high = value_range
    if (low, high) == (0, 1):
        return image
    return keras.layers.Rescaling(high - low, offset=low, dtype="float32", name="enter_range")(image)


def leave_range(image, value_range: Sequence[float]):
    """Maps the network's own range to [0, 1], in float32 under any precision policy."""
    low, high = value_range
    return keras.layers.Rescaling(1 / (high - low), offset=-low / (high - low), dtype="float32", name="leave_range")(
        image
    )


def as_json_value(value):
    """Converts the lists and dicts that Keras wraps to track them to plain ones for a configuration."""
    if isinstance(value, Mapping):
        return {key: as_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json_value(item) for item in value]
    return value
