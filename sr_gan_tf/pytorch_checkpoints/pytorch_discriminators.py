"""Converts published PyTorch discriminators to ours from the state_dict alone: one function per architecture.

Each function takes the state, {key: array}, and returns the constructor's arguments and our weights, {path of the
variable: array}; the paths are those of `network.weights`.
"""

from sr_gan_tf.pytorch_checkpoints.layouts import (
    Family,
    State,
    batch_norm_weights,
    conv,
    conv_weights,
    dense,
    depthwise,
    pointwise,
    spectral_conv_weights,
)


def unet_discriminator(state: State) -> tuple[dict, State]:
    """Reads `UNetDiscriminator` from Real-ESRGAN's U-Net discriminator with spectral normalization."""
    weights = conv_weights(state, "conv0", "conv_0") | conv_weights(state, "conv9", "conv_9")
    for number in range(1, 9):
        weights |= spectral_conv_weights(state, f"conv{number}", f"conv_{number}")
    return {"filters": len(state["conv0.bias"])}, weights


def dunet(state: State) -> tuple[dict, State]:
    """Reads umzi2's `DUnet`."""
    weights = conv_weights(state, "in_to_dim", "first_conv") | conv_weights(state, "end_conv.4", "last_conv")
    for number in (1, 2, 3):
        weights |= spectral_conv_weights(state, f"e_x{number}.0", f"down{number}_conv")
        weights |= spectral_conv_weights(state, f"up{number}.1", f"up{number}_conv")
        sampler = f"up{number}.0"
        weights |= {
            f"up{number}_sample/offset_kernel": state[f"{sampler}.offset.weight"][..., 0, 0].T,
            f"up{number}_sample/offset_bias": state[f"{sampler}.offset.bias"],
            f"up{number}_sample/scope_kernel": state[f"{sampler}.scope.weight"][..., 0, 0].T,
        }
    for number in (1, 2):
        weights |= spectral_conv_weights(state, f"end_conv.{2 * number - 2}", f"end{number}_conv")
    return {"filters": len(state["in_to_dim.bias"])}, weights


def vgg_discriminator(state: State) -> tuple[dict, State]:
    """Reads `VGGDiscriminator` from BasicSR's `VGGStyleDiscriminator`."""
    halvings = _count(state, "conv{}_1.weight")
    weights: State = {}
    for stage in range(halvings):
        for part in (0, 1):
            weights |= conv_weights(state, f"conv{stage}_{part}", f"conv_{stage}_{part}")
            if stage or part:
                weights |= batch_norm_weights(state, f"bn{stage}_{part}", f"norm_{stage}_{part}")
    # The first dense layer reads (channel, row, column) in PyTorch, and (row, column, channel) in Keras.
    kernel = state["linear1.weight"]
    channels = len(state[f"bn{halvings - 1}_1.weight"])
    side = round((kernel.shape[1] / channels) ** 0.5)
    kernel = kernel.reshape(-1, channels, side, side).transpose(2, 3, 1, 0).reshape(kernel.shape[1], -1)
    weights |= {"dense/kernel": kernel, "dense/bias": state["linear1.bias"]}
    weights |= {"logit/kernel": dense(state["linear2.weight"]), "logit/bias": state["linear2.bias"]}
    return {"image_size": side * 2**halvings, "filters": len(state["conv0_0.bias"])}, weights


