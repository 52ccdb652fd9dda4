"""Writes our networks as PyTorch checkpoints in the layouts of the published networks; PyTorch is not needed.

Whatever pytorch.py reads, this module writes back bit for bit. Our additions to a published network are folded into its
weights where that is exact (keras_span.py, keras_views.py); otherwise they are refused with a reason.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from sr_gan_tf.errors import InputError, Unsupported
from sr_gan_tf.networks import Network
from sr_gan_tf.pytorch_checkpoints.keras_compact import compact
from sr_gan_tf.pytorch_checkpoints.keras_discriminators import dunet, metagan, unet_discriminator, vgg_discriminator
from sr_gan_tf.pytorch_checkpoints.keras_generators import rrdbnet, shared_residual
from sr_gan_tf.pytorch_checkpoints.keras_msrresnet import msrresnet
from sr_gan_tf.pytorch_checkpoints.keras_span import span
from sr_gan_tf.pytorch_checkpoints.layouts import RecordedState, State
from sr_gan_tf.pytorch_checkpoints.torch_writer import write_torch

LAYOUTS = {
    "SPAN": span,
    "MSRResNet": msrresnet,
    "RRDBNet": rrdbnet,
    "Compact": compact,
    "SharedResidual": shared_residual,
    "UNetDiscriminator": unet_discriminator,
    "DUnet": dunet,
    "MetaGAN": metagan,
    "VGGDiscriminator": vgg_discriminator,
}
# Arguments that a published network lacks, with the values at which ours behaves like it.
_PLAIN: dict = {"value_range": [0.0, 1.0], "ending": None}
_PUBLISHED: dict[str, dict] = {
    "RRDBNet": {"bicubic_skip": False},
    "SharedResidual": {
        "bicubic_skip": False,
        "scale": 4,
        "num_uses": 4,
        "normalization": "published",
        "value_range": [-1.0, 1.0],
    },
    "UNetDiscriminator": {**_PLAIN, "skip_connections": True},
    "DUnet": _PLAIN,
    "MetaGAN": {**_PLAIN, "head_size": 32},
    "VGGDiscriminator": _PLAIN,
}


def state_of(network: Network) -> State:
    """Returns a network's float32 weights under the names and in the layout of its published PyTorch network.

    Raises:
        Unsupported: there is no published layout, or it cannot represent this network; the message says why.
    """
    name = type(network).__name__
    if name not in LAYOUTS:
        raise Unsupported(f"{name} has no published PyTorch layout; networks that have one: {', '.join(LAYOUTS)}")
    config = network.get_config()
    for argument, value in _PUBLISHED.get(name, {}).items():
        if config[argument] != value:
            remedy = "; train with bicubic_skip false" if argument == "bicubic_skip" else ""
            raise Unsupported(
                f"{name}: {argument} is {config[argument]!r}, but the published network has {value!r}{remedy}"
            )
    weights = RecordedState({variable.path: np.asarray(variable.numpy(), np.float32) for variable in network.weights})
    state = LAYOUTS[name](network, weights)
    unused = [path for path in weights if path not in weights.read]
    if unused:
        raise Unsupported(f"{name}: the published PyTorch layout has no place for {', '.join(unused[:3])}")
    return {key: np.ascontiguousarray(value) for key, value in state.items()}


def write_checkpoint(path: Path, state: State, half: bool = False) -> None:
    """Writes `.safetensors`, or `.pth` like `torch.save` with the weights under `params`.

    Args:
        path: the file; its suffix decides the format.
        state: arrays by name.
        half: round the weights to float16.

    Raises:
        InputError: a weight is outside float16's range.
    """
    if half:
        large = [key for key, value in state.items() if np.abs(value).max(initial=0) > np.finfo(np.float16).max]
        if large:
            raise InputError(f"--half: {large[0]} has values beyond float16's range of 65504; remove --half")
        state = {key: value.astype(np.float16) for key, value in state.items()}
    if path.suffix == ".safetensors":
        save_file(state, path, metadata={"format": "pt"})
    else:
        write_torch(path, state)
