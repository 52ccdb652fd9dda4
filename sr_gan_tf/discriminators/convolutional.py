"""ConvDiscriminator: SRGAN's discriminator without dense layers, for pictures of any size, as trained on CelebA.

The published code (github ty-on-h12/srgan-pytorch) uses one batch normalization for all layers of one width, whose
running statistics then fit none of them. Here the layers of one width share scale and offset (the number of parameters
stays the same), but each keeps separate statistics.
"""

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.channel_affine import ChannelAffine
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class ConvDiscriminator(Discriminator):
    """(N, H, W, 3) in [0, 1] to (N, 1) logits, for any H and W.

    Args:
        filters: channels of the first convolution, at least 1; they double up to 16 times as many.
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logit (see endings.py), or None.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    def __init__(
        self,
        filters: int = 64,
        value_range: tuple[float, float] = (-1.0, 1.0),
        ending: dict | None = None,
        name: str | None = "conv_discriminator",
    ):
        at_least(1, filters=filters)
        increasing(value_range=value_range)
        picture = keras.Input((None, None, 3), name="picture")
        x = enter_range(picture, value_range)
        for number in range(8):
            width = filters * 2 ** (number // 2)
            x = layers.Conv2D(width, 3, strides=1 + number % 2, padding="same", use_bias=False, name=f"conv_{number}")(
                x
            )
            if number > 0:
                x = FusedBatchNormalization(center=False, scale=False, name=f"norm_{number}")(x)
                if number == 1 or number % 2 == 0:
                    affine = ChannelAffine(name=f"affine_{width}")
                x = affine(x)
            x = layers.LeakyReLU(0.2, name=f"activation_{number}")(x)
        x = layers.Conv2D(16 * filters, 1, name="conv_8")(x)
        x = FusedBatchNormalization(name="norm_8")(x)
        x = layers.LeakyReLU(0.2, name="activation_8")(x)
        x = layers.GlobalAveragePooling2D()(x)
        logit = layers.Dense(1, dtype="float32", name="logit")(with_ending(x, ending))
        super().__init__(picture, logit, name=name)
        self.filters = filters
        self.value_range = value_range
        self.ending = ending

    @property
    def feature_layers(self) -> list[str]:
        return ["activation_1", "activation_3", "activation_5", "activation_7", "activation_8"]
