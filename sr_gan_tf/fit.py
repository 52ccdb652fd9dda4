"""`python -m sr_gan_tf.fit EXPERIMENT`: trains all stages of an experiment; resumes an interrupted run."""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, Unavailable, command
from sr_gan_tf.json_files import read_json
from sr_gan_tf.registry.imports import add_import
from sr_gan_tf.training import TRUNKS

if TYPE_CHECKING:
    from sr_gan_tf.config import Experiment
    from sr_gan_tf.training.run import fit as fit


def _steps(text: str) -> tuple[int, int]:
    first, separator, last = text.partition(":")
    if not separator or not first.isdigit() or not last.isdigit() or not 0 < int(first) <= int(last):
        raise InputError(f"--profile {text}: expected FIRST:LAST steps, e.g. --profile 100:110")
    return int(first), int(last)


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.fit", description=__doc__)
    add_import(parser, experiment=True)
    parser.add_argument(
        "experiment", nargs="?", help="experiment file, e.g. experiments/quickstart.json, or a run folder to resume"
    )
    tuning = parser.add_argument_group("fine-tuning")
    tuning.add_argument(
        "--from", dest="base", metavar="MODEL", help="fine-tune this trained model, e.g. --from span_x4"
    )
    tuning.add_argument("--steps", type=int, metavar="N", help="generator updates, e.g. 2000")
    tuning.add_argument("--base-data", metavar="FOLDER", help="pictures like the model's training data")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="override, e.g. stages.0.steps=100"
    )
    parser.add_argument("--run-dir", help="run folder; default: runs/<name>")
    data = parser.add_argument_group("other data and weights")
    for part in ("train", "validation"):
        data.add_argument(
            f"--{part}-data", nargs="+", default=[], metavar="FOLDER", help=f"folders to use as {part} data"
        )
    data.add_argument(
        "--trunk", choices=TRUNKS, help="weights for the VGG of perceptual losses and of FeatureDiscriminator"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the resolved experiment and estimates, and exit")
    parser.add_argument(
        "--profile", metavar="FIRST:LAST", help="record a profiler trace of these steps for TensorBoard"
    )
    parser.add_argument(
        "--profile-input", action="store_true", help="measure the data pipeline with the real train steps, and exit"
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of experiment files, and exit")
    arguments = parser.parse_args(argv)
    steps = _steps(arguments.profile) if arguments.profile else None
    _check(arguments)
    sr_gan_tf.start()
    from sr_gan_tf.benchmarks.input_pipeline import profile_data
    from sr_gan_tf.config import to_json
    from sr_gan_tf.training.dry_run import describe_run
    from sr_gan_tf.training.run import fit
    from sr_gan_tf.training.schema import json_schema
    from sr_gan_tf.training.substitutes import named_together

    if arguments.schema:
        print(json.dumps(json_schema(), indent=2))
        return
    experiment, run_dir = _experiment(arguments)
    if arguments.dry_run:
        print(to_json(experiment), end="")
        print(describe_run(experiment))
        return
    if arguments.profile_input:
        print(profile_data(experiment))
        return
    try:
        fit(experiment, run_dir, steps)
    except Unavailable as error:
        raise named_together(error, experiment, ["fit", *(sys.argv[1:] if argv is None else argv)]) from error


def _check(arguments: argparse.Namespace) -> None:
    """Checks the options for contradictions before TensorFlow is imported."""
    if arguments.schema:
        return
    if arguments.base is None:
        for name in ("steps", "base_data"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} has no effect without --from; remove it, or use --set")
        if arguments.experiment is None:
            raise InputError("no experiment given; e.g. python -m sr_gan_tf.fit experiments/quickstart.json")
        if not Path(arguments.experiment).is_dir():
            read_json(arguments.experiment)
        return
    if arguments.experiment is not None:
        raise InputError(f"{arguments.experiment} has no effect with --from, which writes the experiment; remove one")
    if not arguments.train_data or arguments.steps is None:
        raise InputError("--from needs --train-data and --steps, e.g. --from span_x4 --train-data photos --steps 2000")


def _experiment(arguments: argparse.Namespace) -> "tuple[Experiment, str | None]":
    """Returns the experiment with the changes of the options, and the run folder if they name one."""
    from sr_gan_tf.config import load_experiment
    from sr_gan_tf.runs.folder import RunFolder
    from sr_gan_tf.training.substitutes import with_folders, with_trunk

    run_dir = arguments.run_dir
    if arguments.base is not None:
        experiment = _fine_tuning(arguments)
    else:
        path = Path(arguments.experiment)
        if path.is_dir():
            folder = RunFolder(path)
            if not folder.experiment_file.is_file():
                raise InputError(
                    f"{path} is not a run folder (it has no experiment.json); pass one, or an experiment file"
                )
            experiment, run_dir = folder.experiment(arguments.set), run_dir or str(path)
        else:
            experiment = load_experiment(path, arguments.set)
        experiment = with_folders(experiment, arguments.train_data, arguments.validation_data)
    if arguments.trunk:
        experiment = with_trunk(experiment, arguments.trunk)
    return experiment, run_dir


def _fine_tuning(arguments: argparse.Namespace) -> "Experiment":
    """Returns the experiment that trains the model of `--from` further."""
    from sr_gan_tf.training.fine_tuning import fine_tuning

    if not arguments.validation_data:
        print(
            "warning: no --validation-data, so overfitting will not show; reserve a tenth of the pictures for it",
            file=sys.stderr,
        )
    return fine_tuning(
        arguments.base,
        arguments.train_data,
        arguments.steps,
        arguments.validation_data,
        arguments.base_data,
        arguments.set,
    )


def __getattr__(name: str) -> Any:
    if name == "fit":  # for Python; imported on demand, because TensorFlow takes seconds
        return importlib.import_module("sr_gan_tf.training.run").fit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(main())
