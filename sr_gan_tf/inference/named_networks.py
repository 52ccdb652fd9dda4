"""Loads networks by the names that a user gives, merged for inference, in the requested precision."""

import os
from pathlib import Path

import keras
import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.generators.wrapped import WrappedGenerator
from sr_gan_tf.models import load
from sr_gan_tf.networks import Generator, computing
from sr_gan_tf.resampling import imresize


def named_network(model: str | Path | keras.Model) -> tuple[str, keras.Model]:
    """Returns name and merged network for a shipped name, run folder, file, loaded model, or `A:0.7,B:0.3`."""
    if isinstance(model, keras.Model):
        return model.name, _merged(model)
    if "," in str(model) and not os.path.exists(model):
        return _interpolated(str(model))
    return stem(model), _merged(load(model))


def _merged(network: keras.Model) -> keras.Model:
    return network.for_inference() if isinstance(network, Generator) else network


def _interpolated(text: str) -> tuple[str, keras.Model]:
    """Mixes `A:0.7,B:0.3`: the weights of A and B if they fit together, otherwise their output pictures."""
    parts = []
    for part in text.split(","):
        model, separator, weight = part.rpartition(":")
        try:
            parts.append((model, float(weight)))
        except ValueError:
            separator = ""
        if not separator or not model:
            raise InputError(f"--model {text}: expected NAME:WEIGHT,NAME:WEIGHT, e.g. span_x4:0.7,span_x4_gan:0.3")
    total = sum(weight for _, weight in parts)
    if not abs(total - 1) <= 1e-6:  # rejects nan as well
        raise InputError(f"--model {text}: the weights add up to {total:g}, expected 1")
    networks = [_merged(load(model)) for model, _ in parts]
    for (model, _), network in zip(parts, networks, strict=True):
        if not isinstance(network, Generator):
            raise InputError(
                f"--model {text}: {model} is an exported model; only .keras files, run folders and shipped names can "
                "be mixed"
            )
    scales = {model: network.scale for (model, _), network in zip(parts, networks, strict=True)}
    if len(set(scales.values())) > 1:
        found = ", ".join(f"{model} by {scale}" for model, scale in scales.items())
        raise InputError(f"--model {text}: only networks of one scale can be mixed, and these enlarge {found}")
    shares = [weight for _, weight in parts]
    name = "+".join(f"{stem(model)}-{weight:g}" for model, weight in parts)
    return name, _with_mixed_weights(networks, shares) or _with_mixed_pictures(networks, shares)


def _with_mixed_weights(networks: list[Generator], shares: list[float]) -> Generator | None:
    """Returns the network with the weighted sum of the weights, as fast as one; None if that is no mix of the pictures.

    It is one if one network was trained from the other. The weights of networks with different histories represent
    different features, and their sum represents none.
    """
    first = networks[0]
    if any(type(other) is not type(first) or _settings(other) != _settings(first) for other in networks[1:]):
        return None
    mixed = first.copy()
    rows = zip(*(network.get_weights() for network in networks), strict=True)
    mixed.set_weights([sum(share * value for share, value in zip(shares, row, strict=True)) for row in rows])
    coarse = np.random.default_rng(0).random((12, 16, 3), np.float32)
    probe = np.clip(imresize(coarse, 3), 0, 1).astype("float32")[None]
    pictures = [np.asarray(network(probe), "float64") for network in networks]
    between = np.tensordot(shares, np.stack(pictures), axes=1)
    apart = max(_distance(picture, pictures[0]) for picture in pictures)
    return mixed if _distance(np.asarray(mixed(probe), "float64"), between) <= apart + 1e-3 else None


def _with_mixed_pictures(networks: list[Generator], shares: list[float]) -> Generator:
    """Returns a network that runs all of them and returns the weighted sum of their pictures."""
    inputs = keras.Input((None, None, 3), name="lr")
    parts = [
        keras.layers.Rescaling(share, dtype="float32", name=f"share{index}")(network.copy(f"part{index}")(inputs))
        for index, (network, share) in enumerate(zip(networks, shares, strict=True))
    ]
    picture = keras.layers.Add(dtype="float32", name="mix")(parts) if len(parts) > 1 else parts[0]
    return WrappedGenerator(keras.Model(inputs, picture, name="mix"))


def _settings(network: Generator) -> dict:
    return {**network.get_config(), "name": None}


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


def stem(model: str | Path) -> str:
    """The name of a model in files and messages."""
    path = Path(model)
    return path.stem if path.suffix == ".keras" else path.resolve().name if os.path.exists(path) else path.name


def in_precision(network: keras.Model, precision: str) -> keras.Model:
    """Returns the same network computing in another precision; its own rules define what stays in float32."""
    if not isinstance(network, Generator):
        return network
    # Not `network.copy()`, which keeps the policy with which the network was created.
    with computing("mixed_bfloat16" if precision == "bfloat16" else "float32"):
        twin = type(network).from_config(network.get_config())
    twin.set_weights(network.get_weights())
    return twin


def is_ours(network: keras.Model) -> bool:
    """Whether the network can compute in a precision other than the one it was created with."""
    return isinstance(network, Generator)
