"""MSRResNet, the SRResNet without batch normalization of BasicSR (https://github.com/XPixelGroup/BasicSR).

Based on Ledig et al. 2017 (arXiv:1609.04802) and Lim et al. 2017 (arXiv:1707.02921): LeakyReLU of slope 0.1, plain ReLU
inside the blocks, one more convolution at HR size, added to a bilinear enlargement. As published, kernels start at a
tenth of He's normal distribution, so that a fresh network is close to bilinear.
"""

from typing import ClassVar

import keras
from keras import layers

from sr_gan_tf.arguments import at_least
from sr_gan_tf.layers.bicubic import BicubicEnlargement
from sr_gan_tf.layers.bilinear import BilinearEnlargement
from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle
from sr_gan_tf.layers.upsampling import small_he, stages
from sr_gan_tf.networks import Generator


@keras.saving.register_keras_serializable("sr_gan_tf")
class MSRResNet(Generator):
    """Residual generator: (N, H, W, 3) to (N, scale*H, scale*W, 3), both in [0, 1].

    Args:
        scale: enlargement, a product of twos and threes.
        filters: channels of the body.
        num_blocks: residual blocks.
        bicubic_skip: add to a bicubic enlargement; the last convolution starts at zero, so that a fresh network is
            bicubic, and the one before it with He's full normal distribution. The published network has a bilinear
            enlargement and small kernels in both, which need thousands of steps to grow: `MSRResNet.published()`.
        name: name of the model.

    Raises:
        ValueError: the scale has factors other than 2 and 3, or an argument is outside the values described above.
    """

    PUBLISHED: ClassVar = {"bicubic_skip": False}

    def __init__(
        self,
        scale: int = 4,
        filters: int = 64,
        num_blocks: int = 16,
        bicubic_skip: bool = True,
        name: str | None = "msrresnet",
    ):
        at_least(1, filters=filters)
        at_least(0, num_blocks=num_blocks)

        def conv(x, channels, name, start=small_he):
            return layers.Conv2D(channels, 3, padding="same", kernel_initializer=start(), name=name)(x)

        inputs = keras.Input((None, None, 3), name="lr")
        x = layers.LeakyReLU(0.1, name="first_activation")(conv(inputs, filters, "first_conv"))
        for index in range(1, num_blocks + 1):
            y = layers.ReLU(name=f"block{index}_relu")(conv(x, filters, f"block{index}_conv1"))
            x = layers.Add(name=f"block{index}")([x, conv(y, filters, f"block{index}_conv2")])  # (N, H, W, filters)
        for index, factor in enumerate(stages(scale), start=1):
            x = conv(x, filters * factor**2, f"up{index}_conv", lambda factor=factor: ICNR(factor, small_he()))
            x = PixelShuffle(factor, name=f"up{index}_shuffle")(x)
            x = layers.LeakyReLU(0.1, name=f"up{index}_activation")(x)
        wide = keras.initializers.HeNormal if bicubic_skip else small_he
        x = conv(x, filters, "hr_conv", wide)  # (N, scale*H, scale*W, filters)
        x = layers.LeakyReLU(0.1, name="hr_activation")(x)
        if bicubic_skip:
            x = conv(x, 3, "last_conv", keras.initializers.Zeros)
            skip = BicubicEnlargement(scale, dtype="float32", name="bicubic")(inputs)
        else:
            x = conv(x, 3, "last_conv")
            skip = BilinearEnlargement(scale, dtype="float32", name="bilinear")(inputs)
        x = layers.Add(dtype="float32", name="residual")([x, skip])
        super().__init__(inputs, x, name=name)
        self.scale = scale
        self.filters = filters
        self.num_blocks = num_blocks
        self.bicubic_skip = bicubic_skip
