"""Converts weight arrays from PyTorch's layouts to Keras's."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

State = dict[str, np.ndarray]


class RecordedState(State):
    """A state that records which keys were read."""

    def __init__(self, state: State):
        super().__init__(state)
        self.read: set[str] = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        return self[key] if key in self else default  # noqa: SIM401 - __getitem__ records the key


@dataclasses.dataclass(frozen=True)
class Family:
    """How one kind of published PyTorch network is converted to ours.

    Args:
        class_name: our class, in the catalog of generators or discriminators.
        read: maps a state to (our constructor's arguments, {path in `network.weights`: array}); raises KeyError if a
            key is missing.
        keys: a state that has all of these keys is of this kind.
        derived: suffixes of keys that follow from other keys (merged kernels, constants) and need not be read.
        unsaid: constructor arguments that cannot be inferred from some states, with their possible values; to
            convert such a state, the user must pass them.
    """

    class_name: str
    read: Callable[[State], tuple[dict, State]]
    keys: tuple[str, ...]
    derived: tuple[str, ...] = ()
    unsaid: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def conv(kernel: np.ndarray) -> np.ndarray:
    """(out, in, height, width) to (height, width, in, out)."""
    return kernel.transpose(2, 3, 1, 0)


def depthwise(kernel: np.ndarray) -> np.ndarray:
    """(channels, 1, height, width) to (height, width, channels, 1)."""
    return kernel.transpose(2, 3, 0, 1)


def dense(kernel: np.ndarray) -> np.ndarray:
    """(out, in) to (in, out)."""
    return kernel.T


def pointwise(kernel: np.ndarray) -> np.ndarray:
    """A dense layer's (out, in) to a 1x1 convolution's (1, 1, in, out)."""
    return kernel.T[None, None]


def conv_weights(state: State, source: str, name: str) -> State:
    """Returns the kernel and, if there is one, the bias of the convolution `source` under our layer's `name`."""
    weights = {f"{name}/kernel": conv(state[f"{source}.weight"])}
    if f"{source}.bias" in state:
        weights[f"{name}/bias"] = state[f"{source}.bias"]
    return weights


def batch_norm_weights(state: State, source: str, name: str) -> State:
    """Returns scale, offset and running statistics of the batch normalization `source` under our layer's `name`."""
    return {
        f"{name}/gamma": state[f"{source}.weight"],
        f"{name}/beta": state[f"{source}.bias"],
        f"{name}/moving_mean": state[f"{source}.running_mean"],
        f"{name}/moving_variance": state[f"{source}.running_var"],
    }


def spectral_conv_weights(state: State, source: str, name: str) -> State:
    """Returns the raw kernel, bias and both vectors of a spectrally normalized convolution (sigma = u^T W v)."""
    kernel = state[f"{source}.weight_orig"]
    _, inputs, height, width = kernel.shape
    v = state[f"{source}.weight_v"].reshape(inputs, height, width).transpose(1, 2, 0).reshape(-1)
    weights = {f"{name}/kernel": conv(kernel), f"{name}/u": state[f"{source}.weight_u"], f"{name}/v": v}
    if f"{source}.bias" in state:
        weights[f"{name}/bias"] = state[f"{source}.bias"]
    return weights
