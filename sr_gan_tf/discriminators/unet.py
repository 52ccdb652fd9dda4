"""U-Net discriminator with spectral normalization: Real-ESRGAN, Wang et al. 2021 (arXiv:2107.10833), figure 6."""

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.spectral_norm import SpectralConv2D
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class UNetDiscriminator(Discriminator):
    """(N, H, W, 3) in [0, 1] to (N, H, W, 1) logits, one per pixel; H and W are multiples of 8.

    Args:
        filters: channels at full size, at least 1; they double up to 8 times as many.
        skip_connections: whether the decoder adds the maps of the encoder.
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
        skip_connections: bool = True,
        value_range: tuple[float, float] = (0.0, 1.0),
        ending: dict | None = None,
        name: str | None = "unet_discriminator",
    ):
        at_least(1, filters=filters)
        increasing(value_range=value_range)

        def activation(x, number):
            return layers.LeakyReLU(0.2, name=f"activation_{number}")(x)

        picture = keras.Input((None, None, 3), name="picture")
        x = enter_range(picture, value_range)
        x = activation(layers.Conv2D(filters, 3, padding="same", name="conv_0")(x), 0)
        skips = []
        for number in (1, 2, 3):
            skips.append(x)
            x = SpectralConv2D(filters * 2**number, 4, 2, use_bias=False, name=f"conv_{number}")(x)
            x = activation(x, number)
        for number in (4, 5, 6):
            # TensorFlow interpolates in float32; XLA cannot differentiate a cast that is hidden inside.
            x = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32", name=f"enlarge_{number}")(x)
            x = SpectralConv2D(filters * 2 ** (6 - number), 3, use_bias=False, name=f"conv_{number}")(x)
            x = activation(x, number)
            if skip_connections:
                x = layers.Add(name=f"skip_{number}")([x, skips.pop()])
        for number in (7, 8):
            x = activation(SpectralConv2D(filters, 3, use_bias=False, name=f"conv_{number}")(x), number)
        x = with_ending(x, ending)
        logits = layers.Conv2D(1, 3, padding="same", dtype="float32", name="conv_9")(x)  # (N, H, W, 1)
        super().__init__(picture, logits, name=name)
        self.filters = filters
        self.skip_connections = skip_connections
        self.value_range = value_range
        self.ending = ending

    @property
    def feature_layers(self) -> list[str]:
        return ["activation_1", "activation_2", "activation_3", "activation_4", "activation_5", "activation_6"]
