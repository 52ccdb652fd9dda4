"""Networks by what the user calls them, merged for inference, in the precision that was asked for."""

import os
from pathlib import Path

import keras

from sr_gan_tf.errors import InputError
from sr_gan_tf.models import load
from sr_gan_tf.networks import Generator, computing


def named_network(model: str | Path | keras.Model) -> tuple[str, keras.Model]:
    """The name and the merged network of a shipped name, run folder, file, loaded model, or `A:0.7,B:0.3`."""
    if isinstance(model, keras.Model):
        return model.name, _merged(model)
    if "," in str(model) and not os.path.exists(model):
        return _interpolated(str(model))
    return stem(model), _merged(load(model))


def _merged(network: keras.Model) -> keras.Model:
    return network.for_inference() if isinstance(network, Generator) else network


def _interpolated(text: str) -> tuple[str, keras.Model]:
    """`A:0.7,B:0.3`: a network whose weights are the weighted sum of A's and B's."""
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
    if not abs(total - 1) <= 1e-6:  # nan, too
        raise InputError(f"--model {text}: the weights add up to {total:g}, expected 1")
    networks = [_merged(load(model)) for model, _ in parts]
    for (model, _), network in zip(parts, networks, strict=True):
        if not isinstance(network, Generator):
            raise InputError(
                f"--model {text}: {model} is an exported model; only .keras files, run folders and shipped names can "
                "be mixed"
            )
    first = networks[0]
    for (model, _), network in zip(parts[1:], networks[1:], strict=True):
        ours, theirs = ({**item.get_config(), "name": None} for item in (first, network))
        if type(network) is not type(first) or ours != theirs:
            raise InputError(
                f"--model {text}: {model} is a {_kind(network)}, {parts[0][0]} a {_kind(first)}; only networks of one "
                "kind and configuration can be interpolated"
            )
    mixed = first.copy()
    values = zip(*(network.get_weights() for network in networks), strict=True)
    mixed.set_weights([sum(weight * value for (_, weight), value in zip(parts, row, strict=True)) for row in values])
    return "+".join(f"{stem(model)}-{weight:g}" for model, weight in parts), mixed


def _kind(network: keras.Model) -> str:
    return f"{type(network).__name__} x{getattr(network, 'scale', '?')}"


def stem(model: str | Path) -> str:
    """What files and messages call a model."""
    path = Path(model)
    return path.stem if path.suffix == ".keras" else path.resolve().name if os.path.exists(path) else path.name


def in_precision(network: keras.Model, precision: str) -> keras.Model:
    """The same network computing in another precision; its own rules say what stays in float32."""
    if not isinstance(network, Generator):
        return network
    # Not `network.copy()`, which keeps the policy that the network was made under.
    with computing("mixed_bfloat16" if precision == "bfloat16" else "float32"):
        twin = type(network).from_config(network.get_config())
    twin.set_weights(network.get_weights())
    return twin


def is_ours(network: keras.Model) -> bool:
    """Whether the network can compute in another precision than it was made for."""
    return isinstance(network, Generator)
