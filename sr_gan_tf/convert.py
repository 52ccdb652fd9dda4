"""`python -m sr_gan_tf.convert MODEL -o OUT.keras`: converts a PyTorch checkpoint or a run folder to a Keras file.

For a run folder, the result is the averaged generator of the newest checkpoint in its training form, unmerged.
"""

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.registry.imports import add_import

if TYPE_CHECKING:
    from sr_gan_tf.export_formats.conversion import convert as convert


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.convert", description=__doc__)
    add_import(parser)
    add = parser.add_argument
    add("model", help="a .safetensors file, a file of torch.save (.pth, .pt), or a run folder")
    add("-o", "--output", help="the .keras file to write; default: the name of the model with .keras")
    add("--overwrite", action="store_true", help="replace an existing output file")
    add(
        "--set",
        action="append",
        default=[],
        metavar="ARGUMENT=JSON",
        help="a constructor argument that the weights do not determine, e.g. published_attention=true for a MetaGAN "
        "trained with its published code, which drops the result of the attention; not for a run folder",
    )
    arguments = parser.parse_args(argv)
    overrides = _overrides(arguments.set)
    sr_gan_tf.start()
    from sr_gan_tf.export_formats.conversion import convert, describe

    print(describe(convert(arguments.model, arguments.output, overrides, arguments.overwrite)))


def _overrides(items: list[str]) -> dict[str, Any]:
    overrides = {}
    for item in items:
        key, _separator, text = item.partition("=")
        try:
            overrides[key] = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"--set {item}: expected ARGUMENT=JSON, e.g. published_attention=true") from error
    return overrides


def __getattr__(name: str) -> Any:
    if name == "convert":  # for Python; imported on demand, because TensorFlow takes seconds
        return importlib.import_module("sr_gan_tf.export_formats.conversion").convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(main())
