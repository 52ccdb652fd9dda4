"""The smallest discriminator that still learns: one 3x3 convolution, for the small x2 residual generator and tests."""

from typing import Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class TinyDiscriminator(Discriminator):
    """(N, H, W, 3) in [0, 1] to logits: (N, H, W, 1), one per pixel's 3x3 surroundings, or (N, 1), one per picture.

    Args:
        filters: channels of the convolution, at least 1.
        logits: `"matrix"` for one logit per pixel, `"one"` for one per picture (average over all positions first).
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logit (see endings.py), or None.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    def __init__(
        self,
        filters: int = 64,
        logits: Literal["matrix", "one"] = "matrix",
        value_range: tuple[float, float] = (0.0, 1.0),
        ending: dict | None = None,
        name: str | None = "tiny_discriminator",
    ):
        at_least(1, filters=filters)
        one_of("logits", logits, ("matrix", "one"))
        increasing(value_range=value_range)
        picture = keras.Input((None, None, 3), name="picture")
        x = enter_range(picture, value_range)
        x = layers.Conv2D(filters, 3, padding="same", name="conv")(x)
        x = layers.LeakyReLU(0.2, name="activation")(x)
        if logits == "matrix":
            output = layers.Conv2D(1, 1, dtype="float32", name="logit")(with_ending(x, ending))
        else:
            x = layers.GlobalAveragePooling2D()(x)
            output = layers.Dense(1, dtype="float32", name="logit")(with_ending(x, ending))
        super().__init__(picture, output, name=name)
        self.filters = filters
        self.logits = logits
        self.value_range = value_range
        self.ending = ending

    @property
    def feature_layers(self) -> list[str]:
        return ["activation"]
