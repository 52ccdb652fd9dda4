"""`python -m sr_gan_tf.data`: checks the images of an experiment, measures the data pipeline, and manages tile stores.

`check` exits with code 1 if it found problems.
"""

import math
import sys
import tempfile
from pathlib import Path

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.registry.imports import add_import


@command
def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="list unreadable, mismatched, small and shared pictures")
    benchmark = commands.add_parser(
        "benchmark", help="batches per second, compared with plain decoding and SRResNet's train step"
    )
    for one in (check, benchmark):
        one.add_argument("experiment", help="experiment file")
        add_import(one, experiment=True)
        one.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="e.g. data.patch_size=64")
    benchmark.add_argument("--batches", type=int, default=100, help="batches per round (default: 100)")
    benchmark.add_argument(
        "--rounds", type=int, default=3, help="number of rounds, of which the median is printed (default: 3)"
    )
    memory = commands.add_parser("memory", help="anonymous memory while reading a large synthetic store")
    memory.add_argument("--gigabytes", type=float, default=40.0, help="size of the sparse store (default: 40)")
    memory.add_argument("--batches", type=int, default=2000, help="batches to draw from it (default: 2000)")
    stores = commands.add_parser("stores", help="list the stores of tiles with size and last use; delete unused ones")
    stores.add_argument("--cache-dir", help="an experiment's data.cache_dir; default: the user's cache folder")
    stores.add_argument(
        "--delete-unused", type=float, metavar="DAYS", help="delete those that no run has opened for DAYS days"
    )
    arguments = parser.parse_args(argv)
    if arguments.command == "stores":
        return _stores(arguments.cache_dir, arguments.delete_unused)
    for name in ("batches", "rounds"):
        if getattr(arguments, name, 1) < 1:
            raise InputError(f"--{name} {getattr(arguments, name)}: expected 1 or more")
    if arguments.command == "memory" and not 0 < arguments.gigabytes < math.inf:
        raise InputError(f"--gigabytes {arguments.gigabytes:g}: expected a positive size")
    sr_gan_tf.start()
    from sr_gan_tf.config import load_experiment

    if arguments.command == "memory":
        return _memory(arguments.gigabytes, arguments.batches)
    experiment = load_experiment(arguments.experiment, arguments.set)
    if arguments.command == "benchmark":
        from sr_gan_tf.benchmarks import input_pipeline

        print(input_pipeline.benchmark(experiment, arguments.batches, arguments.rounds))
        return 0
    from sr_gan_tf.data.check import check as look

    sizes = [stage.patch_size for stage in experiment.stages if stage.patch_size]
    report = look(experiment.data, experiment.scale, max([experiment.data.patch_size, *sizes]))
    print(report)
    return 1 if report.problems else 0


def _stores(cache_dir: str | None, days: float | None) -> int:
    from sr_gan_tf.data.cleaning import delete_unused, stores
    from sr_gan_tf.files import cache_folder

    if days is not None and not 0 <= days < math.inf:
        raise InputError(f"--delete-unused {days:g}: expected a number of days, 0 or more")
    root = cache_folder(cache_dir)
    if cache_dir and not root.is_dir():
        raise InputError(f"--cache-dir {cache_dir}: there is no such folder")
    found = stores(root) if days is None else delete_unused(root, days)
    for one in found:
        print(f"{one.gigabytes:7.2f} GB  last used {one.days:.0f} days ago  {one.folder.name}")
    total = sum(one.gigabytes for one in found)
    print(f"{total:7.2f} GB  {len(found)} stores {'in' if days is None else 'deleted from'} {root}")
    return 0


def _memory(gigabytes: float, batches: int) -> int:
    import tensorflow as tf

    from sr_gan_tf.benchmarks import input_pipeline

    # TensorFlow starts completely only when it runs something.
    tf.reduce_sum(tf.ones((64, 64)) @ tf.ones((64, 64))).numpy()
    with tempfile.TemporaryDirectory() as folder:
        print(input_pipeline.memory(Path(folder), gigabytes, batches))
    return 0


if __name__ == "__main__":
    sys.exit(main())
