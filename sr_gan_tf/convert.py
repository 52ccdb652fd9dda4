"""`python -m sr_gan_tf.convert MODEL -o OUT.keras`: a public PyTorch checkpoint as a Keras file of this package.

A run folder gives the averaged generator of its newest checkpoint as it is trained, unmerged.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.files import check_output, replacing
from sr_gan_tf.networks import Generator, Network
from sr_gan_tf.pytorch_checkpoints.pytorch import load_pytorch
from sr_gan_tf.training.assembly import averaged


def convert(
    model: str | Path,
    output: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Network:
    """Writes a PyTorch checkpoint, or a run's averaged generator, as a `.keras` file; returns the network.

    Args:
        model: `.safetensors`, what `torch.save` wrote (`.pth`, `.pt`), or a run folder.
        output: the file to write; default: the model's name with `.keras`.
        overrides: constructor arguments that the weights don't tell, e.g. `{"published_attention": True}`; none for a
            run folder.
        overwrite: whether a file that is there may be replaced.

    Raises:
        InputError: nothing was written; the message says why.
    """
    model = Path(model)
    output = model.with_suffix(".keras") if output is None else Path(output)
    check_output(output, (".keras",), overwrite)
    if model.is_dir():
        if overrides:
            raise InputError(f"--set {', '.join(overrides)}: a run folder says all of its network; leave it out")
        network = averaged(model)
    elif model.is_file():
        network = load_pytorch(model, overrides)
    else:
        raise InputError(f"no file {model}; give a .safetensors or .pth file, or a run folder")
    with replacing(output) as temporary:
        network.save(temporary)
    return network


def describe(network: Network) -> str:
    """One line: what was recognised."""
    arguments = {key: value for key, value in network.get_config().items() if key not in ("name", "ending")}
    kind = f"generator x{network.scale}" if isinstance(network, Generator) else "discriminator"
    listed = ", ".join(f"{key}={json.dumps(value)}" for key, value in arguments.items())
    return f"{type(network).__name__} ({kind}), {network.count_params():,} parameters: {listed}"


def _overrides(items: list[str]) -> dict[str, Any]:
    overrides = {}
    for item in items:
        key, _separator, text = item.partition("=")
        try:
            overrides[key] = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"--set {item}: expected ARGUMENT=JSON, e.g. published_attention=true") from error
    return overrides


@command
def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m sr_gan_tf.convert", description=__doc__)
    parser.add_argument(
        "model",
        help="a .safetensors file, or what torch.save wrote; or a run folder, for its averaged network as it trains",
    )
    parser.add_argument("-o", "--output", help="the .keras file to write; default: the model's name with .keras")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it is there")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ARGUMENT=JSON",
        help="a constructor argument that the weights don't tell, e.g. published_attention=true for a MetaGAN that "
        "was trained by its published code, which leaves the attention out; not for a run folder",
    )
    arguments = parser.parse_args(argv)
    network = convert(arguments.model, arguments.output, _overrides(arguments.set), arguments.overwrite)
    print(describe(network))


if __name__ == "__main__":
    sys.exit(main())
