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
    """`RRDBNet` of BasicSR and Real-ESRGAN; with inner skips ESRGAN+, whose published layers have numbers."""
    ups = sum(path.startswith("up") and path.endswith("_conv/kernel") for path in weights)
    if network.inner_skips:
        last = 3 * ups + 4
        body, dense_conv = f"model.1.sub.{network.num_blocks}", "model.1.sub.{block}.RDB{dense}.conv{part}.0"
        names = {
            "first_conv": "model.0",
            "body_conv": body,
            "hr_conv": f"model.{last - 2}",
            "last_conv": f"model.{last}",
        }
        names |= {f"up{stage}_conv": f"model.{3 * stage}" for stage in range(1, ups + 1)}
    else:
        dense_conv = "body.{block}.rdb{dense}.conv{part}"
        names = {"first_conv": "conv_first", "body_conv": "conv_body", "hr_conv": "conv_hr", "last_conv": "conv_last"}
        names |= {f"up{stage}_conv": f"conv_up{stage}" for stage in range(1, ups + 1)}
    state: State = {}
    for name, target in names.items():
        state |= conv_state(weights, name, target)
    first = f"{names['first_conv']}.weight"
    fold = round((state[first].shape[1] / 3) ** 0.5)
    state[first] = channels_first(state[first], fold, axis=1)
    for block in range(network.num_blocks):
        for dense in (1, 2, 3):
            own = f"block{block + 1}_dense{dense}"
            for part in range(1, 6):
                target = dense_conv.format(block=block, dense=dense, part=part)
                state |= conv_state(weights, f"{own}_conv{part}", target)
            if network.inner_skips:
                state |= conv_state(weights, f"{own}_skip", f"model.1.sub.{block}.RDB{dense}.conv1x1")
    return state


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
