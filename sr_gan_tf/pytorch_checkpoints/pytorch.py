"""Loads public PyTorch checkpoints as our networks, recognized by the names of their weights alone.

Reads `.safetensors` files and files of `torch.save` (`.pth`, `.pt`; see torch_pickle.py) that contain a state_dict,
either directly or under `params_ema`, `params`, `state_dict` or a similar key. PyTorch is not needed.
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
from sr_gan_tf.pytorch_checkpoints.layouts import Family, RecordedState, State
from sr_gan_tf.pytorch_checkpoints.pytorch_discriminators import FAMILIES as DISCRIMINATOR_FAMILIES
from sr_gan_tf.pytorch_checkpoints.pytorch_generators import FAMILIES as GENERATOR_FAMILIES
from sr_gan_tf.pytorch_checkpoints.torch_pickle import read_torch

FAMILIES: tuple[Family, ...] = (*GENERATOR_FAMILIES, *DISCRIMINATOR_FAMILIES)

# The averaged weights come first, because the authors publish files for them.
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "generator", "net_g", "net_d")
# Prefixes that frameworks add to a network's names: DataParallel, torch.compile, averaged models, Lightning, trainers.
# Again, averaged weights come first.
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
    """Loads the network of a PyTorch checkpoint.

    Args:
        path: a `.safetensors` file, or a file written by `torch.save`.
        overrides: constructor arguments that the weights don't determine, e.g. `{"published_attention": True}`.

    Raises:
        InputError: the file is of another kind, the network is unknown, or the weights don't fit together.
    """
    return network_of(read_state(Path(path)), str(path), overrides)


def read_state(path: Path) -> State:
    """Reads the weights of a checkpoint by name; floating-point weights become float32.

    Raises:
        InputError: the file cannot be read, or contains no weights.
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
    """Builds the network that has these weights; error messages name the file as `where`."""
    family, state = _recognized(state, where)
    recorded = RecordedState(state)
    try:
        config, weights = family.read(recorded)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        missing = f"{error.args[0]} is missing" if isinstance(error, KeyError) else one_line(error)
        raise InputError(
            f"{where} looks like {family.class_name}, but cannot be one: {missing}; only the published form is read"
        ) from error
    unread = [key for key in state if key not in recorded.read and not key.endswith(family.derived)]
    # A scalar integer is a counter (`n_averaged`, `num_batches_tracked`), not a weight.
    unread = [key for key in unread if state[key].ndim or state[key].dtype.kind == "f"]
    if unread:
        raise InputError(
            f"{where} looks like {family.class_name}, but has weights that it does not: {_some(unread)}; "
            "only the published form is read"
        )
    catalog = GENERATORS | DISCRIMINATORS
    config = getattr(catalog[family.class_name], "PUBLISHED", {}) | config | dict(overrides or {})
    for name, choices in family.unsaid.items():
        if name not in config:
            ways = " or ".join(f"--set '{name}=\"{choice}\"'" for choice in choices)
            raise InputError(f"{where} is a {family.class_name} whose weights do not determine its {name}; pass {ways}")
    spec = Spec(family.class_name, config)
    network = build(spec, catalog, where)
    _assign(network, weights, where)
    return network


def recognize(state: State, where: str) -> Family:
    """Returns the architecture whose keys the state has."""
    for family in FAMILIES:
        if all(key in state for key in family.keys):
            return family
    known = ", ".join(dict.fromkeys(family.class_name for family in FAMILIES))
    raise InputError(f"{where} is of no network known here ({known}); its weights begin with {_some(list(state))}")


def _recognized(state: State, where: str) -> tuple[Family, State]:
    """Returns the architecture, and its state without the prefix of a framework or of one of several networks.

    Names are first tried unchanged, because those of ESRGAN's first publication themselves begin with `model.`.
    """
    coming = [state]
    while coming:
        names = coming.pop(0)
        for family in FAMILIES:
            if all(key in names for key in family.keys):
                return family, names
        coming += [part for prefix in _PREFIXES if (part := _under(prefix, names))]
    # Any other prefix is accepted if only one of them leads to a known network.
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
    """Returns the entries whose names begin with a prefix, with the prefix removed."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _read_safetensors(path: Path) -> dict:
    try:
        return load_file(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or one_line(error)}") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no whole .safetensors file: {one_line(error)}") from error


def _plain_name(key: str) -> str:
    """Removes DataParallel's prefix, and renames spectral norm's weights to their older form."""
    key = key.removeprefix("module.")
    for ending, plain in _PARAMETRIZED.items():
        if key.endswith(ending):
            return key.removesuffix(ending) + plain
    return key


def _float32(array: np.ndarray) -> np.ndarray:
    # NumPy doesn't count bfloat16 among its float kinds.
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
