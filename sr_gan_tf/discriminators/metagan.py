"""MetaGAN: a MetaFormer discriminator, one logit per picture (github umzi2/MetaGan).

Four stages of blocks; each block mixes positions (a separable 7x7 convolution, or self-attention in the last two
stages), then channels, and finally gates the sum by squeeze-and-excitation. The published attention computes its result
and discards it, so that the weights of queries, keys and values never learn; here it is used, unless
`published_attention` selects the published function. Dropout applies only in the discriminator's own update: in the
generator's loss its noise can make training diverge, so training evaluates the network there in inference mode.
"""

from typing import Literal

import keras
import numpy as np
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.activations import HardSwish, Mish
from sr_gan_tf.layers.attention import SelfAttention2D
from sr_gan_tf.layers.channel_affine import ChannelAffine
from sr_gan_tf.layers.depthwise import DepthwiseConv2D
from sr_gan_tf.layers.squeeze_excitation import EXCITATIONS, Excitation
from sr_gan_tf.layers.unshuffled_convolution import UnshuffledConv2D
from sr_gan_tf.networks import Discriminator, enter_range

_EPSILON = float(np.finfo(np.float32).eps)


@keras.saving.register_keras_serializable("sr_gan_tf")
class MetaGAN(Discriminator):
    """(N, H, W, 3) in [0, 1] to (N, 1) logits; H and W are multiples of the product of `reductions`, 64.

    Args:
        mixer: `"attention"` in the last two stages, or `"conv"` in all.
        excitation: the gate at the end of a block: `"sse"` by position, `"cse"` by channel, `"csse"` both.
        published_attention: whether the attention's result is discarded as in the published code.
        filters: channels of each stage.
        blocks: blocks of each stage; the same length as `filters`.
        reductions: reduction of each stage's map compared with the previous one.
        head_size: channels of an attention head.
        dropout: share of the last features dropped in the discriminator's own update, in [0, 1).
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logit (see endings.py), or None.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    def __init__(
        self,
        mixer: Literal["attention", "conv"] = "attention",
        excitation: Literal["sse", "cse", "csse"] = "sse",
        published_attention: bool = False,
        filters: tuple[int, ...] = (48, 96, 192, 288),
        blocks: tuple[int, ...] = (3, 3, 9, 3),
        reductions: tuple[int, ...] = (4, 4, 2, 2),
        head_size: int = 32,
        dropout: float = 0.2,
        value_range: tuple[float, float] = (0.0, 1.0),
        ending: dict | None = None,
        name: str | None = "metagan",
    ):
        one_of("mixer", mixer, ("attention", "conv"))
        one_of("excitation", excitation, EXCITATIONS)
        at_least(1, head_size=head_size)
        increasing(value_range=value_range)
        if not len(filters) == len(blocks) == len(reductions) > 0:
            raise ValueError(f"filters, blocks and reductions differ in length: {filters}, {blocks}, {reductions}")
        for width, count, reduction in zip(filters, blocks, reductions, strict=True):
            at_least(2, reductions=reduction)
            at_least(0, blocks=count)
            if width < 1 or width % 4 or width % reduction**2:
                raise ValueError(
                    f"filters: {width} cannot be normalized in 4 groups after a reduction by {reduction}; expected a "
                    f"multiple of {max(4, reduction**2)}"
                )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: {dropout} is not a share; expected 0 or more, below 1")

        picture = keras.Input((None, None, 3), name="picture")
        x = enter_range(picture, value_range)
        for number, (width, count, reduction) in enumerate(zip(filters, blocks, reductions, strict=True), start=1):
            x = UnshuffledConv2D(width, reduction, name=f"stage{number}_down")(x)
            x = start = layers.GroupNormalization(4, epsilon=1e-5, name=f"stage{number}_norm")(x)
            attention = mixer == "attention" and number > 2
            for block in range(1, count + 1):
                prefix = f"stage{number}_block{block}"
                y = layers.RMSNormalization(epsilon=_EPSILON, name=f"{prefix}_mix_norm")(x)
                if attention:
                    y = SelfAttention2D(head_size, attend=not published_attention, name=f"{prefix}_attention")(y)
                else:
                    y = _separable_convolution(y, width, prefix)
                x = layers.Add()([x, ChannelAffine(offset=False, name=f"{prefix}_mix_scale")(y)])
                y = layers.RMSNormalization(epsilon=_EPSILON, name=f"{prefix}_channel_norm")(x)
                y = _channel_mix(y, width, prefix)
                x = layers.Add()([x, ChannelAffine(offset=False, name=f"{prefix}_channel_scale")(y)])
                x = Excitation(excitation, name=f"{prefix}_excitation")(x)
            x = layers.Concatenate()([x, start])
            x = layers.Conv2D(width, 1, name=f"stage{number}_short")(x)  # (N, H/4, W/4, 48) after the first stage
        x = layers.Conv2D(6 * filters[-1], 1, use_bias=False, name="head_conv")(x)
        x = layers.GroupNormalization(4, epsilon=1e-5, name="head_norm")(x)
        x = layers.GlobalAveragePooling2D()(HardSwish()(x))
        x = layers.Dense(8 * filters[-1], use_bias=False, name="head_dense")(x)
        x = layers.RMSNormalization(epsilon=_EPSILON, name="head_dense_norm")(x)
        x = layers.Dropout(dropout)(HardSwish(name="head")(x))
        logit = layers.Dense(1, dtype="float32", name="logit")(with_ending(x, ending))
        super().__init__(picture, logit, name=name)
        self.mixer = mixer
        self.excitation = excitation
        self.published_attention = published_attention
        self.filters = filters
        self.blocks = blocks
        self.reductions = reductions
        self.head_size = head_size
        self.dropout = dropout
        self.value_range = value_range
        self.ending = ending
        self.size_multiple = self.minimum_size = int(np.prod(reductions))

    @property
    def feature_layers(self) -> list[str]:
        return [*(f"stage{number}_short" for number in range(1, len(self.filters) + 1)), "head"]


def _separable_convolution(x, width: int, prefix: str):
    x = layers.Conv2D(2 * width, 1, use_bias=False, name=f"{prefix}_mix_in")(x)
    x = HardSwish()(x)
    x = DepthwiseConv2D(7, name=f"{prefix}_mix_depthwise")(x)
    return layers.Conv2D(width, 1, use_bias=False, name=f"{prefix}_mix_out")(x)


def _channel_mix(x, width: int, prefix: str):
    x = layers.Conv2D(2 * width, 1, use_bias=False, name=f"{prefix}_channel_in")(x)
    x = Mish()(x)
    y = DepthwiseConv2D(5, name=f"{prefix}_channel_depthwise")(x)
    x = layers.Add()([x, Mish()(y)])
    return layers.Conv2D(width, 1, use_bias=False, name=f"{prefix}_channel_out")(x)
