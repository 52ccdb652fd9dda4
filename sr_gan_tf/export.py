"""`python -m sr_gan_tf.export MODEL --to PATH`: a trained generator as a SavedModel for TensorFlow Serving, or elsewhere."""

import argparse
import sys
from pathlib import Path

import keras

from sr_gan_tf.errors import command
from sr_gan_tf.export_formats import model_card, verification
from sr_gan_tf.export_formats.saved_model import MAX_MEGAPIXELS, Serving, write_saved_model
from sr_gan_tf.export_formats.verification import Agreement
from sr_gan_tf.models import load

FORMATS = ("saved_model", "keras", "litert", "onnx", "tfjs")
_DEFAULT_SERVING = Serving()


def export(
    model: str | Path | keras.Model,
    to: str | Path,
    format: str = "saved_model",
    serving: Serving = _DEFAULT_SERVING,
    licence: str | None = None,
) -> list[Agreement]:
    """Writes a generator in its form for inference, runs what was written, and compares it with the Keras model.

    Args:
        model: a shipped name, run folder, `.keras` file, or a loaded generator.
        to: the model's folder for `saved_model` (a numbered version is added), else a file.
        format: one of FORMATS.
        serving: how a SavedModel treats its pictures.
        licence: of the weights, for the card.

    Raises:
        InputError: nothing was written; the message says why.
    """
    source = model.name if isinstance(model, keras.Model) else model
    generator = model_card.exportable(model if isinstance(model, keras.Model) else load(model), source)
    card = model_card.model_card(source, generator, licence)
    return [write_saved_model(generator, Path(to), card, serving)]


@command
def main(argv: list[str] | None = None) -> None:
    arguments = _parser().parse_args(argv)
    serving = Serving(arguments.version, arguments.tile, arguments.halo, arguments.max_megapixels)
    agreements = export(arguments.model, arguments.to, arguments.format, serving, arguments.licence)
    for agreement in agreements:
        print(f"wrote {agreement.path}")
    print(verification.table(agreements))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sr_gan_tf.export", description=__doc__)
    parser.add_argument("model", help="shipped name, run folder or .keras file")
    parser.add_argument("--to", required=True, help="folder of a SavedModel's versions, e.g. serving/srgan_x4; else a file")
    parser.add_argument("--format", choices=FORMATS, default="saved_model")
    parser.add_argument("--licence", help="of the weights, for the model card; default: a shipped model's own")
    served = parser.add_argument_group("saved_model")
    served.add_argument("--version", type=int, help="number of the version; default: the next one")
    served.add_argument("--tile", type=int, help="pixels of the original a side of a tile; default: what 1 GB holds")
    served.add_argument("--halo", type=_halo, help="exact, or pixels around a tile")
    served.add_argument(
        "--max-megapixels", type=float, default=MAX_MEGAPIXELS, help="larger encoded pictures are refused"
    )
    return parser


def _halo(text: str) -> int | str:
    if text == "exact":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected exact, or a number of pixels") from None


if __name__ == "__main__":
    sys.exit(main())
