"""Measures memory and time of a train step with gradient accumulation and with recomputation, in the same rounds.

`python tools/training_memory.py experiments/esrgan_x4.json --batch 16 --parts 4 --patch 128`: the step of one batch, of
the same images in parts, with recomputation, and with both. The figures are those of `python -m sr_gan_tf.benchmark`.
"""

import argparse
import dataclasses
import json
import sys

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the tool with the arguments `argv`, by default those of the process."""
    arguments = _parser().parse_args(argv)
    if arguments.batch % arguments.parts or not 1 < arguments.parts <= arguments.batch:
        raise InputError(
            f"--parts {arguments.parts}: expected a number from 2 that divides --batch {arguments.batch} evenly"
        )
    sr_gan_tf.start()
    from sr_gan_tf.benchmarks.rounds import benchmark
    from sr_gan_tf.benchmarks.tasks import step_job

    jobs = []
    for parts, recompute in ((1, False), (arguments.parts, False), (1, True), (arguments.parts, True)):
        shape = (arguments.batch // parts, arguments.patch, arguments.patch, 3)
        job = step_job(
            arguments.experiment, shape, arguments.compiler, None, "cpu", arguments.stage, arguments.overrides, None
        )
        experiment = json.loads(job.experiment)
        experiment["stages"][0] |= {"accumulate": parts, "recompute": recompute}
        words = [f"accumulate {parts}"] * (parts > 1) + ["recompute"] * recompute
        label = ", ".join(words) or "one batch"
        # Rows are compared if their shapes are equal: that of all images of an update.
        shape = (arguments.batch, *shape[1:])
        jobs.append(dataclasses.replace(job, label=label, shape=shape, experiment=json.dumps(experiment)))
    benchmark(jobs, arguments.rounds, arguments.round_seconds, baseline="one batch", peak=False)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python tools/training_memory.py", description=__doc__)
    parser.add_argument("experiment", help="experiment file with the generator RRDBNet")
    parser.add_argument("--stage", help="the stage whose step is measured; default: the last one")
    parser.add_argument("--batch", type=int, default=16, help="images per update")
    parser.add_argument("--parts", type=int, default=4, help="batches per update of the accumulating rows")
    parser.add_argument("--patch", type=int, default=128, help="side of the HR patches")
    parser.add_argument("--compiler", choices=("graph", "xla"), default="graph")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=float, default=2.0)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
