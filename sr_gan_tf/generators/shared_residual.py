"""SharedResidual, the CelebA SRGAN's generator (https://github.com/ty-on-h12/srgan-pytorch), which reuses its weights.

One residual block is used four times, one up-sampling convolution twice, and one scalar PReLU everywhere; no
convolution has a bias. Pictures are in [-1, 1] internally and the output is linear. The published network also shares
the running statistics of its single batch normalization, which then fit none of the four depths, so that its pictures
collapse at inference (19.9 dB on Set5 instead of 27.0). Here each use has separate statistics; `"published"` shares
them.
"""

from typing import ClassVar, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.generators.ranges import add_to_enlarged
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.channel_affine import ChannelAffine
from sr_gan_tf.layers.few_channels import FewChannelsConv2D
from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle
from sr_gan_tf.networks import Generator, enter_range, leave_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class SharedResidual(Generator):
    """Residual generator with shared weights: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement, a power of two.
        filters: channels of the body.
        num_uses: how often the residual block is used.
        normalization: `"batch"` (one scale and offset, separate statistics per use), `"published"` (the
            statistics shared as well) or `"none"`.
        value_range: internal range of the pictures.
        bicubic_skip: add the LR picture enlarged by bicubic interpolation; the last convolution starts at zero, so
            that a fresh network is bicubic. The published network has none: `SharedResidual.published()`.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"bicubic_skip": False}

    def __init__(
        self,
        scale: int = 4,
        filters: int = 64,
        num_uses: int = 4,
        normalization: Literal["batch", "published", "none"] = "batch",
        value_range: tuple[float, float] = (-1.0, 1.0),
        bicubic_skip: bool = True,
        name: str | None = "shared_residual",
    ):
        at_least(1, scale=scale, filters=filters, num_uses=num_uses)
        one_of("normalization", normalization, ("batch", "published", "none"))
        increasing(value_range=value_range)
        if scale & (scale - 1):
            raise ValueError(f"scale: {scale} is no power of two; the one up-sampling convolution doubles the size")

        def conv(channels, size, name, start="glorot_uniform", dtype=None):
            return layers.Conv2D(
                channels, size, padding="same", use_bias=False, kernel_initializer=start, dtype=dtype, name=name
            )

        prelu = layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2, 3], name="prelu")
        block = conv(filters, 3, "block_conv")
        shared_norm = FusedBatchNormalization(name="norm")
        affine = ChannelAffine(name="affine")

        def normalize(x, index):
            if normalization == "published":
                return shared_norm(x)
            if normalization == "none":
                return x
            own = FusedBatchNormalization(center=False, scale=False, name=f"statistics{index}")
            return affine(own(x))

        inputs = keras.Input((None, None, 3), name="lr")
        shallow = x = prelu(conv(filters, 9, "first_conv")(enter_range(inputs, value_range)))
        for index in range(1, num_uses + 1):
            x = layers.Add(name=f"use{index}")([x, prelu(normalize(block(x), index))])
        x = layers.Add(name="body")([x, shallow])  # (N, H, W, filters)
        enlarge, shuffle = conv(4 * filters, 3, "up_conv", ICNR(2)), PixelShuffle(2, name="up_shuffle")
        for _ in range(scale.bit_length() - 1):
            x = prelu(shuffle(enlarge(x)))
        start = "zeros" if bicubic_skip else "glorot_uniform"
        x = FewChannelsConv2D(3, 9, use_bias=False, kernel_initializer=start, dtype="float32", name="last_conv")(x)
        # (N, scale*H, scale*W, 3)
        x = add_to_enlarged(x, inputs, scale, value_range) if bicubic_skip else leave_range(x, value_range)
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_uses = num_uses
        self.normalization = normalization
        self.value_range = value_range
        self.bicubic_skip = bicubic_skip
