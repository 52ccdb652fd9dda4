"""SmallResidual: a residual generator whose only enlargement is a parameter-free resize, for small x2 runs.

Eight blocks of convolution, batch normalization, activation and convolution; 596,419 parameters with 64 filters, of
which 595,395 are trained. The output is linear unless `bounded`.
"""

from typing import ClassVar, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.generators.ranges import add_to_enlarged, has_bicubic_skip, leave_network
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.bilinear import BilinearEnlargement
from sr_gan_tf.networks import Generator, enter_range

_ACTIVATIONS = ("relu", "leaky_relu", "silu", "tanh")


@keras.saving.register_keras_serializable("sr_gan_tf")
class SmallResidual(Generator):
    """Small residual generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement, 1 or more.
        filters: channels of the body.
        num_blocks: residual blocks.
        activation: `"relu"`, `"leaky_relu"` (slope 0.2), `"silu"` or `"tanh"`.
        normalization: `"batch"` or `"none"`.
        upsampling: `"nearest"` or `"bilinear"`.
        bounded: whether a tanh keeps the output within [0, 1].
        value_range: range of the network's input and output, e.g. [-1, 1].
        bicubic_skip: add the LR picture enlarged by bicubic interpolation; the last convolution starts at zero, so
            that a fresh network is bicubic. Default: unless `bounded`. Without it: `SmallResidual.published()`.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"bicubic_skip": False}

    def __init__(
        self,
        scale: int = 2,
        filters: int = 64,
        num_blocks: int = 8,
        activation: Literal["relu", "leaky_relu", "silu", "tanh"] = "relu",
        normalization: Literal["batch", "none"] = "batch",
        upsampling: Literal["nearest", "bilinear"] = "nearest",
        bounded: bool = False,
        value_range: tuple[float, float] = (0.0, 1.0),
        bicubic_skip: bool | None = None,
        name: str | None = "small_residual",
    ):
        at_least(1, scale=scale, filters=filters)
        at_least(0, num_blocks=num_blocks)
        one_of("activation", activation, _ACTIVATIONS)
        one_of("normalization", normalization, ("batch", "none"))
        one_of("upsampling", upsampling, ("nearest", "bilinear"))
        increasing(value_range=value_range)
        bicubic_skip = has_bicubic_skip(bicubic_skip, bounded=bounded)

        inputs = keras.Input((None, None, 3), name="lr")
        x = enter_range(inputs, value_range)
        x = layers.Conv2D(filters, 3, padding="same", name="first_conv")(x)
        for index in range(1, num_blocks + 1):
            skip = x
            x = layers.Conv2D(filters, 3, padding="same", name=f"block{index}_first_conv")(x)
            if normalization == "batch":
                x = FusedBatchNormalization(name=f"block{index}_norm")(x)
            x = _activation(activation, f"block{index}_activation")(x)
            x = layers.Conv2D(filters, 3, padding="same", name=f"block{index}_second_conv")(x)
            x = layers.Add(name=f"block{index}")([skip, x])  # (N, H, W, filters)
        if scale > 1:
            enlargement = layers.UpSampling2D if upsampling == "nearest" else BilinearEnlargement
            x = enlargement(scale, name="upsampling")(x)
        start = "zeros" if bicubic_skip else "glorot_uniform"
        x = layers.Conv2D(3, 3, padding="same", kernel_initializer=start, dtype="float32", name="last_conv")(x)
        # (N, scale*H, scale*W, 3)
        x = add_to_enlarged(x, inputs, scale, value_range) if bicubic_skip else leave_network(x, bounded, value_range)
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_blocks = num_blocks
        self.activation = activation
        self.normalization = normalization
        self.upsampling = upsampling
        self.bounded = bounded
        self.value_range = value_range
        self.bicubic_skip = bicubic_skip


def _activation(kind: str, name: str) -> keras.layers.Layer:
    # Keras's default slope is 0.3; the sources use 0.2.
    return layers.LeakyReLU(0.2, name=name) if kind == "leaky_relu" else layers.Activation(kind, name=name)
