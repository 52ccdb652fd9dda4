"""Converts published PyTorch generators to ours from the state_dict alone: one function per architecture.

Each function takes the state, {key: array}, and returns the constructor's arguments and our weights, {path of the
variable: array}; the paths are those of `network.weights`.
"""

from typing import Any

import numpy as np

from sr_gan_tf.pytorch_checkpoints.layouts import Family, State, batch_norm_weights, conv, conv_weights


def span(state: State) -> tuple[dict, State]:
    """Reads SPAN in its training form or with only merged convolutions (`eval_conv`); `no_norm`: no input scaling."""
    scale = _scale_of(state["upsampler.0.weight"])
    config: dict[str, Any] = {
        "scale": scale,
        "filters": len(state["conv_cat.bias"]),
        "num_blocks": _count(state, ("block_{}.c1_r.sk.weight", "block_{}.c1_r.eval_conv.weight"), first=1),
        "merged": "conv_1.sk.weight" not in state,
    }
    if "no_norm" in state:
        _ = state["no_norm"]
        config.update(input_mean=[0.0, 0.0, 0.0], input_gain=1.0)
    convolution = _merged_conv3xc if config["merged"] else _conv3xc
    weights = convolution(state, "conv_1", "first") | convolution(state, "conv_2", "body")
    for block in range(1, config["num_blocks"] + 1):
        for part in (1, 2, 3):
            weights |= convolution(state, f"block_{block}.c{part}_r", f"block{block}_conv{part}")
    weights |= conv_weights(state, "conv_cat", "fuse")
    return config, weights | _shuffled_conv(state, "upsampler.0", "last", scale)


def msrresnet(state: State) -> tuple[dict, State]:
    """Reads BasicSR's `MSRResNet`, also with its earlier names (`recon_trunk`, `HRconv`)."""
    if "HRconv.weight" in state:
        return _msrresnet(state, "recon_trunk.{}", "HRconv")
    return _msrresnet(state, "body.{}", "conv_hr")


def _msrresnet(state: State, block_name: str, hr_conv: str) -> tuple[dict, State]:
    filters = len(state["conv_first.bias"])
    num_blocks = _count(state, (block_name + ".conv1.weight",))
    factors = [2, 2] if "upconv2.weight" in state else [_scale_of(state["upconv1.weight"], filters)]
    weights = conv_weights(state, "conv_first", "first_conv") | conv_weights(state, hr_conv, "hr_conv")
    weights |= conv_weights(state, "conv_last", "last_conv")
    for block in range(num_blocks):
        for part in (1, 2):
            weights |= conv_weights(state, f"{block_name.format(block)}.conv{part}", f"block{block + 1}_conv{part}")
    for stage, factor in enumerate(factors, start=1):
        weights |= _shuffled_conv(state, f"upconv{stage}", f"up{stage}_conv", factor)
    return {"scale": int(np.prod(factors)), "filters": filters, "num_blocks": num_blocks}, weights


def rrdbnet(state: State) -> tuple[dict, State]:
    """Reads `RRDBNet` of BasicSR and Real-ESRGAN: x4, and x2 and x1 with a pixel unshuffle."""
    return _rrdbnet(
        state,
        {"first_conv": "conv_first", "body_conv": "conv_body", **_stages(state, "conv_up{}"), "hr_conv": "conv_hr",
         "last_conv": "conv_last"},
        "body.{block}.rdb{dense}.conv{part}",
    )  # fmt: skip


def rrdbnet_esrgan(state: State) -> tuple[dict, State]:
    """Reads `RRDBNet` from ESRGAN's own file (`RRDBNet_arch.py`), or from BSRGAN's, which enlarges only once at x2."""
    return _rrdbnet(
        state,
        {"first_conv": "conv_first", "body_conv": "trunk_conv", **_stages(state, "upconv{}"), "hr_conv": "HRconv",
         "last_conv": "conv_last"},
        "RRDB_trunk.{block}.RDB{dense}.conv{part}",
    )  # fmt: skip


