"""`python -m sr_gan_tf.fit EXPERIMENT`: runs all stages of an experiment, resumable at any step."""

import json
import sys

from sr_gan_tf.benchmarks.input_pipeline import profile_data
from sr_gan_tf.config import json_schema, load_experiment, to_json
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.registry.imports import add_import
from sr_gan_tf.training.advice import slow_bfloat16
from sr_gan_tf.training.dry_run import plan
from sr_gan_tf.training.run import fit


def _steps(text: str) -> tuple[int, int]:
    first, separator, last = text.partition(":")
    if not separator or not first.isdigit() or not last.isdigit() or not 0 < int(first) <= int(last):
        raise InputError(f"--profile {text}: expected FIRST:LAST steps, e.g. --profile 100:110")
    return int(first), int(last)


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the words of `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.fit", description=__doc__)
    add_import(parser, experiment=True)
    parser.add_argument("experiment", nargs="?", help="experiment file, e.g. experiments/quickstart.json")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="e.g. stages.0.steps=100")
    parser.add_argument("--run-dir", help="run folder; default runs/<name>")
    parser.add_argument("--dry-run", action="store_true", help="print experiment, counts and estimates, and stop")
    parser.add_argument("--profile", metavar="FIRST:LAST", help="profiler trace of these steps for TensorBoard")
    parser.add_argument(
        "--profile-input", action="store_true", help="measure the data pipeline under the real steps, and stop"
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of experiment files, and stop")
    arguments = parser.parse_args(argv)
    if arguments.schema:
        print(json.dumps(json_schema(), indent=2))
        return
    if arguments.experiment is None:
        raise InputError("no experiment given; e.g. python -m sr_gan_tf.fit experiments/quickstart.json")
    experiment = load_experiment(arguments.experiment, arguments.set)
    if arguments.dry_run:
        print(to_json(experiment), end="")
        print(plan(experiment), *slow_bfloat16(experiment), sep="\n")
        return
    if arguments.profile_input:
        print(profile_data(experiment))
        return
    fit(experiment, arguments.run_dir, _steps(arguments.profile) if arguments.profile else None)


if __name__ == "__main__":
    sys.exit(main())
