"""`python -m sr_gan_tf.evaluate MODEL... --data NAME=FOLDER`: measures models and bicubic on test sets."""

import argparse
import sys
from pathlib import Path

import sr_gan_tf
from sr_gan_tf.errors import Parser, command
from sr_gan_tf.evaluation import KNOWN, STANDARD
from sr_gan_tf.registry.imports import add_import


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    arguments = vars(_parser().parse_args(argv))
    sr_gan_tf.start()
    from sr_gan_tf.evaluation.evaluator import evaluate_models

    evaluate_models(**arguments)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.evaluate", description=__doc__)
    add_import(parser)

    def add(*names: str, help: str, **settings) -> None:
        parser.add_argument(*names, help=help, **settings)

    model = "run folder, .keras file, SavedModel, shipped name, or LABEL=MODEL"
    data = "test set, repeatable; default: two photographs from scikit-image"
    metrics = f"from {', '.join(KNOWN)}; or all; default: {','.join(STANDARD)}"
    trunk = "trunk of the perceptual distance: vgg16:hed, vgg16:lpips, vgg19:imagenet, vgg16:FILE"
    add("models", nargs="*", metavar="MODEL", help=model)
    add("--data", action="append", default=[], metavar="NAME=FOLDER", help=data)
    add("--scale", type=int, help="default: that of the models")
    add(
        "--lr",
        choices=("made", "folder"),
        default="made",
        help="make LR by bicubic, or read it from the folder LR next to HR",
    )
    add(
        "--border", choices=("replicate", "symmetric"), default="replicate", help="padding of the bicubic that makes LR"
    )
    add(
        "--degradation",
        metavar="NAME",
        help="degradation that makes LR instead, e.g. Realistic, or JSON as in an experiment",
    )
    add("--metrics", metavar="A,B", help=metrics)
    add("--trunk", metavar="NETWORK:WEIGHTS", help=trunk)
    add("--niqe", metavar="FILE", help="add NIQE with the parameters in this .mat or .npz file")
    add("--crop", type=int, help="pixels to crop from each border; default: the scale, as published")
    add(
        "--csv",
        type=Path,
        metavar="FILE.csv",
        help="write the metrics of every picture; - prints them instead of the table",
    )
    add("--json", type=Path, metavar="FILE.json", help="write the same with means and costs; - prints them")
    add("--report", type=Path, metavar="FILE.html", help="write a report as one page that needs no network connection")
    add("--save", type=Path, metavar="FOLDER", help="write the enlarged pictures as PNG")
    add("--jobs", type=int, metavar="N", help="pictures processed at once; default: the number of processors")
    add("--overwrite", action="store_true", help="replace existing files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
