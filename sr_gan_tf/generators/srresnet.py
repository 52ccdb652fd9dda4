"""SRResNet, the generator of SRGAN (Ledig et al. 2017, arXiv:1609.04802).

The paper is silent on three points. Here momentum and epsilon of the batch statistics are PyTorch's, the slopes of
PReLU start at 0.25, and the output is linear; `bounded=True` adds the final tanh of several implementations.
Sub-pixel convolutions start with ICNR. The last convolution runs in float32 under every precision policy, because
bfloat16 has only 8 bits for a picture of 8 bits.
"""

from typing import ClassVar, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.generators.ranges import add_to_enlarged, has_bicubic_skip, leave_network
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.few_channels import FewChannelsConv2D
from sr_gan_tf.layers.prelu import ChannelPReLU
from sr_gan_tf.layers.upsampling import stages, upsampling_stage
from sr_gan_tf.networks import Generator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class SRResNet(Generator):
    """Residual generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement, a product of twos and threes.
        filters: channels of the body.
        num_blocks: residual blocks.
        normalization: `"batch"`, or `"none"` (no shift of colors between training and inference).
        upsampling: `"pixel_shuffle"` with ICNR, or `"nearest"` and convolution.
        bounded: whether a tanh keeps the output within [0, 1].
        input_range: range of the LR picture at the first convolution; [0, 1] in the paper.
        value_range: range of the last convolution's values, without effect if `bounded`; [-1, 1] in the paper.
        nearest_skip: add the LR picture enlarged by nearest neighbor to the output; the last convolution starts at
            zero.
        bicubic_skip: add a bicubic enlargement instead, so that a fresh network is bicubic. Default: unless `bounded`
            or `nearest_skip`. The paper has neither skip: `SRResNet.published()`.
        name: name of the model.

    Raises:
        ValueError: the scale has factors other than 2 and 3, or an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"nearest_skip": False, "bicubic_skip": False}

    def __init__(
        self,
        scale: int = 4,
        filters: int = 64,
        num_blocks: int = 16,
        normalization: Literal["batch", "none"] = "batch",
        upsampling: Literal["pixel_shuffle", "nearest"] = "pixel_shuffle",
        bounded: bool = False,
        input_range: tuple[float, float] = (0.0, 1.0),
        value_range: tuple[float, float] = (-1.0, 1.0),
        nearest_skip: bool = False,
        bicubic_skip: bool | None = None,
        name: str | None = "srresnet",
    ):
        at_least(1, filters=filters)
        at_least(0, num_blocks=num_blocks)
        one_of("normalization", normalization, ("batch", "none"))
        one_of("upsampling", upsampling, ("pixel_shuffle", "nearest"))
        increasing(input_range=input_range, value_range=value_range)
        if bounded and nearest_skip:
            raise ValueError("nearest_skip: a bounded output is no difference; set one of them to false")
        bicubic_skip = has_bicubic_skip(bicubic_skip, bounded=bounded, nearest_skip=nearest_skip)

        def conv_norm(x, prefix):
            x = layers.Conv2D(filters, 3, padding="same", name=f"{prefix}_conv")(x)
            if normalization == "batch":
                x = FusedBatchNormalization(name=f"{prefix}_norm")(x)
            return x

        inputs = keras.Input((None, None, 3), name="lr")
        x = enter_range(inputs, input_range)
        x = layers.Conv2D(filters, 9, padding="same", name="first_conv")(x)
        shallow = x = ChannelPReLU(name="first_prelu")(x)
        for index in range(1, num_blocks + 1):
            skip = x
            x = ChannelPReLU(name=f"block{index}_prelu")(conv_norm(x, f"block{index}_first"))
            x = layers.Add(name=f"block{index}")([skip, conv_norm(x, f"block{index}_second")])
        x = layers.Add(name="body")([shallow, conv_norm(x, "body")])  # (N, H, W, filters)
        for index, factor in enumerate(stages(scale), start=1):
            x = upsampling_stage(x, factor, filters, upsampling, f"up{index}")
            x = ChannelPReLU(name=f"up{index}_prelu")(x)
        start = "zeros" if nearest_skip or bicubic_skip else "glorot_uniform"
        x = FewChannelsConv2D(3, 9, kernel_initializer=start, dtype="float32", name="last_conv")(x)
        if nearest_skip or bicubic_skip:  # (N, scale*H, scale*W, 3)
            x = add_to_enlarged(x, inputs, scale, value_range, "nearest" if nearest_skip else "bicubic")
        else:
            x = leave_network(x, bounded, value_range)
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_blocks = num_blocks
        self.normalization = normalization
        self.upsampling = upsampling
        self.bounded = bounded
        self.input_range = input_range
        self.value_range = value_range
        self.nearest_skip = nearest_skip
        self.bicubic_skip = bicubic_skip
