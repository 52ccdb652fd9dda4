"""FeatureDiscriminator: judges the features of a fixed VGG network instead of pixels.

After Projected GANs: Sauer et al. 2021 (arXiv:2111.01007). A discriminator that reads the features of a network trained
on ImageNet does not have to learn what textures are, so it is useful to the generator within a few hundred steps. As in
the paper, every layer has a head of its own. Our choices: the trunk is that of the perceptual losses, there are no
random projections, each position's features are scaled to a mean square of 1, the heads have spectral normalization
(Miyato et al. 2018, arXiv:1802.05957), and the logits of deeper layers are repeated on the grid of the shallowest one,
so that every layer has the same weight in the loss.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers

from sr_gan_tf.arguments import at_least, one_of
from sr_gan_tf.discriminators.endings import with_ending
from sr_gan_tf.layers.spectral_norm import SpectralConv2D
from sr_gan_tf.losses.low_pass import BORDER
from sr_gan_tf.losses.package_weights import offering_lpips
from sr_gan_tf.losses.trunk_loss import unit_length
from sr_gan_tf.losses.vgg import check_layers, footprint, on_vgg16, smallest_size
from sr_gan_tf.losses.vgg_weights import load_trunk
from sr_gan_tf.networks import Discriminator


@keras.saving.register_keras_serializable("sr_gan_tf")
class TrunkFeatures(layers.Layer):
    """(N, H, W, 3) in [0, 1] to a list of features (N, H', W', C) of a fixed network, each with a mean square of 1.

    The fixed network is not among the layer's weights, so files and checkpoints do not contain it.

    Args:
        network: "vgg16" or "vgg19".
        trunk_weights: as `weights` of the loss `VGGFeatures`.
        taps: names of the layers to read, shallow to deep; after their ReLU.
        precision, cutoff: as in `VGGFeatures`.
    """

    def __init__(
        self,
        network: str,
        trunk_weights: str,
        taps: Sequence[str],
        precision: str = "float32",
        cutoff: float | None = None,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.network = network
        self.trunk_weights = trunk_weights
        self.taps = list(taps)
        self.precision = precision
        self.cutoff = cutoff
        border = 0 if cutoff is None else BORDER
        fields = [footprint(network, tap) for tap in self.taps]
        self.footprints = [(first - border, last + border, stride) for first, last, stride in fields]
        self._trunk = load_trunk(network, trunk_weights, precision, cutoff=cutoff)

    def call(self, inputs):
        found = self._trunk.features(inputs, [(name, False) for name in self.taps])
        features = [found[name, False] for name in self.taps]
        return [unit_length(each) * each.shape[-1] ** 0.5 for each in features]

    def get_config(self):
        names = ("network", "trunk_weights", "taps", "precision", "cutoff")
        return super().get_config() | {name: getattr(self, name) for name in names}


def discriminator_on_trunk(config: dict, weights: str) -> dict:
    """The arguments of a `FeatureDiscriminator` with other weights of its trunk: "imagenet", or "lpips" or "hed"."""
    config = dict(config) | {"trunk_weights": weights}
    if weights != "imagenet":
        config["network"] = "vgg16"
        if "taps" in config:
            config["taps"] = list(on_vgg16(dict.fromkeys(config["taps"], 1.0)))
    return config


@keras.saving.register_keras_serializable("sr_gan_tf")
class FeatureDiscriminator(Discriminator):
    """(N, H, W, 3) in [0, 1] to (N, H', W', number of taps) logits, on the grid of the shallowest tap.

    H' = H / 2^(b-1) for a tap in block b, and W' likewise.

    Args:
        network: "vgg16" or "vgg19".
        trunk_weights: as `weights` of the loss `VGGFeatures`: "imagenet", "lpips" or "hed" (both vgg16 only), or the
            path of a Keras file.
        taps: names of the convolutions (as in keras.applications) to judge, shallow to deep.
        filters: channels of each head, at least 1.
        precision: "bfloat16" for the trunk's convolutions after the first; faster if the processor supports it.
        ending: batch statistics appended before the logits of each head (see endings.py), or None.
        cutoff: judge pictures without their frequencies above it, in cycles per pixel; default: all frequencies.
        name: name of the model.

    Raises:
        InputError: the weights can't be found, or a tap's name is wrong.
        ValueError: an argument is outside the values described above.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.discriminators import DISCRIMINATORS
        >>> discriminator = DISCRIMINATORS["FeatureDiscriminator"](network="vgg16", trunk_weights="lpips")
        >>> discriminator(tf.zeros((2, 32, 48, 3))).shape
        TensorShape([2, 16, 24, 3])
    """

    def __init__(
        self,
        network: Literal["vgg16", "vgg19"] = "vgg19",
        trunk_weights: str = "imagenet",
        taps: tuple[str, ...] = ("block2_conv2", "block3_conv3", "block4_conv3"),
        filters: int = 64,
        precision: Literal["float32", "bfloat16"] = "float32",
        ending: dict | None = None,
        cutoff: float | None = None,
        name: str | None = "feature_discriminator",
    ):
        at_least(1, filters=filters)
        one_of("network", network, ("vgg16", "vgg19"))
        one_of("precision", precision, ("float32", "bfloat16"))
        check_layers(network, dict.fromkeys(taps, 1.0), "taps")
        strides = [smallest_size([tap]) for tap in taps]
        if strides != sorted(strides):
            raise ValueError(f"taps must run from shallow to deep, found {', '.join(taps)}")

        picture = keras.Input((None, None, 3), name="picture")
        config: dict[str, Any] = {"network": network, "taps": list(taps), "filters": filters, "precision": precision}
        config |= {name: value for name, value in (("ending", ending), ("cutoff", cutoff)) if value is not None}
        with offering_lpips(trunk_weights, lambda: discriminator_on_trunk(config, "lpips")):
            trunk = TrunkFeatures(network, trunk_weights, taps, precision, cutoff, name="trunk")
        features = trunk(picture)
        grids = []
        for tap, stride, x in zip(taps, strides, features, strict=True):
            x = SpectralConv2D(filters, 1, padding=0, name=f"{tap}_mix")(x)
            x = layers.LeakyReLU(0.2, name=f"{tap}_activation_0")(x)
            x = SpectralConv2D(filters, 3, name=f"{tap}_conv")(x)
            x = layers.LeakyReLU(0.2, name=f"{tap}_activation_1")(x)
            x = with_ending(x, ending)
            x = SpectralConv2D(1, 1, padding=0, name=f"{tap}_logits", dtype="float32")(x)
            if stride > strides[0]:
                x = layers.UpSampling2D(stride // strides[0], dtype="float32", name=f"{tap}_grid")(x)
            grids.append(x)
        logits = layers.Concatenate(dtype="float32", name="logits")(grids) if len(grids) > 1 else grids[0]
        super().__init__(picture, logits, name=name)
        self.network = network
        self.trunk_weights = trunk_weights
        self.taps = taps
        self.filters = filters
        self.precision = precision
        self.ending = ending
        self.cutoff = cutoff
        self.size_multiple = self.minimum_size = strides[-1]

    @property
    def feature_layers(self) -> list[str]:
        return [f"{tap}_activation_1" for tap in self.taps]
