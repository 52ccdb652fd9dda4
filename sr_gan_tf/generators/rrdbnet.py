"""RRDBNet, the generator of ESRGAN (Wang et al. 2018, arXiv:1809.00219) and Real-ESRGAN (arXiv:2107.10833).

At scales 2 and 1 the LR picture is first folded by a pixel unshuffle (2, 4), as in Real-ESRGAN; pictures of other sizes
are mirrored up to a multiple and the result is cropped. Enlargement by 4 follows, by nearest neighbor and convolution.
As published, the dense blocks' kernels start at a tenth of He's normal distribution.

Older models enlarge once per factor of 2 instead (`unshuffle=False`); ESRGAN+ (Rakotonirina and Rasoanaivo 2020,
arXiv:2001.08073) adds skips inside the dense blocks (`inner_skips`). Its training noise is omitted.
"""

import math
from typing import ClassVar, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, one_of
from sr_gan_tf.generators.ranges import add_to_enlarged
from sr_gan_tf.layers.borders import CropLike, MirrorToMultiple
from sr_gan_tf.layers.pixel_shuffle import PixelUnshuffle
from sr_gan_tf.layers.upsampling import small_he
from sr_gan_tf.networks import Generator


@keras.saving.register_keras_serializable("sr_gan_tf")
class RRDBNet(Generator):
    """Residual-in-residual dense generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement: 4 or 8, or 2 and 1 with a pixel unshuffle.
        filters: channels of the body.
        num_blocks: residual-in-residual dense blocks; published with 23 and 6.
        growth: channels that each convolution of a dense block adds.
        unshuffle: at scales 2 and 1, fold the LR picture and enlarge it by 4; False enlarges by the scale alone.
        inner_skips: add the second features of each dense block to the fourth, and to the second a 1x1 convolution of
            the block's input.
        bicubic_skip: add the LR picture enlarged by bicubic interpolation; the last convolution starts at zero, so
            that a fresh network is bicubic. The papers have no such skip: `RRDBNet.published()`.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"bicubic_skip": False}

    def __init__(
        self,
        scale: Literal[1, 2, 4, 8] = 4,
        filters: int = 64,
        num_blocks: int = 23,
        growth: int = 32,
        unshuffle: bool = True,
        inner_skips: bool = False,
        bicubic_skip: bool = True,
        name: str | None = "rrdbnet",
    ):
        one_of("scale", scale, (1, 2, 4, 8))
        if not unshuffle and scale >= 4:
            raise ValueError(f"unshuffle: has no effect at scale {scale}, which needs none; remove it")
        at_least(1, filters=filters, num_blocks=num_blocks, growth=growth)

        def conv(x, channels, name, start="glorot_uniform", dtype=None):
            return layers.Conv2D(channels, 3, padding="same", kernel_initializer=start, dtype=dtype, name=name)(x)

        def activation(x, name):
            return layers.LeakyReLU(0.2, name=name)(x)

        def dense_block(x, prefix):
            features = [x]
            for index in range(1, 5):
                joined = layers.Concatenate(name=f"{prefix}_join{index}")(features) if index > 1 else x
                y = activation(conv(joined, growth, f"{prefix}_conv{index}", small_he()), f"{prefix}_activation{index}")
                if inner_skips and index == 2:
                    skip = layers.Conv2D(growth, 1, use_bias=False, name=f"{prefix}_skip")(features[0])
                    y = layers.Add(name=f"{prefix}_add2")([y, skip])
                elif inner_skips and index == 4:
                    y = layers.Add(name=f"{prefix}_add4")([y, features[2]])
                features.append(y)
            y = conv(layers.Concatenate(name=f"{prefix}_join5")(features), filters, f"{prefix}_conv5", small_he())
            return layers.Add(name=prefix)([x, layers.Rescaling(0.2, name=f"{prefix}_scaled")(y)])

        inputs = keras.Input((None, None, 3), name="lr")
        x = inputs
        fold = max(1, 4 // scale) if unshuffle else 1
        if fold > 1:
            x = PixelUnshuffle(fold, name="unshuffle")(MirrorToMultiple(fold, dtype="float32", name="mirror")(x))
        shallow = x = conv(x, filters, "first_conv")  # (N, H/fold, W/fold, filters)
        for index in range(1, num_blocks + 1):
            skip = x
            for part in (1, 2, 3):
                x = dense_block(x, f"block{index}_dense{part}")
            x = layers.Add(name=f"block{index}")([skip, layers.Rescaling(0.2, name=f"block{index}_scaled")(x)])
        x = layers.Add(name="body")([shallow, conv(x, filters, "body_conv")])
        for index in range(1, round(math.log2(scale * fold)) + 1):
            x = layers.UpSampling2D(2, name=f"up{index}_nearest")(x)
            x = activation(conv(x, filters, f"up{index}_conv"), f"up{index}_activation")
        x = activation(conv(x, filters, "hr_conv"), "hr_activation")  # (N, scale*H, scale*W, filters)
        x = conv(x, 3, "last_conv", "zeros" if bicubic_skip else "glorot_uniform", dtype="float32")
        if fold > 1:
            x = CropLike(scale, dtype="float32", name="crop")([x, inputs])
        if bicubic_skip:
            x = add_to_enlarged(x, inputs, scale)
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_blocks = num_blocks
        self.growth = growth
        self.unshuffle = unshuffle
        self.inner_skips = inner_skips
        self.bicubic_skip = bicubic_skip

    def block_names(self) -> list[str]:
        """Layers before the first block and at the end of each one; training may recompute what is between them."""
        return ["first_conv", *(f"block{index}" for index in range(1, self.num_blocks + 1))]
