"""UNet, pix2pix's encoder-decoder with skips (Isola et al. 2017, arXiv:1611.07004), extended to super-resolution.

With `scale=1` it is the published generator (54,413,955 parameters with eight halvings): 4x4 convolutions of stride 2,
LeakyReLU 0.2 in the encoder, ReLU in the decoder, tanh at the end, kernels from N(0, 0.02). Each doubling of `scale`
adds one transposed convolution at the end; layers keep their names, so that a network trained at one scale can
initialize the next (64 -> 128 -> 256). Pictures of any size are mirrored up to a multiple of 2**num_downs, and the
result is cropped.
"""

from typing import ClassVar, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.generators.ranges import add_to_enlarged, has_bicubic_skip, leave_network
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.borders import CropLike, MirrorToMultiple
from sr_gan_tf.networks import Generator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class UNet(Generator):
    """Encoder-decoder generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement, a power of two; 1 translates pictures of one size.
        filters: channels of the first convolution; they double at each halving up to eight times as many.
        num_downs: halvings, 2 or more; 2**num_downs is the smallest size that is not padded.
        normalization: `"batch"`, `"instance"` (each picture by itself) or `"none"`.
        dropout: share of values dropped during training in the decoder's widest stages, except the deepest.
        bounded: whether a tanh keeps the output within [0, 1].
        value_range: range of the network's input and, unless `bounded`, output.
        bicubic_skip: add the LR picture enlarged by bicubic interpolation; the last convolution starts at zero, so
            that a fresh network is bicubic. Default: unless `bounded`. pix2pix is bounded: `UNet.published()`.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"bounded": True, "bicubic_skip": False}

    def __init__(
        self,
        scale: int = 2,
        filters: int = 64,
        num_downs: int = 8,
        normalization: Literal["batch", "instance", "none"] = "batch",
        dropout: float = 0.0,
        bounded: bool = False,
        value_range: tuple[float, float] = (-1.0, 1.0),
        bicubic_skip: bool | None = None,
        name: str | None = "unet",
    ):
        at_least(1, scale=scale, filters=filters)
        at_least(2, num_downs=num_downs)
        one_of("normalization", normalization, ("batch", "instance", "none"))
        increasing(value_range=value_range)
        bicubic_skip = has_bicubic_skip(bicubic_skip, bounded=bounded)
        if scale & (scale - 1):
            raise ValueError(f"scale: {scale} is no power of two; each up-sampling stage doubles the size")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: {dropout} is not a share; expected 0 or more, below 1")
        start = keras.initializers.RandomNormal(stddev=0.02)
        # After batch normalization a bias has no effect.
        settings = {"strides": 2, "padding": "same", "use_bias": normalization != "batch"}

        def down(x, channels, name):
            return layers.Conv2D(channels, 4, kernel_initializer=start.clone(), name=name, **settings)(x)

        def up(x, channels, name):
            x = layers.ReLU(name=f"{name}_relu")(x)
            x = layers.Conv2DTranspose(channels, 4, kernel_initializer=start.clone(), name=name, **settings)(x)
            return _normalize(x, normalization, f"{name}_norm")

        inputs = keras.Input((None, None, 3), name="lr")
        x = enter_range(MirrorToMultiple(2**num_downs, dtype="float32", name="mirror")(inputs), value_range)
        channels = [filters * min(2**depth, 8) for depth in range(num_downs)]
        encoded = [down(x, channels[0], "down1")]  # [(N, H/2, W/2, filters), (N, H/4, W/4, 2*filters), ...]
        for depth in range(1, num_downs):
            x = layers.LeakyReLU(0.2, name=f"down{depth + 1}_activation")(encoded[-1])
            x = down(x, channels[depth], f"down{depth + 1}")
            if depth < num_downs - 1:
                x = _normalize(x, normalization, f"down{depth + 1}_norm")
            encoded.append(x)
        x = encoded.pop()
        for depth in range(num_downs - 1, 0, -1):
            x = up(x, channels[depth - 1], f"up{depth + 1}")
            if dropout and depth < num_downs - 1 and channels[depth - 1] == 8 * filters:
                x = layers.Dropout(dropout, name=f"up{depth + 1}_dropout")(x)
            x = layers.Concatenate(name=f"skip{depth}")([encoded.pop(), x])
        for index in range(1, scale.bit_length()):
            x = up(x, filters, f"enlarge{index}")
        x = layers.ReLU(name="last_relu")(x)
        last_start = keras.initializers.Zeros() if bicubic_skip else start.clone()
        x = layers.Conv2DTranspose(
            3, 4, strides=2, padding="same", kernel_initializer=last_start, dtype="float32", name="last"
        )(x)
        if not bicubic_skip:
            x = leave_network(x, bounded, value_range)
        x = CropLike(scale, dtype="float32", name="crop")([x, inputs])
        if bicubic_skip:  # (N, scale*H, scale*W, 3)
            x = add_to_enlarged(x, inputs, scale, value_range)
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_downs = num_downs
        self.normalization = normalization
        self.dropout = dropout
        self.bounded = bounded
        self.value_range = value_range
        self.bicubic_skip = bicubic_skip


def _normalize(x, kind: str, name: str):
    if kind == "batch":
        start = keras.initializers.RandomNormal(mean=1.0, stddev=0.02)
        return FusedBatchNormalization(gamma_initializer=start, name=name)(x)
    if kind == "instance":
        return layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False, name=name)(x)
    return x
