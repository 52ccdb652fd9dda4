"""Converts a generator's last values to a picture in [0, 1]."""

from collections.abc import Sequence

from keras import layers

from sr_gan_tf.layers.bicubic import BicubicEnlargement
from sr_gan_tf.networks import leave_range


def leave_network(x, bounded: bool, value_range: Sequence[float]):
    """Converts the last convolution's values to float32 in [0, 1]; `bounded` first applies a tanh."""
    if bounded:
        x = layers.Activation("tanh", dtype="float32", name="bound")(x)
        value_range = (-1.0, 1.0)
    return leave_range(x, value_range)


def add_to_enlarged(x, inputs, scale: int, value_range: Sequence[float] = (0.0, 1.0), method: str = "bicubic"):
    """Adds the last convolution's values, divided by the width of their range, to the enlarged LR picture.

    Args:
        x: (N, scale*H, scale*W, 3), a difference of pictures in `value_range`.
        inputs: the LR picture, (N, H, W, 3) in [0, 1].
        scale: enlargement.
        value_range: range of the network's pictures.
        method: `"bicubic"` or `"nearest"`.
    """
    low, high = value_range
    if (low, high) != (0.0, 1.0):
        x = layers.Rescaling(1 / (high - low), dtype="float32", name="difference")(x)
    enlargement = BicubicEnlargement if method == "bicubic" else layers.UpSampling2D
    enlarged = enlargement(scale, dtype="float32", name=method)(inputs)
    return layers.Add(dtype="float32", name="picture")([enlarged, x])


def has_bicubic_skip(wanted: bool | None, **other_outputs: bool) -> bool:
    """Whether a network adds to a bicubic picture; by default it does unless its output is of another kind.

    Args:
        wanted: the constructor's `bicubic_skip`.
        **other_outputs: arguments that exclude it, e.g. `bounded`.

    Raises:
        ValueError: two kinds of output were requested.
    """
    others = [name for name, value in other_outputs.items() if value]
    if wanted and others:
        raise ValueError(f"bicubic_skip: {others[0]} already adds the picture; set one of them to false")
    return not others if wanted is None else wanted
