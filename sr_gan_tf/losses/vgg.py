"""The convolutional trunks of VGG16 and VGG19 as fixed feature extractors.

Simonyan and Zisserman 2014, arXiv:1409.1556. Plain operations on constants instead of Keras layers: a trunk is not part
of checkpoints, is not affected by a precision policy, and computes only the layers that a loss needs. Pictures are RGB
in [0, 1] and are converted here, once, to the format that the weights expect. The weights come from vgg_weights.py.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.losses.shared_passes import known_features

NETWORKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # convolutions in each of the five blocks
FILTERS = (64, 128, 256, 512, 512)
MEAN_BGR = (103.939, 116.779, 123.68)
# torchvision's, for RGB in [0, 1].
MEAN_RGB, DEVIATION_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGE = ("image", False)  # the tap of the picture itself


def layer_names(network: str) -> list[str]:
    """Names as in keras.applications, shallow to deep: block1_conv1, block1_conv2, block1_pool, block2_conv1, ..."""
    names = []
    for block, convolutions in enumerate(NETWORKS[network], start=1):
        names += [f"block{block}_conv{index}" for index in range(1, convolutions + 1)]
        names.append(f"block{block}_pool")
    return names


def preprocess(image: tf.Tensor) -> tf.Tensor:
    """Converts (N, H, W, 3) RGB in [0, 1] to BGR in 0..255 minus the ImageNet mean."""
    return tf.reverse(image, axis=[-1]) * 255 - tf.constant(MEAN_BGR, image.dtype)


def normalize(image: tf.Tensor) -> tf.Tensor:
    """(N, H, W, 3) RGB in [0, 1] minus ImageNet's mean, divided by its deviation, as torchvision does."""
    return (image - tf.constant(MEAN_RGB, image.dtype)) / tf.constant(DEVIATION_RGB, image.dtype)


class Trunk:
    """Maps (N, H, W, 3) in [0, 1] to features of selected layers; (N, H/2^(b-1), W/2^(b-1), C) in block b.

    Args:
        network: "vgg16" or "vgg19".
        convolutions: name to (kernel, bias) arrays, for every convolution of the network.
        precision: "bfloat16" for all convolutions except the first; features have the dtype of the pictures.
        prepare: converts pictures to the format that the weights expect, `preprocess` or `normalize`.
        pooling: "max", or "l2", the smooth pooling of DISTS.
    """

    def __init__(
        self,
        network: str,
        convolutions: dict[str, tuple[np.ndarray, np.ndarray]],
        precision: str = "float32",
        prepare: Callable[[tf.Tensor], tf.Tensor] = preprocess,
        pooling: Literal["max", "l2"] = "max",
    ):
        self.network = network
        self.precision = precision
        self._prepare = prepare
        self._pool = _POOLINGS[pooling]
        with tf.init_scope():
            self._convolutions = {
                # bfloat16 cannot resolve single gray levels in 0..255, so the first convolution stays in float32.
                name: tuple(tf.constant(array, tf.float32 if name == "block1_conv1" else precision) for array in arrays)
                for name, arrays in convolutions.items()
            }

    def features(self, image: tf.Tensor, taps: Iterable[tuple[str, bool]]) -> dict[tuple[str, bool], tf.Tensor]:
        """Features by tap: (layer name, True for the values of a convolution before its ReLU), or IMAGE."""
        taps = set(taps)
        if image.shape[-1] != 3:
            raise ValueError(f"{self.network}: expected RGB pictures (N, H, W, 3), found {tuple(image.shape)}")
        found = known_features(self, image)
        found[IMAGE] = x = image
        for name in layer_names(self.network):
            if (name, False) not in found:
                self.add_layer(name, x, found)
            x = found[name, False]
            if taps <= found.keys():
                return {tap: tf.cast(found[tap], image.dtype) for tap in taps}
        raise ValueError(f"{self.network}: no layers {sorted(taps - found.keys())}")

    def add_layer(self, name: str, x: tf.Tensor, found: dict[tuple[str, bool], tf.Tensor]) -> None:
        """Adds the features of one layer to `found`, from those of the layer before it."""
        if name not in self._convolutions:
            found[name, False] = self._pool(x)
            return
        if name == "block1_conv1":
            x = self._prepare(x)  # (N, H, W, 3)
        kernel, bias = self._convolutions[name]
        if self.precision == "bfloat16":
            x = tf.cast(x, kernel.dtype)
        else:
            kernel, bias = tf.cast(kernel, x.dtype), tf.cast(bias, x.dtype)
        x = tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), bias)
        found[name, True] = x
        found[name, False] = tf.nn.relu(x)


def _max_pool(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(x, ksize=2, strides=2, padding="VALID")


def _l2_pool(x: tf.Tensor) -> tf.Tensor:
    """Square root of the mean square under a 3 x 3 Hann window at every other position, with zero padding."""
    wide = tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x
    window = tf.constant(np.outer((1, 2, 1), (1, 2, 1)) / 16, wide.dtype)
    kernel = tf.tile(window[:, :, None, None], (1, 1, x.shape[-1], 1))
    padded = tf.pad(tf.square(wide), [[0, 0], [1, 1], [1, 1], [0, 0]])
    means = tf.nn.depthwise_conv2d(padded, kernel, strides=[1, 2, 2, 1], padding="VALID")
    return tf.cast(tf.sqrt(means + 1e-12), x.dtype)


_POOLINGS = {"max": _max_pool, "l2": _l2_pool}


def check_layers(network: str, layers: dict[str, float], argument: str = "layers") -> None:
    """Rejects unknown layers and invalid weights; `argument` names them in messages."""
    if not layers:
        raise InputError(f"{argument} is empty; set at least one layer of {network}, e.g. {layer_names(network)[-2]!r}")
    for name, weight in layers.items():
        if name not in layer_names(network):
            raise InputError(f"{argument}: {network} has no {name!r}{suggest(name, layer_names(network))}")
        if not 0 < weight < float("inf"):
            raise InputError(f"{argument}.{name}: the weight must be above 0, found {weight!r}")


def on_vgg16(layers: dict[str, float]) -> dict[str, float]:
    """Maps layer weights of VGG19 to VGG16, which has three convolutions in blocks 3 to 5 instead of four."""
    result: dict[str, float] = {}
    for name, weight in layers.items():
        name = name if name in layer_names("vgg16") else name.replace("conv4", "conv3")
        result[name] = result.get(name, 0) + weight
    return result


def smallest_size(layers: Iterable[str]) -> int:
    """Minimum pixels per side for one position in the deepest layer."""
    return max(2 ** (int(name[len("block")]) - (0 if name.endswith("pool") else 1)) for name in layers)


def footprint(network: str, layer: str) -> tuple[int, int, int]:
    """First and last pixel that position 0 of a layer depends on, and the pixels from one position to the next."""
    first, last, stride = 0, 0, 1
    for name in layer_names(network):
        if name.endswith("pool"):
            last, stride = last + stride, 2 * stride
        else:
            first, last = first - stride, last + stride
        if name == layer:
            break
    return first, last, stride
