"""`python -m sr_gan_tf.compare RUN... -o chart.png`: compares several runs.

Prints the best and last values and the keys in which the experiments differ, and draws the validation metrics and
losses of history.csv over the steps. A run may be a history.csv without its run folder. `LABEL=A,B,C` draws the mean of
runs with several seeds, and their range as a band. `--at 200,400` prints the values at these steps.
"""

import sys
from pathlib import Path

import sr_gan_tf
from sr_gan_tf.errors import Parser, command
from sr_gan_tf.registry.imports import add_import


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.compare", description=__doc__)
    add_import(parser)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders or history.csv files, LABEL=FOLDER, or seeds LABEL=A,B"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CHART", help="chart to write: .png, .svg or .pdf")
    parser.add_argument(
        "--columns", metavar="A,B", help="columns of history.csv; default: validation metrics and both losses"
    )
    parser.add_argument(
        "--at", metavar="STEP,STEP", help="print the values at these steps, or the last ones logged before them"
    )
    parser.add_argument("--title", help="title of the chart")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing chart")
    arguments = vars(parser.parse_args(argv))
    sr_gan_tf.start()
    from sr_gan_tf.evaluation.run_comparison import compare_runs

    compare_runs(**arguments)


if __name__ == "__main__":
    sys.exit(main())
