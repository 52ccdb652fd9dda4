"""Chains of networks: one network, several in sequence, or the mean of two networks' weights."""

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from sr_gan_tf.devices import has_fast_bfloat16
from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.inference.enlarger import Enlarger
from sr_gan_tf.inference.ready_graphs import ready_enlarger
from sr_gan_tf.quiet_start import import_tensorflow
from sr_gan_tf.shipped import WEIGHTS, shipped_models

if TYPE_CHECKING:
    import keras

Precision = Literal["auto", "float32", "bfloat16"]
# Loss in bfloat16 (dB) above which the automatic choice uses float32.
_BFLOAT16_LOSS = 0.02
_MOST_PASSES, _LARGEST_SCALE = 100, 1024


@dataclasses.dataclass(frozen=True)
class Chain:
    """Enlargers that process a picture in sequence.

    Attributes:
        name: the name in files and messages.
        enlargers: at least one.
        precision: of the networks' computations.
    """

    name: str
    enlargers: tuple[Enlarger, ...]
    precision: str = "float32"

    @property
    def scale(self) -> int:
        return int(np.prod([enlarger.scale for enlarger in self.enlargers]))


def load_chain(
    models: "Sequence[str | Path | keras.Model]", passes: int = 1, precision: Precision = "auto", ensemble: bool = False
) -> Chain:
    """Loads the networks named by `models`.

    Args:
        models: each a shipped name, a run folder, a file, a loaded model, or `A:0.7,B:0.3` for a mix: of the weights if
            one network was trained from the other, otherwise of the pictures.
        passes: number of passes through the whole chain.
        precision: `"bfloat16"` computes in bfloat16 where the network allows it; `"auto"` does so only if the processor
            supports it and the card of the model lists a loss below 0.02 dB.
        ensemble: whether to average over the eight flips and rotations.

    Raises:
        InputError: a model cannot be loaded or interpolated.
    """
    if not 1 <= passes <= _MOST_PASSES:
        raise InputError(f"--passes {passes}: expected 1 to {_MOST_PASSES}")
    if precision not in get_args(Precision):
        raise InputError(f"--precision {precision}: unknown{suggest(str(precision), get_args(Precision))}")
    parts = [_part(model, precision, ensemble) for model in models]
    scale = math.prod(part.enlarger.scale for part in parts)
    if scale**passes > _LARGEST_SCALE:
        raise InputError(
            f"networks of x{scale} and --passes {passes} enlarge by more than x{_LARGEST_SCALE}, the limit; use fewer"
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


# The most recently used networks: loading and compiling one takes longer than many pictures.
_recent: dict[tuple, _Part] = {}
_KEPT = 4


def _part(model: "str | Path | keras.Model", precision: Precision, ensemble: bool) -> _Part:
    if not isinstance(model, (str, Path)):
        return _made(model, precision, ensemble)
    key = (str(model), _stamp(model), precision, ensemble)
    part = _recent.pop(key, None) or _ready(str(model), precision, ensemble) or _made(model, precision, ensemble)
    _recent[key] = part  # most recently used
    while len(_recent) > _KEPT:
        _recent.pop(next(iter(_recent)))
    return part


def _ready(model: str, precision: Precision, ensemble: bool) -> _Part | None:
    """A shipped network with graphs saved by an earlier process, if TensorFlow is not imported."""
    if model not in shipped_models():
        return None
    chosen = _precision(model, precision)
    enlarger = ready_enlarger(model, chosen, ensemble, lambda: _made(model, precision, ensemble).enlarger)
    return None if enlarger is None else _Part(model, enlarger, chosen)


def _made(model: "str | Path | keras.Model", precision: Precision, ensemble: bool) -> _Part:
    import_tensorflow()
    from sr_gan_tf.inference import keras_enlarger, named_networks  # these import Keras, which takes seconds

    if not isinstance(model, (str, Path)) and precision != "bfloat16" and not ensemble:
        return _Part(model.name, keras_enlarger.enlarger_of(model), "float32")
    named = isinstance(model, (str, Path))
    name, network = named_networks.named_network(model)
    if precision == "bfloat16" and not named_networks.is_ours(network):
        raise InputError(f"--precision bfloat16: {model} is an exported model, which computes as it was exported")
    chosen = _precision(model, precision) if named or precision == "bfloat16" else "float32"
    kept_as = (str(model), chosen) if named and str(model) in shipped_models() else None
    enlarger = keras_enlarger.KerasEnlarger(named_networks.in_precision(network, chosen), ensemble, kept_as)
    return _Part(name, enlarger, chosen)


def _stamp(model: str | Path) -> tuple[int, ...]:
    """Modification time of a model's files: a resumed run writes a new model under the same name."""
    names = [part.rpartition(":")[0] if "," in str(model) else part for part in str(model).split(",")]
    inside = ("", "best.keras", "last.keras", "saved_model.pb")
    files = [Path(name) / file for name in names for file in inside]
    return tuple(path.stat().st_mtime_ns for path in files if os.path.exists(path))


def _precision(model: str | Path, wanted: Precision) -> str:
    if wanted != "auto":
        return wanted
    return "bfloat16" if _bfloat16_is_harmless(model) and has_fast_bfloat16() else "float32"


def _bfloat16_is_harmless(model: str | Path) -> bool:
    """Whether the card of a shipped model allows bfloat16."""
    try:
        card = json.loads((WEIGHTS / f"{model}.json").read_text(encoding="utf-8"))
        return float(card["bfloat16_loss_db"]) < _BFLOAT16_LOSS
    except (OSError, ValueError, KeyError, TypeError):
        return False
