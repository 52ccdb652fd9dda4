"""PyTorch's layouts of weights to Keras's; arrays in, arrays out."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

State = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Family:
    """How the published PyTorch networks of one kind become ours.

    Args:
        class_name: ours, in the catalog of generators or discriminators.
        read: state to (our constructor's arguments, {path in `network.weights`: array}); raises KeyError for a key
            that is missing.
        keys: a state that has all of them is of this family.
        derived: endings of keys that the others say already (merged kernels, constants); they need not be read.
        unsaid: constructor arguments that some states don't tell, with what they may be; whoever converts such a
            state must say them.
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
    """Kernel and, where there is one, bias of the convolution `source` under our layer's `name`."""
    weights = {f"{name}/kernel": conv(state[f"{source}.weight"])}
    if f"{source}.bias" in state:
        weights[f"{name}/bias"] = state[f"{source}.bias"]
    return weights


def batch_norm_weights(state: State, source: str, name: str) -> State:
    """Scale, offset and running statistics of the batch normalization `source` under our layer's `name`."""
    return {
        f"{name}/gamma": state[f"{source}.weight"],
        f"{name}/beta": state[f"{source}.bias"],
        f"{name}/moving_mean": state[f"{source}.running_mean"],
        f"{name}/moving_variance": state[f"{source}.running_var"],
    }


def spectral_conv_weights(state: State, source: str, name: str) -> State:
    """Raw kernel, bias and the two vectors of a spectrally normalized convolution (sigma = u^T W v)."""
    kernel = state[f"{source}.weight_orig"]
    _, inputs, height, width = kernel.shape
    v = state[f"{source}.weight_v"].reshape(inputs, height, width).transpose(1, 2, 0).reshape(-1)
    weights = {f"{name}/kernel": conv(kernel), f"{name}/u": state[f"{source}.weight_u"], f"{name}/v": v}
    if f"{source}.bias" in state:
        weights[f"{name}/bias"] = state[f"{source}.bias"]
    return weights