def rrdbnet_sequential(state: State) -> tuple[dict, State]:
    """Reads `RRDBNet` in ESRGAN's first form, with numbered layers; most older collections use it.

    Each enlargement by 2 takes three numbers (nearest neighbor, convolution, activation); two convolutions follow.
    ESRGAN+ has the same names and a `conv1x1` in each dense block.
    """
    blocks = _count(state, ("model.1.sub.{}.RDB1.conv1.0.weight",))
    last = max(int(key.split(".")[1]) for key in state if key.startswith("model."))
    ups = {f"up{stage}_conv": f"model.{3 * stage}" for stage in range(1, (last - 4) // 3 + 1)}
    return _rrdbnet(
        state,
        {"first_conv": "model.0", "body_conv": f"model.1.sub.{blocks}", **ups, "hr_conv": f"model.{last - 2}",
         "last_conv": f"model.{last}"},
        "model.1.sub.{block}.RDB{dense}.conv{part}.0",
    )  # fmt: skip


def compact(state: State) -> tuple[dict, State]:
    """Reads `SRVGGNetCompact`. Without slopes its activation is unknown: ReLU and LeakyReLU have no weights."""
    num_convs = _count(state, ("body.{}.weight",), step=2) - 2
    last = f"body.{2 * num_convs + 2}"
    scale = _scale_of(state[f"{last}.weight"])
    weights = _shuffled_conv(state, last, "last_conv", scale)
    for index in range(num_convs + 1):
        weights |= conv_weights(state, f"body.{2 * index}", f"conv{index}")
        slopes = state.get(f"body.{2 * index + 1}.weight")
        if slopes is not None:
            weights[f"activation{index}/alpha"] = slopes[None, None]
    config = {"scale": scale, "filters": len(state["body.0.bias"]), "num_convs": num_convs}
    return config | ({"activation": "prelu"} if "body.1.weight" in state else {}), weights


def shared_residual(state: State) -> tuple[dict, State]:
    """Reads the CelebA SRGAN's generator, with its published running statistics."""
    weights = conv_weights(state, "conv1", "first_conv") | conv_weights(state, "conv2", "block_conv")
    weights |= _shuffled_conv(state, "conv3", "up_conv", 2) | conv_weights(state, "output", "last_conv")
    weights |= batch_norm_weights(state, "batchnorm", "norm")
    weights["prelu/alpha"] = state["prelu.weight"].reshape(1, 1, 1)
    return {"filters": len(state["conv1.weight"]), "normalization": "published"}, weights


def _rrdbnet(state: State, names: dict[str, str], dense_conv: str) -> tuple[dict, State]:
    first = state[f"{names['first_conv']}.weight"]
    filters, channels = first.shape[:2]
    fold = round((channels / 3) ** 0.5)
    if fold not in (1, 2, 4) or channels != 3 * fold**2:
        raise ValueError(f"its first convolution takes {channels} channels, expected 3, 12 (x2) or 48 (x1)")
    enlarged = 2 ** sum(name.startswith("up") for name in names)
    if enlarged % fold or enlarged > 8 or (fold > 1 and enlarged != 4):
        raise ValueError(f"it folds by {fold} and enlarges by {enlarged}, expected x1, x2, x4 or x8 in all")
    blocks = _count(state, (dense_conv.format(block="{}", dense=1, part=1) + ".weight",))
    weights: State = {}
    for name, source in names.items():
        weights |= conv_weights(state, source, name)
    # PyTorch's unshuffle orders channels (channel, row, column), ours (row, column, channel).
    weights["first_conv/kernel"] = conv(_blocks_first(first, fold, axis=1))
    for block in range(blocks):
        for dense in (1, 2, 3):
            for part in range(1, 6):
                source = dense_conv.format(block=block, dense=dense, part=part)
                weights |= conv_weights(state, source, f"block{block + 1}_dense{dense}_conv{part}")
            skip = dense_conv.removesuffix("conv{part}.0").removesuffix("conv{part}") + "conv1x1"
            skip = skip.format(block=block, dense=dense)
            if f"{skip}.weight" in state:
                weights |= conv_weights(state, skip, f"block{block + 1}_dense{dense}_skip")
    inner_skips = any(path.endswith("_skip/kernel") for path in weights)
    growth = len(state[dense_conv.format(block=0, dense=1, part=1) + ".bias"])
    config = {"scale": enlarged // fold, "filters": filters, "num_blocks": blocks, "growth": growth}
    config |= {"unshuffle": False} if fold == 1 and enlarged < 4 else {}
    return config | ({"inner_skips": True} if inner_skips else {}), weights


def _stages(state: State, name: str) -> dict[str, str]:
    """Maps our names of the convolutions after each enlargement by 2 to theirs."""
    count = _count(state, (name + ".weight",), first=1)
    return {f"up{stage}_conv": name.format(stage) for stage in range(1, count + 1)}


def _conv3xc(state: State, source: str, name: str) -> State:
    weights = {f"{name}/middle_kernel": state[f"{source}.conv.1.weight"].transpose(1, 2, 3, 0)}
    for part, key in (("first", "conv.0"), ("last", "conv.2"), ("skip", "sk")):
        weights[f"{name}/{part}_kernel"] = state[f"{source}.{key}.weight"][..., 0, 0].T
    for part, key in (("first", "conv.0"), ("middle", "conv.1"), ("last", "conv.2"), ("skip", "sk")):
        weights[f"{name}/{part}_bias"] = state[f"{source}.{key}.bias"]
    return weights


def _merged_conv3xc(state: State, source: str, name: str) -> State:
    return conv_weights(state, f"{source}.eval_conv", name)


def _shuffled_conv(state: State, source: str, name: str, scale: int) -> State:
    """Reads a convolution that precedes a pixel shuffle."""
    weights = {f"{name}/kernel": conv(_blocks_first(state[f"{source}.weight"], scale))}
    if f"{source}.bias" in state:
        weights[f"{name}/bias"] = _blocks_first(state[f"{source}.bias"], scale)
    return weights


def _blocks_first(array: np.ndarray, scale: int, axis: int = 0) -> np.ndarray:
    """Reorders channels from (channel, row, column) to (row, column, channel)."""
    front, back = array.shape[:axis], array.shape[axis + 1 :]
    split = array.reshape(*front, -1, scale**2, *back)
    return np.swapaxes(split, axis, axis + 1).reshape(array.shape)


def _scale_of(kernel: np.ndarray, channels: int = 3) -> int:
    """Returns the scale of the pixel shuffle that follows this convolution and leaves `channels` channels."""
    scale = round((len(kernel) / channels) ** 0.5)
    if len(kernel) != channels * scale**2:
        raise ValueError(f"{len(kernel)} channels before the pixel shuffle do not make pictures of {channels} channels")
    return scale


def _count(state: State, keys: tuple[str, ...], first: int = 0, step: int = 1) -> int:
    """Counts how many of the consecutive numbers first, first + step, ... have one of the keys."""
    number = 0
    while any(key.format(first + number * step) in state for key in keys):
        number += 1
    return number


FAMILIES = (
    Family(
        "SPAN",
        span,
        ("conv_cat.weight", "upsampler.0.weight"),
        ("eval_conv.weight", "eval_conv.bias", "mean"),
    ),
    Family("MSRResNet", msrresnet, ("conv_first.weight", "body.0.conv1.weight", "upconv1.weight", "conv_hr.weight")),
    Family(
        "MSRResNet", msrresnet, ("conv_first.weight", "recon_trunk.0.conv1.weight", "upconv1.weight", "HRconv.weight")
    ),
    Family("RRDBNet", rrdbnet, ("conv_first.weight", "body.0.rdb1.conv1.weight")),
    Family("RRDBNet", rrdbnet_esrgan, ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight")),
    Family("RRDBNet", rrdbnet_sequential, ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    Family(
        "Compact",
        compact,
        ("body.0.weight", "body.2.weight", "body.0.bias"),
        unsaid={"activation": ("relu", "leaky_relu")},
    ),
    Family("SharedResidual", shared_residual, ("conv3.weight", "batchnorm.running_mean", "prelu.weight")),
)
