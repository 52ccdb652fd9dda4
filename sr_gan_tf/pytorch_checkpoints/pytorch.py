"""Public PyTorch checkpoints as our networks, recognized by the names of their weights alone.

Read are `.safetensors` files and those of `torch.save` (`.pth`, `.pt`; see torch_pickle.py), a state_dict itself or
one wrapped in `params_ema`, `params`, `state_dict` or the like. PyTorch is not needed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints.layouts import Family, State
from sr_gan_tf.pytorch_checkpoints.pytorch_discriminators import FAMILIES as DISCRIMINATOR_FAMILIES
from sr_gan_tf.pytorch_checkpoints.pytorch_generators import FAMILIES as GENERATOR_FAMILIES
from sr_gan_tf.pytorch_checkpoints.torch_pickle import read_torch

FAMILIES: tuple[Family, ...] = (*GENERATOR_FAMILIES, *DISCRIMINATOR_FAMILIES)

# The average over training first: it is what its author published the file for.
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "generator", "net_g", "net_d")
# What frameworks put before a network's names: DataParallel, torch.compile, averaged models, Lightning, trainers. Here,
# too, the average comes first.
_PREFIXES = (
    "ema_model.", "model_ema.", "net_g_ema.", "generator_ema.", "g_ema.", "ema.", "module.", "_orig_mod.", "model.",
    "generator.", "net_g.", "netG.", "net_d.", "netD.", "discriminator.",
)  # fmt: skip
_PARAMETRIZED = {
    ".parametrizations.weight.original": ".weight_orig",
    ".parametrizations.weight.0._u": ".weight_u",
    ".parametrizations.weight.0._v": ".weight_v",
}


def load_pytorch(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Network:
    """The network that a PyTorch checkpoint holds.

    Args:
        path: `.safetensors`, or what `torch.save` wrote.
        overrides: constructor arguments that its weights don't tell, e.g. `{"published_attention": True}`.

    Raises:
        InputError: not such a file, an unknown network, or weights that don't fit together.
    """
    return network_of(read_state(Path(path)), str(path), overrides)


def read_state(path: Path) -> State:
    """Weights of a checkpoint by name, floating point ones as float32.

    Raises:
        InputError: it cannot be read, or holds no weights.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path)
    content = content if isinstance(content, dict) else {}
    while wrapper := next((key for key in _WRAPPERS if isinstance(content.get(key), dict)), None):
        content = content[wrapper]
    arrays = {str(key): value for key, value in content.items() if isinstance(value, np.ndarray)}
    if not arrays:
        raise InputError(f"{path} holds no weights; expected a state_dict, alone or under {', '.join(_WRAPPERS)}")
    return {_plain_name(key): _float32(value) for key, value in arrays.items()}


def network_of(state: State, where: str, overrides: Mapping[str, Any] | None = None) -> Network:
    """The network whose weights these are; `where` names their file in messages."""
    family, state = _recognized(state, where)
    noted = _Noted(state)
    try:
        config, weights = family.read(noted)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        missing = f"{error.args[0]} is missing" if isinstance(error, KeyError) else one_line(error)
        raise InputError(
            f"{where} looks like {family.class_name}, but cannot be one: {missing}; only the published form is read"
        ) from error
    unread = [key for key in state if key not in noted.read and not key.endswith(family.derived)]
    # A whole number alone counts something (`n_averaged`, `num_batches_tracked`) and is no weight.
    unread = [key for key in unread if state[key].ndim or state[key].dtype.kind == "f"]
    if unread:
        raise InputError(
            f"{where} looks like {family.class_name}, but has weights that it does not: {_some(unread)}; "
            "only the published form is read"
        )
    catalogue = GENERATORS | DISCRIMINATORS
    config = getattr(catalogue[family.class_name], "PUBLISHED", {}) | config | dict(overrides or {})
    for name, choices in family.unsaid.items():
        if name not in config:
            ways = " or ".join(f"--set '{name}=\"{choice}\"'" for choice in choices)
            raise InputError(f"{where} is a {family.class_name} whose weights don't tell its {name}; say it: {ways}")
    spec = Spec(family.class_name, config)
    network = build(spec, catalogue, where)
    _assign(network, weights, where)
    return network


def recognize(state: State, where: str) -> Family:
    """The family that has these keys."""
    for family in FAMILIES:
        if all(key in state for key in family.keys):
            return family
    known = ", ".join(dict.fromkeys(family.class_name for family in FAMILIES))
    raise InputError(f"{where} is of no network known here ({known}); its weights begin with {_some(list(state))}")


def _recognized(state: State, where: str) -> tuple[Family, State]:
    """The family, and its state without what a framework has put before all names, or before those of one network.

    Names are first taken as they are: those of ESRGAN's first publication begin with `model.` themselves.
    """
    coming = [state]
    while coming:
        names = coming.pop(0)
        for family in FAMILIES:
            if all(key in names for key in family.keys):
                return family, names
        coming += [part for prefix in _PREFIXES if (part := _under(prefix, names))]
    # Any other name may stand there, as long as it is one.
    prefixes = {key[: place + 1] for key in state for place, letter in enumerate(key) if letter == "."}
    found = {prefix: _under(prefix, state) for prefix in sorted(prefixes)}
    found = {
        prefix: part for prefix, part in found.items() if any(all(key in part for key in one.keys) for one in FAMILIES)
    }
    if len(found) > 1:
        raise InputError(
            f"{where} holds several networks, {' and '.join(found)}; save the weights of one of them, without that"
        )
    state = next(iter(found.values()), state)
    return recognize(state, where), state


def _under(prefix: str, state: State) -> State:
    """The part of a state whose names begin with a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


class _Noted(dict):
    """A state that notes which keys were read."""

    def __init__(self, state: State):
        super().__init__(state)
        self.read: set[str] = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        return self[key] if key in self else default  # noqa: SIM401 - __getitem__ takes note


def _read_safetensors(path: Path) -> dict:
    try:
        return load_file(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or one_line(error)}") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no whole .safetensors file: {one_line(error)}") from error


def _plain_name(key: str) -> str:
    """Names without DataParallel's prefix, spectral norm as in its older form."""
    key = key.removeprefix("module.")
    for ending, plain in _PARAMETRIZED.items():
        if key.endswith(ending):
            return key.removesuffix(ending) + plain
    return key


def _float32(array: np.ndarray) -> np.ndarray:
    # bfloat16 is no kind of float to NumPy.
    return array.astype(np.float32) if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array


def _assign(network: Network, weights: State, where: str) -> None:
    variables = {variable.path: variable for variable in network.weights}
    wrong = [
        f"{path} {tuple(weights[path].shape) if path in weights else 'missing'}, expected {tuple(variable.shape)}"
        for path, variable in variables.items()
        if path not in weights or tuple(weights[path].shape) != tuple(variable.shape)
    ]
    wrong += [f"{path} has no place" for path in weights if path not in variables]
    if wrong:
        raise InputError(
            f"{where} looks like {type(network).__name__}, but its weights do not fit: {_some(wrong, '; ')}"
        )
    bad = [path for path in variables if not np.isfinite(weights[path]).all()]
    if bad:
        raise InputError(f"{where} holds weights that are not finite: {_some(bad)}")
    for path, variable in variables.items():
        variable.assign(weights[path])


def _some(items: list[str], separator: str = ", ") -> str:
    rest = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return separator.join(items[:3]) + rest
