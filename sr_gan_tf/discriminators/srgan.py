"""SRGAN's discriminator: Ledig et al. 2017 (arXiv:1609.04802), figure 4.

Our choices: it returns logits (the paper ends in a sigmoid; our losses take logits), and its internal input is in
[-1, 1], the range of the paper's generator. Batch normalization has PyTorch's epsilon and momentum.
"""

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class SRGANDiscriminator(Discriminator):
    """(N, image_size, image_size, 3) in [0, 1] to (N, 1) logits.

    Eight 3x3 convolutions, every second one with stride 2, then two dense layers: the input size is fixed.

    Args:
        image_size: height and width of the pictures, in pixels; the experiment's patch size.
        filters: channels of the first convolution, at least 1; they double up to 8 times as many.
        units: width of the dense layer before the logit.
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logit (see endings.py), or None.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    def __init__(
        self,
        image_size: int = 96,
        filters: int = 64,
        units: int = 1024,
        value_range: tuple[float, float] = (-1.0, 1.0),
        ending: dict | None = None,
        name: str | None = "srgan_discriminator",
    ):
        at_least(1, image_size=image_size, filters=filters, units=units)
        increasing(value_range=value_range)
        picture = keras.Input((image_size, image_size, 3), name="picture")
        x = enter_range(picture, value_range)
        for number in range(8):
            width = filters * 2 ** (number // 2)
            x = layers.Conv2D(width, 3, strides=1 + number % 2, padding="same", name=f"conv_{number}")(x)
            if number > 0:
                x = FusedBatchNormalization(name=f"norm_{number}")(x)
            x = layers.LeakyReLU(0.2, name=f"activation_{number}")(x)
        x = layers.Flatten()(x)  # (N, (image_size / 16)^2 * 8 * filters)
        x = layers.Dense(units, name="dense")(x)
        x = layers.LeakyReLU(0.2, name="activation_dense")(x)
        logit = layers.Dense(1, dtype="float32", name="logit")(with_ending(x, ending))
        super().__init__(picture, logit, name=name)
        self.image_size = image_size
        self.filters = filters
        self.units = units
        self.value_range = value_range
        self.ending = ending

    @property
    def feature_layers(self) -> list[str]:
        return ["activation_1", "activation_3", "activation_5", "activation_7", "activation_dense"]
