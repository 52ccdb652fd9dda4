"""SPAN in the layout of its published PyTorch network, with our additions folded into the published weights.

The published network subtracts DIV2K's mean and multiplies by 255, or does neither if the key `no_norm` is present. It
adds nothing to its output. These are folded exactly, up to the rounding of one product per weight:

- `merged`: a 3x3 convolution becomes a Conv3XC whose 1x1 convolutions are identities and whose skip is zero.
- `input_gain`: a factor on the first kernels.
- `nearest_skip`: three additional channels carry the LR picture through the first branch of the concatenation to the
  center of the last kernel, whose pixel shuffle repeats it. In the blocks these channels are zero, because their gates
  are sigmoid(0) - 0.5 = 0.
- `initial_gate`: the offsets of the training graph are added to biases.

Another `input_mean` cannot be folded: the convolution pads with zeros after the subtraction, so borders would differ.
"""

import numpy as np

from sr_gan_tf.errors import Unsupported
from sr_gan_tf.layers.conv3xc import Conv3XC
from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints.keras_layouts import as_conv, conv, conv_state, shuffled_conv_state
from sr_gan_tf.pytorch_checkpoints.layouts import State

_MEAN, _GAIN = (0.4488, 0.4371, 0.4040), 255.0
_BLOCKS = 6


def span(network: Network, weights: State) -> State:
    """Converts a SPAN, in its training or its merged form, to the published layout.

    Raises:
        Unsupported: the number of blocks or the mean differs from the published one.
    """
    if network.num_blocks != _BLOCKS:
        raise Unsupported(f"SPAN: num_blocks is {network.num_blocks}, but the published network has {_BLOCKS} blocks")
    mean = tuple(network.input_mean)
    normalized = np.allclose(mean, _MEAN, rtol=0, atol=1e-7)
    if not normalized and any(mean):
        raise Unsupported(
            f"SPAN: layer normalize subtracts input_mean {list(mean)}; the published network subtracts {list(_MEAN)} "
            "or nothing, and zero padding makes another mean impossible to fold; train with one of these"
        )
    gain = network.input_gain / (_GAIN if normalized else 1.0)
    extra = 3 if network.nearest_skip else 0
    names = {"first": "conv_1", "body": "conv_2"}
    for block in range(1, _BLOCKS + 1):
        names |= {f"block{block}_conv{part}": f"block_{block}.c{part}_r" for part in (1, 2, 3)}
    state: State = {}
    for name, target in names.items():
        parts = _merged(weights, name) if network.merged else _trained(network.get_layer(name), weights, name)
        if name == "first":
            parts |= {key: parts[key] * gain for key in _TAKES_THE_INPUT if gain != 1}
        parts = _widened(parts, 0 if name == "first" else extra, extra)
        if name == "first" and extra:
            for channel in range(3):
                # The LR picture minus its mean.
                parts["sk.weight"][channel - 3, channel] = 1 / _GAIN if normalized else 1
        state |= {f"{target}.{key}": value for key, value in _with_eval_conv(parts).items()}
    state |= conv_state(_fuse(network, weights), "fuse", "conv_cat")
    if extra:
        _carry_through_the_fusion(state, network.filters)
    last = {key: weights[key] for key in ("last/kernel", "last/bias")}
    if extra:
        last = _add_the_picture(last, network.scale, np.array(mean, np.float32))
    state |= shuffled_conv_state(last, "last", "upsampler.0", network.scale)
    return state if normalized else {**state, "no_norm": np.zeros(1, np.float32)}


# The kernels of a Conv3XC that are applied to its input.
_TAKES_THE_INPUT = ("conv.0.weight", "sk.weight")


def _trained(layer: Conv3XC, weights: State, name: str) -> State:
    own = {key: weights[f"{name}/{key}"] for key in ("first_bias", "middle_bias", "last_bias", "skip_bias")}
    last_bias = own["last_bias"]
    if layer.input_mean:
        last_bias = last_bias - layer.input_mean * layer.merged()[0].numpy().sum(axis=(0, 1, 2))
    return {
        "conv.0.weight": as_conv(weights[f"{name}/first_kernel"]),
        "conv.0.bias": own["first_bias"],
        "conv.1.weight": weights[f"{name}/middle_kernel"].transpose(3, 0, 1, 2),
        "conv.1.bias": own["middle_bias"],
        "conv.2.weight": as_conv(weights[f"{name}/last_kernel"]),
        "conv.2.bias": last_bias,
        "sk.weight": as_conv(weights[f"{name}/skip_kernel"]),
        "sk.bias": own["skip_bias"],
    }


