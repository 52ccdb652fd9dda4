"""Converts our discriminators to the layouts of their published PyTorch networks, for fine-tuning elsewhere.

Each function takes the network and its weights, {path of the variable: array}, and returns the state_dict's arrays.
Each is the inverse of the function of the same name in pytorch_discriminators.py.
"""

from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints.keras_layouts import (
    as_conv,
    batch_norm_state,
    conv,
    conv_state,
    dense,
    depthwise,
    pointwise,
    spectral_conv_state,
)
from sr_gan_tf.pytorch_checkpoints.layouts import State


def unet_discriminator(_network: Network, weights: State) -> State:
    """Converts to Real-ESRGAN's U-Net discriminator with spectral normalization."""
    state = conv_state(weights, "conv_0", "conv0")
    for number in range(1, 9):
        state |= spectral_conv_state(weights, f"conv_{number}", f"conv{number}")
    return state | conv_state(weights, "conv_9", "conv9")


def dunet(_network: Network, weights: State) -> State:
    """Converts to umzi2's `DUnet`."""
    state = conv_state(weights, "first_conv", "in_to_dim")
    for number in (1, 2, 3):
        state |= spectral_conv_state(weights, f"down{number}_conv", f"e_x{number}.0")
    for number in (1, 2, 3):
        sampler, own = f"up{number}.0", f"up{number}_sample"
        state[f"{sampler}.offset.weight"] = as_conv(weights[f"{own}/offset_kernel"])
        state[f"{sampler}.offset.bias"] = weights[f"{own}/offset_bias"]
        state[f"{sampler}.scope.weight"] = as_conv(weights[f"{own}/scope_kernel"])
        state |= spectral_conv_state(weights, f"up{number}_conv", f"up{number}.1")
    for number in (1, 2):
        state |= spectral_conv_state(weights, f"end{number}_conv", f"end_conv.{2 * number - 2}")
    return state | conv_state(weights, "last_conv", "end_conv.4")


def vgg_discriminator(network: Network, weights: State) -> State:
    """Converts to BasicSR's `VGGStyleDiscriminator`."""
    state: State = {}
    stage = 0
    while f"conv_{stage}_0/kernel" in weights:
        for part in (0, 1):
            state |= conv_state(weights, f"conv_{stage}_{part}", f"conv{stage}_{part}")
            if stage or part:
                state |= batch_norm_state(weights, f"norm_{stage}_{part}", f"bn{stage}_{part}")
        stage += 1
    # The first dense layer reads (row, column, channel) in Keras, and (channel, row, column) in PyTorch.
    kernel = weights["dense/kernel"]
    side = network.image_size // 2**stage
    kernel = kernel.reshape(side, side, -1, kernel.shape[1]).transpose(3, 2, 0, 1)
    return state | {
        "linear1.weight": kernel.reshape(len(kernel), -1),
        "linear1.bias": weights["dense/bias"],
        "linear2.weight": dense(weights["logit/kernel"]),
        "linear2.bias": weights["logit/bias"],
    }


def metagan(network: Network, weights: State) -> State:
    """Converts to umzi2's `MetaGan`."""
    state: State = {}
    for stage, blocks in enumerate(network.blocks):
        down, body, name = f"stages.{2 * stage}", f"stages.{2 * stage + 1}", f"stage{stage + 1}"
        state[f"{down}.0.weight"] = conv(weights[f"{name}_down/kernel"])
        state |= {f"{down}.2.weight": weights[f"{name}_norm/gamma"], f"{down}.2.bias": weights[f"{name}_norm/beta"]}
        for block in range(blocks):
            state |= _block(weights, f"{name}_block{block + 1}", f"{body}.blocks.{block}")
        state[f"{body}.short.weight"] = pointwise(weights[f"{name}_short/kernel"])
        state[f"{body}.short.bias"] = weights[f"{name}_short/bias"]
    head = f"stages.{2 * len(network.blocks)}"
    return state | {
        f"{head}.conv.0.weight": conv(weights["head_conv/kernel"]),
        f"{head}.conv.1.weight": weights["head_norm/gamma"],
        f"{head}.conv.1.bias": weights["head_norm/beta"],
        f"{head}.to_head.0.weight": dense(weights["head_dense/kernel"]),
        f"{head}.to_head.1.weight": weights["head_dense_norm/scale"],
        f"{head}.to_head.4.weight": dense(weights["logit/kernel"]),
        f"{head}.to_head.4.bias": weights["logit/bias"],
    }


def _block(weights: State, name: str, target: str) -> State:
    state = {
        f"{target}.norm1.weight": weights[f"{name}_mix_norm/scale"],
        f"{target}.gamma1": weights[f"{name}_mix_scale/scale"],
        f"{target}.norm2.weight": weights[f"{name}_channel_norm/scale"],
        f"{target}.gamma2": weights[f"{name}_channel_scale/scale"],
        f"{target}.c_mix.fc1.weight": pointwise(weights[f"{name}_channel_in/kernel"]),
        f"{target}.c_mix.dwconv.depthwise_conv.0.weight": depthwise(weights[f"{name}_channel_depthwise/kernel"]),
        f"{target}.c_mix.fc2.weight": pointwise(weights[f"{name}_channel_out/kernel"]),
    }
    mix, attention = f"{target}.t_mix", f"{name}_attention"
    if f"{attention}/queries_keys_values/kernel" in weights:
        state[f"{mix}.qkv.weight"] = dense(weights[f"{attention}/queries_keys_values/kernel"])
        state[f"{mix}.proj.0.weight"] = dense(weights[f"{attention}/projection/kernel"])
    else:
        state[f"{mix}.pwconv1.weight"] = pointwise(weights[f"{name}_mix_in/kernel"])
        state[f"{mix}.dwconv.weight"] = depthwise(weights[f"{name}_mix_depthwise/kernel"])
        state[f"{mix}.pwconv2.weight"] = pointwise(weights[f"{name}_mix_out/kernel"])
    gate = f"{name}_excitation"
    parts = {"position": ("sse", 0), "squeeze": ("cse", 0), "excite": ("cse", 2)}
    parts = {part: place for part, place in parts.items() if f"{gate}/{part}/kernel" in weights}
    for part, (kind, number) in parts.items():
        # If a block has both gates, their layers carry the gate's name; a single gate's layers don't.
        layer = f"{target}.se.{kind}.squeezing.{number}" if len(parts) == 3 else f"{target}.se.squeezing.{number}"
        state[f"{layer}.weight"] = dense(weights[f"{gate}/{part}/kernel"])
        state[f"{layer}.bias"] = weights[f"{gate}/{part}/bias"]
    return state
