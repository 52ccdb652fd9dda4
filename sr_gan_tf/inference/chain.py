"""Which networks enlarge a picture: one, several in a row, or the mean of two networks' weights."""

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import keras
import numpy as np

from sr_gan_tf.devices import has_fast_bfloat16
from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.inference.enlarger import Enlarger, enlarger_of
from sr_gan_tf.models import WEIGHTS, load
from sr_gan_tf.networks import Generator, computing

Precision = Literal["auto", "float32", "bfloat16"]
# What bfloat16 may cost before the automatic choice keeps to float32, in dB.
_BFLOAT16_LOSS = 0.02
_MOST_PASSES, _LARGEST_SCALE = 100, 1024


@dataclasses.dataclass(frozen=True)
class Chain:
    """Enlargers that a picture goes through one after another.

    Attributes:
        name: what files and messages call it.
        enlargers: at least one.
        precision: in which the networks compute.
    """

    name: str
    enlargers: tuple[Enlarger, ...]
    precision: str = "float32"

    @property
    def scale(self) -> int:
        return int(np.prod([enlarger.scale for enlarger in self.enlargers]))


def load_chain(
    models: Sequence[str | Path | keras.Model], passes: int = 1, precision: Precision = "auto", ensemble: bool = False
) -> Chain:
    """The networks named by `models`, ready to run.

    Args:
        models: each a shipped name, a run folder, a file, a loaded model, or `A:0.7,B:0.3` for weights interpolated
            between networks of one kind.
        passes: how often the picture goes through the whole chain.
        precision: `"bfloat16"` computes in it where the network keeps to its rules; `"auto"` only where the
            processor is fast at it and the model's card shows that it costs under 0.02 dB.
        ensemble: mean over the eight flips and turns.

    Raises:
        InputError: for a model that cannot be loaded or interpolated.
    """
    if not 1 <= passes <= _MOST_PASSES:
        raise InputError(f"--passes {passes}: expected 1 or more, {_MOST_PASSES} at most")
    if precision not in get_args(Precision):
        raise InputError(f"--precision {precision}: not known{suggest(str(precision), get_args(Precision))}")
    parts = [_part(model, precision, ensemble) for model in models]
    scale = math.prod(part.enlarger.scale for part in parts)
    if scale**passes > _LARGEST_SCALE:
        raise InputError(
            f"networks of x{scale} and --passes {passes} make more than x{_LARGEST_SCALE}, the limit; give fewer"
        )
    return Chain(
        "+".join(part.name for part in parts),
        tuple(part.enlarger for part in parts) * passes,
        "+".join(sorted({part.precision for part in parts})),
    )


@dataclasses.dataclass(frozen=True)
class _Part:
    name: str
    enlarger: Enlarger
    precision: str


# The networks used last: loading and compiling one takes longer than many a picture.
_recent: dict[tuple, _Part] = {}
_KEPT = 4


def _part(model: str | Path | keras.Model, precision: Precision, ensemble: bool) -> _Part:
    if isinstance(model, keras.Model):
        if precision != "bfloat16" and not ensemble:
            return _Part(model.name, enlarger_of(model), "float32")
        return _made(model, precision, ensemble)
    key = (str(model), _stamp(model), precision, ensemble)
    part = _recent.pop(key, None) or _made(model, precision, ensemble)
    _recent[key] = part  # last, as the one used last
    while len(_recent) > _KEPT:
        _recent.pop(next(iter(_recent)))
    return part


def _made(model: str | Path | keras.Model, precision: Precision, ensemble: bool) -> _Part:
    name, network = named_network(model)
    chosen = _precision(model, network, precision)
    return _Part(name, Enlarger(in_precision(network, chosen), ensemble), chosen)


def _stamp(model: str | Path) -> tuple[int, ...]:
    """When the files of a model were last written: a run that resumes makes a new model under the same name."""
    names = [part.rpartition(":")[0] if "," in str(model) else part for part in str(model).split(",")]
    inside = ("", "best.keras", "last.keras", "saved_model.pb")
    files = [Path(name) / file for name in names for file in inside]
    return tuple(path.stat().st_mtime_ns for path in files if os.path.exists(path))


def named_network(model: str | Path | keras.Model) -> tuple[str, keras.Model]:
    """The name and the merged network of a shipped name, run folder, file, loaded model, or `A:0.7,B:0.3`."""
    if isinstance(model, keras.Model):
        return model.name, _merged(model)
    if "," in str(model) and not os.path.exists(model):
        return _interpolated(str(model))
    return _stem(model), _merged(load(model))


def _merged(network: keras.Model) -> keras.Model:
    return network.for_inference() if isinstance(network, Generator) else network


def _stem(model: str | Path) -> str:
    path = Path(model)
    return path.stem if path.suffix == ".keras" else path.resolve().name if os.path.exists(path) else path.name


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
    return "+".join(f"{_stem(model)}-{weight:g}" for model, weight in parts), mixed


def _kind(network: keras.Model) -> str:
    return f"{type(network).__name__} x{getattr(network, 'scale', '?')}"


def _precision(model: str | Path | keras.Model, network: keras.Model, wanted: Precision) -> str:
    if wanted == "bfloat16" and not isinstance(network, Generator):
        raise InputError(f"--precision bfloat16: {model} is an exported model, which computes as it was exported")
    if wanted != "auto":
        return wanted
    return "bfloat16" if _bfloat16_is_harmless(model) and has_fast_bfloat16() else "float32"


def _bfloat16_is_harmless(model: str | Path | keras.Model) -> bool:
    """Whether the card of a shipped model says so."""
    try:
        card = json.loads((WEIGHTS / f"{model}.json").read_text(encoding="utf-8"))
        return float(card["bfloat16_loss_db"]) < _BFLOAT16_LOSS
    except (OSError, ValueError, KeyError, TypeError):
        return False


def in_precision(network: keras.Model, precision: str) -> keras.Model:
    """The same network computing in another precision; its own rules say what stays in float32."""
    if not isinstance(network, Generator):
        return network
    # Not `network.copy()`, which keeps the policy that the network was made under.
    with computing("mixed_bfloat16" if precision == "bfloat16" else "float32"):
        twin = type(network).from_config(network.get_config())
    twin.set_weights(network.get_weights())
    return twin
