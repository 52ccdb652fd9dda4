"""Our generators in the layouts of their published PyTorch networks: one function per family.

Each takes the network and its weights, {path of the variable: array}, and returns the state_dict's arrays; each is
the inverse of the function of that name in pytorch_generators.py. SPAN has a file of its own, keras_span.py.
"""

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints.keras_layouts import (
    batch_norm_state,
    channels_first,
    conv_state,
    shuffled_conv_state,
)
from sr_gan_tf.pytorch_checkpoints.layouts import State


def msrresnet(network: Network, weights: State) -> State:
    """BasicSR's `MSRResNet`, which enlarges by 2, 3 or 4."""
    factors = {2: [2], 3: [3], 4: [2, 2]}.get(network.scale)
    if factors is None:
        raise InputError(f"MSRResNet: scale {network.scale}, but the published network has 2, 3 and 4 only")
    state = conv_state(weights, "first_conv", "conv_first")
    for block in range(network.num_blocks):
        for part in (1, 2):
            state |= conv_state(weights, f"block{block + 1}_conv{part}", f"body.{block}.conv{part}")
    for stage, factor in enumerate(factors, start=1):
        state |= shuffled_conv_state(weights, f"up{stage}_conv", f"upconv{stage}", factor)
    return state | conv_state(weights, "hr_conv", "conv_hr") | conv_state(weights, "last_conv", "conv_last")


def rrdbnet(network: Network, weights: State) -> State:
    """`RRDBNet` of BasicSR and Real-ESRGAN, at x4, and at x2 and x1 through a pixel unshuffle."""
    forms = {
        "unshuffle=false": not network.unshuffle,
        "inner_skips=true": network.inner_skips,
        "scale=8": network.scale == 8,
    }
    other = [name for name, is_other in forms.items() if is_other]
    if other:
        raise InputError(f"RRDBNet: {', '.join(other)}, which BasicSR's network does not have")
    state = conv_state(weights, "first_conv", "conv_first")
    first = state["conv_first.weight"]
    fold = round((first.shape[1] / 3) ** 0.5)
    state["conv_first.weight"] = channels_first(first, fold, axis=1)
    for block in range(network.num_blocks):
        for dense in (1, 2, 3):
            for part in range(1, 6):
                name = f"block{block + 1}_dense{dense}_conv{part}"
                state |= conv_state(weights, name, f"body.{block}.rdb{dense}.conv{part}")
    state |= conv_state(weights, "body_conv", "conv_body")
    for stage in (1, 2):
        state |= conv_state(weights, f"up{stage}_conv", f"conv_up{stage}")
    return state | conv_state(weights, "hr_conv", "conv_hr") | conv_state(weights, "last_conv", "conv_last")


def compact(network: Network, weights: State) -> State:
    """`SRVGGNetCompact` with PReLU; ReLU and leaky ReLU are PReLU with constant slopes."""
    state: State = {}
    constant = {"relu": 0.0, "leaky_relu": 0.1}.get(network.activation)
    for index in range(network.num_convs + 1):
        state |= conv_state(weights, f"conv{index}", f"body.{2 * index}")
        state[f"body.{2 * index + 1}.weight"] = (
            weights[f"activation{index}/alpha"].reshape(-1)
            if constant is None
            else np.full(network.filters, constant, np.float32)
        )
    return state | shuffled_conv_state(weights, "last_conv", f"body.{2 * network.num_convs + 2}", network.scale)


def shared_residual(_network: Network, weights: State) -> State:
    """The CelebA SRGAN's generator: x4, four uses of its block, running statistics shared by them."""
    return {
        **conv_state(weights, "first_conv", "conv1"),
        **conv_state(weights, "block_conv", "conv2"),
        **shuffled_conv_state(weights, "up_conv", "conv3", 2),
        **conv_state(weights, "last_conv", "output"),
        **batch_norm_state(weights, "norm", "batchnorm"),
        "prelu.weight": weights["prelu/alpha"].reshape(1),
    }
