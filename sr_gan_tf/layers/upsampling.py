"""Learned upsampling in stages: convolution and pixel shuffle, or nearest neighbor and convolution.

The papers use pixel shuffle, here with ICNR. Nearest neighbor and convolution cannot produce a checkerboard at all
(Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard) but costs scale**2 times as much.
"""

import keras
from keras import layers

from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle


def stages(scale: int) -> list[int]:
    """Returns the factors of the enlargement, one per stage: 4 -> [2, 2], 3 -> [3], 6 -> [2, 3], 1 -> [].

    Raises:
        ValueError: the scale has factors other than 2 and 3.
    """
    factors, rest = [], scale
    for factor in (2, 3):
        while rest >= factor and rest % factor == 0:
            factors.append(factor)
            rest //= factor
    if rest != 1:
        raise ValueError(f"scale: {scale} is not a product of twos and threes; use 1, 2, 3, 4, 6 or 8")
    return factors


def upsampling_stage(x, factor: int, filters: int, method: str, name: str, use_bias: bool = True):
    """(N, H, W, C) to (N, factor*H, factor*W, filters) through one 3x3 convolution.

    Args:
        x: symbolic input.
        factor: enlargement of this stage.
        filters: channels of the output.
        method: `"pixel_shuffle"` or `"nearest"`.
        name: prefix of the layer names.
        use_bias: whether the convolution has a bias.
    """
    if method == "nearest":
        x = layers.UpSampling2D(factor, name=f"{name}_nearest")(x)
        return layers.Conv2D(filters, 3, padding="same", use_bias=use_bias, name=f"{name}_conv")(x)
    x = layers.Conv2D(
        filters * factor**2, 3, padding="same", use_bias=use_bias, kernel_initializer=ICNR(factor), name=f"{name}_conv"
    )(x)
    return PixelShuffle(factor, name=f"{name}_shuffle")(x)


def small_he() -> keras.initializers.Initializer:
    """A tenth of He's normal distribution, for residual branches that should start small."""
    return keras.initializers.VarianceScaling(2 * 0.1**2, mode="fan_in", distribution="untruncated_normal")
