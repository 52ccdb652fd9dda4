"""`python -m sr_gan_tf.benchmark`: measures speed and memory of networks and train steps.

Every row runs in a separate process. The processes take turns, round by round, so that a temporary slowdown of the
machine affects all rows equally. Without arguments, it measures the published comparison of MetaGAN with DUnet.
"""

import argparse
import sys

import sr_gan_tf
from sr_gan_tf.benchmarks import SUFFIXES
from sr_gan_tf.errors import Parser, command
from sr_gan_tf.registry.imports import add_import


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    options = _parser().parse_args(argv)
    sr_gan_tf.start()
    from sr_gan_tf.benchmarks.suite import run

    asked = " ".join(["python -m sr_gan_tf.benchmark", *map(_quoted, sys.argv[1:] if argv is None else argv)])
    run(**vars(options), asked=asked)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.benchmark", description=__doc__.partition(":")[2])
    add_import(parser)
    parser.add_argument(
        "--networks", nargs="+", metavar="NETWORK", default=[],
        help="catalog names (SRResNet, SPAN:merged=true), rows of the published table ('MetaGAN conv SSE'), or "
        "experiment files; NETWORK@N,H,W,C sets the shape of one network. Default: the published table, or with "
        "--data that experiment",
    )  # fmt: skip
    parser.add_argument(
        "--shape", nargs="+", metavar="N,H,W,C", default=[],
        help="input shape, in a step that of the HR patches; several shapes fit a line of time over pixels. Default: "
        "2,512,512,3; in a step, that of the experiment or 16,96,96,3",
    )  # fmt: skip
    parser.add_argument("--mode", default="inference", help="inference, training (forward and backward) or step")
    parser.add_argument("--compiler", help="xla, graph, eager, or several; default: graph on a CPU, xla on a GPU")
    parser.add_argument(
        "--precision", help="float32, mixed_bfloat16, or both; default: that of the experiment, else float32"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu, gpu:1 ...")
    parser.add_argument("--data", metavar="EXPERIMENT", help="feed the step with the data pipeline of this experiment")
    parser.add_argument("--stage", help="the stage whose step is measured; default: the last one")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=JSON", help="e.g. data.batch_size=8"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=float, default=2.0, help="approximate length of a turn, in seconds")
    parser.add_argument("--baseline", help="row to compare the others with; default: DUnet if it is measured")
    parser.add_argument("--no-peak", dest="peak", action="store_false", help="skip the matrix products")
    parser.add_argument("--profile", type=int, default=0, metavar="COUNT", help="list the most expensive operations")
    parser.add_argument(
        "--floor", metavar="TFLOPS,TBYTES", help="print minimum times for this peak and memory bandwidth, e.g. 989,3.35"
    )
    parser.add_argument("--peers", metavar="PYTHON", help="also measure PyTorch with this Python")
    parser.add_argument(
        "-o", "--output", action="append", default=[], metavar="FILE", help=f"one of {', '.join(SUFFIXES)}; repeatable"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def _quoted(word: str) -> str:
    return f"'{word}'" if set(word) & set(' "[]{}*') else word


if __name__ == "__main__":
    sys.exit(main())