def metagan(state: State) -> tuple[dict, State]:
    """Reads umzi2's `MetaGan`; its attention is used, as in ours, even where the published code ignores it."""
    stages = _count(state, "stages.{}.0.weight", step=2)
    filters = [len(state[f"stages.{2 * stage}.2.weight"]) for stage in range(stages)]
    blocks = [_count(state, f"stages.{2 * stage + 1}.blocks.{{}}.norm1.weight") for stage in range(stages)]
    reductions = [
        round((width / len(state[f"stages.{2 * stage}.0.weight"])) ** 0.5) for stage, width in enumerate(filters)
    ]
    gate = "stages.1.blocks.0.se"
    config = {
        "mixer": "attention" if any(key.endswith("qkv.weight") for key in state) else "conv",
        "excitation": "csse" if f"{gate}.sse.squeezing.0.weight" in state
        else "cse" if f"{gate}.squeezing.2.weight" in state
        else "sse",
        "filters": filters,
        "blocks": blocks,
        "reductions": reductions,
    }  # fmt: skip
    weights: State = {}
    for stage in range(stages):
        down, body, name = f"stages.{2 * stage}", f"stages.{2 * stage + 1}", f"stage{stage + 1}"
        weights[f"{name}_down/kernel"] = conv(state[f"{down}.0.weight"])
        weights |= {f"{name}_norm/gamma": state[f"{down}.2.weight"], f"{name}_norm/beta": state[f"{down}.2.bias"]}
        for block in range(blocks[stage]):
            weights |= _block(state, f"{body}.blocks.{block}", f"{name}_block{block + 1}")
        weights[f"{name}_short/kernel"] = pointwise(state[f"{body}.short.weight"])
        weights[f"{name}_short/bias"] = state[f"{body}.short.bias"]
    head = f"stages.{2 * stages}"
    return config, weights | {
        "head_conv/kernel": conv(state[f"{head}.conv.0.weight"]),
        "head_norm/gamma": state[f"{head}.conv.1.weight"],
        "head_norm/beta": state[f"{head}.conv.1.bias"],
        "head_dense/kernel": dense(state[f"{head}.to_head.0.weight"]),
        "head_dense_norm/scale": state[f"{head}.to_head.1.weight"],
        "logit/kernel": dense(state[f"{head}.to_head.4.weight"]),
        "logit/bias": state[f"{head}.to_head.4.bias"],
    }


def _block(state: State, source: str, name: str) -> State:
    weights = {
        f"{name}_mix_norm/scale": state[f"{source}.norm1.weight"],
        f"{name}_mix_scale/scale": state[f"{source}.gamma1"],
        f"{name}_channel_norm/scale": state[f"{source}.norm2.weight"],
        f"{name}_channel_scale/scale": state[f"{source}.gamma2"],
        f"{name}_channel_in/kernel": pointwise(state[f"{source}.c_mix.fc1.weight"]),
        f"{name}_channel_depthwise/kernel": depthwise(state[f"{source}.c_mix.dwconv.depthwise_conv.0.weight"]),
        f"{name}_channel_out/kernel": pointwise(state[f"{source}.c_mix.fc2.weight"]),
    }
    mix = f"{source}.t_mix"
    if f"{mix}.qkv.weight" in state:
        weights[f"{name}_attention/queries_keys_values/kernel"] = dense(state[f"{mix}.qkv.weight"])
        weights[f"{name}_attention/projection/kernel"] = dense(state[f"{mix}.proj.0.weight"])
    else:
        weights[f"{name}_mix_in/kernel"] = pointwise(state[f"{mix}.pwconv1.weight"])
        weights[f"{name}_mix_depthwise/kernel"] = depthwise(state[f"{mix}.dwconv.weight"])
        weights[f"{name}_mix_out/kernel"] = pointwise(state[f"{mix}.pwconv2.weight"])
    for part, source_name in (("position", "sse."), ("squeeze", "cse."), ("excite", "cse.")):
        gate = f"{source}.se.{source_name}" if f"{source}.se.sse.squeezing.0.weight" in state else f"{source}.se."
        number = 2 if part == "excite" else 0
        kernel = state.get(f"{gate}squeezing.{number}.weight")
        # A single gate has no name; the spatial gate has one output, and the channel gate has two layers.
        if kernel is None or (part == "position") != (kernel.shape[0] == 1):
            continue
        weights[f"{name}_excitation/{part}/kernel"] = dense(kernel)
        weights[f"{name}_excitation/{part}/bias"] = state[f"{gate}squeezing.{number}.bias"]
    return weights


def _count(state: State, key: str, step: int = 1) -> int:
    """Counts the consecutive keys with 0, step, 2*step ... filled in."""
    number = 0
    while key.format(number * step) in state:
        number += 1
    return number


FAMILIES = (
    Family("UNetDiscriminator", unet_discriminator, ("conv0.weight", "conv1.weight_orig", "conv9.weight")),
    Family("DUnet", dunet, ("in_to_dim.weight", "e_x1.0.weight_orig", "up1.0.scope.weight"), (".init_pos",)),
    Family("MetaGAN", metagan, ("stages.0.0.weight", "stages.1.blocks.0.gamma1", "stages.1.short.weight")),
    Family("VGGDiscriminator", vgg_discriminator, ("conv0_0.weight", "bn0_1.running_mean", "linear2.weight")),
)
