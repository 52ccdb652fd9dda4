"""Compact, the plain stack of convolutions of Real-ESRGAN's small models (SRVGGNetCompact).

Wang et al. 2021, arXiv:2107.10833. All layers work at the size of the LR picture; the network's output is added to a
nearest-neighbor enlargement. The sum is computed in float32 under every precision policy.
"""

from typing import ClassVar, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, one_of
from sr_gan_tf.generators.ranges import add_to_enlarged
from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle
from sr_gan_tf.layers.prelu import ChannelPReLU
from sr_gan_tf.networks import Generator


@keras.saving.register_keras_serializable("sr_gan_tf")
class Compact(Generator):
    """Stack of convolutions: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement, 1 or more.
        filters: channels of the body.
        num_convs: convolutions between the first and the last one; published with 16 and 32.
        activation: `"prelu"` (one slope per channel), `"relu"` or `"leaky_relu"` (slope 0.1).
        bicubic_skip: add to a bicubic enlargement instead of the published nearest-neighbor one, which takes hundreds
            of steps to catch up: `Compact.published()`.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"bicubic_skip": False}

    def __init__(
        self,
        scale: int = 4,
        filters: int = 64,
        num_convs: int = 16,
        activation: Literal["prelu", "relu", "leaky_relu"] = "prelu",
        bicubic_skip: bool = True,
        name: str | None = "compact",
    ):
        at_least(1, scale=scale, filters=filters)
        at_least(0, num_convs=num_convs)
        one_of("activation", activation, ("prelu", "relu", "leaky_relu"))
        inputs = keras.Input((None, None, 3), name="lr")
        x = inputs
        for index in range(num_convs + 1):
            x = layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", name=f"conv{index}")(x)
            x = _activation(activation, f"activation{index}")(x)  # (N, H, W, filters)
        # Small at first: if the initialization is far from the skip, the body shrinks until it can no longer learn.
        start = keras.initializers.VarianceScaling(0.005)
        x = layers.Conv2D(3 * scale**2, 3, padding="same", kernel_initializer=ICNR(scale, start), name="last_conv")(x)
        if scale > 1:
            x = PixelShuffle(scale, dtype="float32", name="shuffle")(x)  # (N, scale*H, scale*W, 3)
        super().__init__(
            inputs, add_to_enlarged(x, inputs, scale, method="bicubic" if bicubic_skip else "nearest"), name=name
        )
        self.scale = scale
        self.filters = filters
        self.num_convs = num_convs
        self.activation = activation
        self.bicubic_skip = bicubic_skip


def _activation(kind: str, name: str) -> keras.layers.Layer:
    if kind == "prelu":
        return ChannelPReLU(name=name)
    return layers.LeakyReLU(0.1 if kind == "leaky_relu" else 0.0, name=name)
