"""DUnet: a U-Net discriminator that enlarges by DySample (github umzi2/DUnet; DySample: arXiv:2308.15085).

As published: no activation after the first convolution or in the decoder; spectral normalization everywhere except in
the first and the last convolution.
"""

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.activations import Mish
from sr_gan_tf.layers.dysample import DySample
from sr_gan_tf.layers.spectral_norm import SpectralConv2D
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class DUnet(Discriminator):
    """(N, H, W, 3) in [0, 1] to (N, H, W, 1) logits, one per pixel; H and W are multiples of 8.

    Args:
        filters: channels at full size, a multiple of 2; they double up to 8 times as many.
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logits (see endings.py), or None.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    size_multiple = 8
    minimum_size = 8

    def __init__(
        self,
        filters: int = 64,
        value_range: tuple[float, float] = (0.0, 1.0),
        ending: dict | None = None,
        name: str | None = "dunet",
    ):
        at_least(2, filters=filters)
        increasing(value_range=value_range)
        if filters % 2:
            # The last DySample enlarges 2 * filters channels, which must be divisible into its four groups.
            raise ValueError(f"filters: {filters} is odd; expected a multiple of 2")

        picture = keras.Input((None, None, 3), name="picture")
        x = enter_range(picture, value_range)
        x = layers.Conv2D(filters, 3, padding="same", name="first_conv")(x)
        skips = []
        for number in (1, 2, 3):
            skips.append(x)
            x = SpectralConv2D(filters * 2**number, 3, 2, name=f"down{number}_conv")(x)
            x = Mish(name=f"down{number}")(x)
        for number in (1, 2, 3):
            x = DySample(2, groups=4, name=f"up{number}_sample")(x)
            x = SpectralConv2D(filters * 2 ** (3 - number), 3, name=f"up{number}_conv")(x)
            x = layers.Add(name=f"up{number}")([x, skips.pop()])
        for number in (1, 2):
            x = SpectralConv2D(filters, 3, use_bias=False, name=f"end{number}_conv")(x)
            x = Mish(name=f"end{number}")(x)
        x = with_ending(x, ending)
        logits = layers.Conv2D(1, 3, padding="same", dtype="float32", name="last_conv")(x)  # (N, H, W, 1)
        super().__init__(picture, logits, name=name)
        self.filters = filters
        self.value_range = value_range
        self.ending = ending

    @property
    def feature_layers(self) -> list[str]:
        return ["down1", "down2", "down3", "up1", "up2", "up3"]