def _merged(weights: State, name: str) -> State:
    kernel, bias = conv(weights[f"{name}/kernel"]), weights[f"{name}/bias"]
    outputs, inputs = kernel.shape[:2]
    middle = np.zeros((2 * outputs, 2 * inputs, 3, 3), np.float32)
    middle[:outputs, :inputs] = kernel
    return {
        "conv.0.weight": as_conv(np.eye(inputs, 2 * inputs, dtype=np.float32)),
        "conv.0.bias": np.zeros(2 * inputs, np.float32),
        "conv.1.weight": middle,
        "conv.1.bias": np.zeros(2 * outputs, np.float32),
        "conv.2.weight": as_conv(np.eye(2 * outputs, outputs, dtype=np.float32)),
        "conv.2.bias": bias,
        "sk.weight": np.zeros((outputs, inputs, 1, 1), np.float32),
        "sk.bias": np.zeros(outputs, np.float32),
    }


def _widened(parts: State, inputs: int, outputs: int) -> State:
    """Adds input and output channels of zeros to a Conv3XC."""
    if not inputs and not outputs:
        return parts
    more = {"conv.0": (2 * inputs, inputs), "conv.1": (2 * outputs, 2 * inputs), "conv.2": (outputs, 2 * outputs)}
    more["sk"] = (outputs, inputs)
    widened = {}
    for key, value in parts.items():
        front, back = more[key.rpartition(".")[0]]
        widened[key] = np.pad(value, [(0, front), (0, back), (0, 0), (0, 0)] if value.ndim == 4 else [(0, front)])
    return widened


def _with_eval_conv(parts: State) -> State:
    """Adds the merged convolution, which published files contain as well."""
    first, middle, last = (parts[f"conv.{index}.weight"] for index in range(3))
    kernel = np.einsum("om,mnhw,ni->oihw", last[..., 0, 0], middle, first[..., 0, 0], optimize=True)
    kernel[..., 1, 1] += parts["sk.weight"][..., 0, 0]
    bias = middle.sum(axis=(2, 3)) @ parts["conv.0.bias"] + parts["conv.1.bias"]
    bias = last[..., 0, 0] @ bias + parts["conv.2.bias"] + parts["sk.bias"]
    return {**parts, "eval_conv.weight": kernel.astype(np.float32), "eval_conv.bias": bias.astype(np.float32)}


def _fuse(network: Network, weights: State) -> State:
    kernel, bias = weights["fuse/kernel"], weights["fuse/bias"]
    if not network.merged and network.initial_gate:
        bias = bias + np.array(network.get_layer("centered").offset, np.float32) @ kernel[0, 0]
    return {"fuse/kernel": kernel, "fuse/bias": bias}


def _carry_through_the_fusion(state: State, filters: int) -> None:
    """Adds three channels to each of the four branches, and copies those of the first branch to the output."""
    kernel = state["conv_cat.weight"]
    wide = filters + 3
    widened = np.zeros((wide, 4 * wide, 1, 1), np.float32)
    for branch in range(4):
        widened[:filters, branch * wide : branch * wide + filters] = kernel[
            :, branch * filters : (branch + 1) * filters
        ]
    for channel in range(3):
        widened[filters + channel, filters + channel] = 1
    state["conv_cat.weight"] = widened
    state["conv_cat.bias"] = np.pad(state["conv_cat.bias"], (0, 3))


def _add_the_picture(last: State, scale: int, mean: np.ndarray) -> State:
    """Adds three inputs to the last convolution, which adds them to all pixels of a block before the pixel shuffle."""
    kernel = np.pad(last["last/kernel"], [(0, 0), (0, 0), (0, 3), (0, 0)])
    kernel[1, 1, -3:] = np.tile(np.eye(3, dtype=np.float32), (1, scale**2))
    return {"last/kernel": kernel, "last/bias": last["last/bias"] + np.tile(mean, scale**2)}
