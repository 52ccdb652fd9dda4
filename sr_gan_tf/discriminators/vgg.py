"""VGG-style discriminator of ESRGAN and BasicSR, for 128x128 pictures (Wang et al. 2018, arXiv:1809.00219).

Unlike SRGAN's, it halves the map by 4x4 convolutions and has no bias before a batch normalization.
"""

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class VGGDiscriminator(Discriminator):
    """(N, image_size, image_size, 3) in [0, 1] to (N, 1) logits.

    Args:
        image_size: height and width of the pictures, in pixels; the experiment's patch size. A multiple of 32; from 256
            on a multiple of 64, because a sixth halving is added.
        filters: channels of the first convolution, at least 1; they double up to 8 times as many.
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logit (see endings.py), or None.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    def __init__(
        self,
        image_size: int = 128,
        filters: int = 64,
        value_range: tuple[float, float] = (0.0, 1.0),
        ending: dict | None = None,
        name: str | None = "vgg_discriminator",
    ):
        at_least(1, filters=filters)
        at_least(32, image_size=image_size)
        increasing(value_range=value_range)
        halvings = 6 if image_size >= 256 else 5
        step = 2**halvings
        if image_size % step:
            lower = image_size // step * step
            raise ValueError(
                f"image_size: {image_size} is no multiple of {step}; the nearest are {lower} and {lower + step}"
            )
        picture = keras.Input((image_size, image_size, 3), name="picture")
        x = enter_range(picture, value_range)
        for stage in range(halvings):
            width = filters * min(2**stage, 8)
            for part in range(2):
                first = stage == part == 0
                name_end = f"{stage}_{part}"
                if part:
                    x = layers.Conv2D(width, 4, 2, padding="same", use_bias=False, name=f"conv_{name_end}")(x)
                else:
                    x = layers.Conv2D(width, 3, padding="same", use_bias=first, name=f"conv_{name_end}")(x)
                if not first:
                    x = FusedBatchNormalization(name=f"norm_{name_end}")(x)
                x = layers.LeakyReLU(0.2, name=f"activation_{name_end}")(x)
        x = layers.Flatten()(x)
        x = layers.LeakyReLU(0.2, name="activation_dense")(layers.Dense(100, name="dense")(x))
        logit = layers.Dense(1, dtype="float32", name="logit")(with_ending(x, ending))
        super().__init__(picture, logit, name=name)
        self.image_size = image_size
        self.filters = filters
        self.value_range = value_range
        self.ending = ending
        self.halvings = halvings

    @property
    def feature_layers(self) -> list[str]:
        return [*(f"activation_{stage}_1" for stage in range(self.halvings)), "activation_dense"]
