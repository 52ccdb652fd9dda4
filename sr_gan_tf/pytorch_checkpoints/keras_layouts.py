"""Converts weight arrays from Keras's layouts to PyTorch's: the inverse of layouts.py."""

import numpy as np

from sr_gan_tf.pytorch_checkpoints.layouts import State


def conv(kernel: np.ndarray) -> np.ndarray:
    """(height, width, in, out) to (out, in, height, width)."""
    return kernel.transpose(3, 2, 0, 1)


def depthwise(kernel: np.ndarray) -> np.ndarray:
    """(height, width, channels, 1) to (channels, 1, height, width)."""
    return kernel.transpose(2, 3, 0, 1)


def dense(kernel: np.ndarray) -> np.ndarray:
    """(in, out) to (out, in)."""
    return kernel.T


def pointwise(kernel: np.ndarray) -> np.ndarray:
    """A 1x1 convolution's (1, 1, in, out) to a dense layer's (out, in)."""
    return kernel[0, 0].T


def as_conv(kernel: np.ndarray) -> np.ndarray:
    """A dense layer's (in, out) to a 1x1 convolution's (out, in, 1, 1)."""
    return kernel.T[:, :, None, None]


def conv_state(weights: State, name: str, target: str) -> State:
    """Returns the kernel and, if there is one, the bias of our layer `name` under PyTorch's name `target`."""
    state = {f"{target}.weight": conv(weights[f"{name}/kernel"])}
    if f"{name}/bias" in weights:
        state[f"{target}.bias"] = weights[f"{name}/bias"]
    return state


def shuffled_conv_state(weights: State, name: str, target: str, scale: int) -> State:
    """Does the same for a convolution that precedes a pixel shuffle by `scale`."""
    state = conv_state(weights, name, target)
    return {key: channels_first(value, scale) for key, value in state.items()}


def channels_first(array: np.ndarray, scale: int, axis: int = 0) -> np.ndarray:
    """Reorders channels from (row, column, channel) to PyTorch's (channel, row, column)."""
    front, back = array.shape[:axis], array.shape[axis + 1 :]
    split = array.reshape(*front, scale**2, -1, *back)
    return np.swapaxes(split, axis, axis + 1).reshape(array.shape)


def batch_norm_state(weights: State, name: str, target: str) -> State:
    """Returns the scale, offset and running statistics of a batch normalization."""
    parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    return {f"{target}.{key}": weights[f"{name}/{own}"] for key, own in parts.items()}


def spectral_conv_state(weights: State, name: str, target: str) -> State:
    """Returns the raw kernel, bias and both vectors of a spectrally normalized convolution (sigma = u^T W v)."""
    kernel = weights[f"{name}/kernel"]
    height, width, inputs, _ = kernel.shape
    state = {
        f"{target}.weight_orig": conv(kernel),
        f"{target}.weight_u": weights[f"{name}/u"],
        f"{target}.weight_v": weights[f"{name}/v"].reshape(height, width, inputs).transpose(2, 0, 1).reshape(-1),
    }
    if f"{name}/bias" in weights:
        state[f"{target}.bias"] = weights[f"{name}/bias"]
    return state
