"""Compact in the layout of `SRVGGNetCompact`, with a bicubic skip folded into the published weights.

The published network adds its output to a nearest-neighbor enlargement; a bicubic skip adds it to a bicubic one.
Forty-eight additional channels hold the difference: the first convolution copies the picture and a channel of ones, the
second makes the views described in keras_views.py, the next ones copy the views, and the last one enlarges from them.
"""

import numpy as np

from sr_gan_tf.errors import Unsupported
from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints import keras_views as views
from sr_gan_tf.pytorch_checkpoints.keras_layouts import conv_state, shuffled_conv_state
from sr_gan_tf.pytorch_checkpoints.layouts import State


def compact(network: Network, weights: State) -> State:
    """Converts to `SRVGGNetCompact` with PReLU; ReLU and leaky ReLU become PReLU with constant slopes.

    Raises:
        Unsupported: a bicubic skip needs two convolutions before the last one.
    """
    constant = {"relu": 0.0, "leaky_relu": 0.1}.get(network.activation)
    count, folds = network.num_convs + 1, network.bicubic_skip and network.scale > 1
    if folds and count < 2:
        raise Unsupported(
            "Compact: num_convs is 0, too few convolutions to fold bicubic_skip into; train with bicubic_skip false"
        )
    state: State = {}
    for index in range(count):
        kernel, bias = weights[f"conv{index}/kernel"], weights[f"conv{index}/bias"]
        slopes = (
            weights[f"activation{index}/alpha"].reshape(-1)
            if constant is None
            else np.full(network.filters, constant, np.float32)
        )
        if folds:
            kernel, bias, more = _with_views(index, kernel, bias)
            slopes = np.concatenate([slopes, more])
        state |= conv_state({"conv/kernel": kernel, "conv/bias": bias}, "conv", f"body.{2 * index}")
        state[f"body.{2 * index + 1}.weight"] = slopes
    last = {f"last/{key}": weights[f"last_conv/{key}"] for key in ("kernel", "bias")}
    if folds:
        enlarging = views.enlarging(network.scale, views.nearest_rows(network.scale))
        last["last/kernel"] = np.concatenate([last["last/kernel"], enlarging], axis=2)
    return state | shuffled_conv_state(last, "last", f"body.{2 * count}", network.scale)


def _with_views(index: int, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns kernel and bias of a convolution with the additional channels, and the slopes of their activations."""
    inputs, filters = kernel.shape[2:]
    kernel = np.pad(kernel, [(0, 0), (0, 0), (0, views.COUNT if index else 0), (0, views.COUNT)])
    bias, slopes = np.pad(bias, (0, views.COUNT)), np.ones(views.COUNT, np.float32)
    if index == 0:
        kernel[1, 1, :, filters : filters + 3] = np.eye(3)
        bias[filters + 3] = 1
    elif index == 1:
        kernel[:, :, inputs : inputs + 4, filters:], reduced = views.viewing()
        slopes[reduced] = 0
    else:
        kernel[1, 1, inputs:, filters:] = np.eye(views.COUNT)
    return kernel, bias, slopes
