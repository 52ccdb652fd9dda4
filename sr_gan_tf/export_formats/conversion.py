"""Converts a PyTorch checkpoint, or the averaged generator of a run, to a `.keras` file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import check_output, replacing
from sr_gan_tf.networks import Generator, Network
from sr_gan_tf.pytorch_checkpoints.pytorch import load_pytorch
from sr_gan_tf.training.initial_weights import averaged


def convert(
    model: str | Path,
    output: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Network:
    """Writes a PyTorch checkpoint, or a run's averaged generator, as a `.keras` file; returns the network.

    Args:
        model: a `.safetensors` file, a file written by `torch.save` (`.pth`, `.pt`), or a run folder.
        output: the file to write; default: the model's name with `.keras`.
        overrides: constructor arguments that the weights don't determine, e.g.
            `{"published_attention": True}`; none for a run folder.
        overwrite: replace an existing file.

    Raises:
        InputError: nothing was written; the message says why.
    """
    model = Path(model)
    output = model.with_suffix(".keras") if output is None else Path(output)
    check_output(output, (".keras",), overwrite)
    if model.is_dir():
        if overrides:
            raise InputError(f"--set {', '.join(overrides)}: a run folder describes its network completely; remove it")
        network = averaged(model)
    elif model.is_file():
        network = load_pytorch(model, overrides)
    else:
        raise InputError(f"no file {model}; give a .safetensors or .pth file, or a run folder")
    with replacing(output) as temporary:
        network.save(temporary)
    return network


def describe(network: Network) -> str:
    """Describes the recognized network on one line."""
    arguments = {key: value for key, value in network.get_config().items() if key not in ("name", "ending")}
    kind = f"generator x{network.scale}" if isinstance(network, Generator) else "discriminator"
    listed = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items())
    return f"{type(network).__name__} ({kind}), {network.count_params():,} parameters: {listed}"
