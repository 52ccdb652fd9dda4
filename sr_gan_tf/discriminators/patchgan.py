"""PatchGAN, the discriminator of pix2pix: Isola et al. 2017 (arXiv:1611.07004), appendix 6.1.2.

Our choices: spectral normalization, if selected, replaces the other norms in every convolution, as in Miyato et al.
2018 (arXiv:1802.05957); instance normalization has no weights, as in the published code.
"""

from typing import Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, increasing, one_of
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.spectral_norm import SpectralConv2D
from sr_gan_tf.losses.wavelet import Wavelet, wavelet_bands
from sr_gan_tf.networks import Discriminator, enter_range


@keras.saving.register_keras_serializable("sr_gan_tf")
class HighBands(layers.Layer):
    """(N, H, W, C) to its three high wavelet bands (N, H, W, 3 C), as in the loss `Wavelet`."""

    footprint = (-7, 6, 1)  # a filter of 14 taps

    def call(self, inputs):
        return wavelet_bands(inputs)[1]


@keras.saving.register_keras_serializable("sr_gan_tf")
class PatchGAN(Discriminator):
    """(N, H, W, 3 or 6) in [0, 1] to (N, H/2^num_layers - 2, W/2^num_layers - 2, 1) logits, one per patch.

    With three layers each logit judges 70x70 pixels, with two 34x34, with one 16x16.

    Args:
        filters: channels of the first convolution, at least 1; they double up to 8 times as many.
        num_layers: convolutions of stride 2, at least 1.
        normalization: `"batch"`, `"instance"`, `"spectral"` or `"none"`.
        conditional: whether the input contains the enlarged LR picture in three more channels.
        value_range: range of the network's internal input, (low, high).
        ending: batch statistics appended before the logits (see endings.py), or None.
        high_bands: judge the three high bands of a wavelet transform (9 channels) instead of the picture, so that
            adversarial training leaves the low band to the content losses (arXiv:2402.19215); not if conditional.
        name: name of the model.

    Raises:
        ValueError: an argument is outside the values described above.
    """

    def __init__(
        self,
        filters: int = 64,
        num_layers: int = 3,
        normalization: Literal["batch", "instance", "spectral", "none"] = "batch",
        conditional: bool = False,
        value_range: tuple[float, float] = (-1.0, 1.0),
        ending: dict | None = None,
        high_bands: bool = False,
        name: str | None = "patchgan",
    ):
        at_least(1, filters=filters, num_layers=num_layers)
        one_of("normalization", normalization, ("batch", "instance", "spectral", "none"))
        increasing(value_range=value_range)
        if high_bands and conditional:
            raise ValueError("high_bands contain no LR picture; set conditional or high_bands to false")

        def convolution(x, width, strides, name, normed=True, **kwargs):
            if normalization == "spectral":
                return SpectralConv2D(width, 4, strides, padding=1, name=name, **kwargs)(x)
            # Batch normalization has its own bias.
            use_bias = not (normed and normalization == "batch")
            x = layers.ZeroPadding2D(1)(x)
            return layers.Conv2D(width, 4, strides, use_bias=use_bias, name=name, **kwargs)(x)

        picture = keras.Input((None, None, 6 if conditional else 3), name="picture")
        x = enter_range(picture, value_range)
        if high_bands:
            x = HighBands(name="high_bands")(x)
        x = convolution(x, filters, 2, "conv_0", normed=False)
        x = layers.LeakyReLU(0.2, name="activation_0")(x)
        for number in range(1, num_layers + 1):
            strides = 2 if number < num_layers else 1
            x = convolution(x, filters * min(2**number, 8), strides, f"conv_{number}")
            if normalization == "batch":
                x = FusedBatchNormalization(name=f"norm_{number}")(x)
            elif normalization == "instance":
                x = layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False, name=f"norm_{number}")(x)
            x = layers.LeakyReLU(0.2, name=f"activation_{number}")(x)
        logits = convolution(with_ending(x, ending), 1, 1, "logits", normed=False, dtype="float32")
        super().__init__(picture, logits, name=name)
        self.filters = filters
        self.num_layers = num_layers
        self.normalization = normalization
        self.conditional = conditional
        self.high_bands = high_bands
        self.value_range = value_range
        self.ending = ending
        self.minimum_size = max(3 * 2**num_layers, Wavelet.smallest_size if high_bands else 1)

    @property
    def feature_layers(self) -> list[str]:
        return [f"activation_{number}" for number in range(self.num_layers + 1)]
