"""Converts our generators to the layouts of their published PyTorch networks: one function per architecture.

Each function takes the network and its weights, {path of the variable: array}, and returns the state_dict's arrays.
Each is the inverse of the function of the same name in pytorch_generators.py. SPAN, Compact and MSRResNet have their
own files.
"""

from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints.keras_layouts import (
    batch_norm_state,
    channels_first,
    conv_state,
    shuffled_conv_state,
)
from sr_gan_tf.pytorch_checkpoints.layouts import State


def rrdbnet(network: Network, weights: State) -> State:
    """Converts to `RRDBNet` of BasicSR and Real-ESRGAN, or with inner skips to ESRGAN+, whose layers have numbers."""
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


def shared_residual(_network: Network, weights: State) -> State:
    """Converts to the CelebA SRGAN's generator: x4, one block used four times, with shared running statistics."""
    return {
        **conv_state(weights, "first_conv", "conv1"),
        **conv_state(weights, "block_conv", "conv2"),
        **shuffled_conv_state(weights, "up_conv", "conv3", 2),
        **conv_state(weights, "last_conv", "output"),
        **batch_norm_state(weights, "norm", "batchnorm"),
        "prelu.weight": weights["prelu/alpha"].reshape(1),
    }
