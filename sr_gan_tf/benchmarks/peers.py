"""The same networks in PyTorch, in the same rounds: pytorch/torch_worker.py, run by another environment's Python."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from sr_gan_tf.benchmarks.table import Measured
from sr_gan_tf.benchmarks.tasks import Task
from sr_gan_tf.benchmarks.timing import ratio
from sr_gan_tf.errors import InputError

KINDS = ("eager", "channels_last", "compiled")
# Names and arguments of the networks implemented there.
TWINS = {"SRResNet": {}, "SPAN": {"merged": True}, "RRDBNet": {}, "SRGANDiscriminator": {}}
_SCRIPT = Path(__file__).parent / "pytorch" / "torch_worker.py"
_PREFIX = "PyTorch "


def pytorch_rows(job: Task, python: str) -> list[tuple[Task, list[str]]]:
    """The PyTorch rows of a job, and the commands that start their processes.

    Raises:
        InputError: the network has no PyTorch counterpart.
    """
    spec = job.network
    if spec is None or TWINS.get(spec.class_name) != spec.config:
        known = ", ".join(
            ":".join([name, *(f"{key}={str(value).lower()}" for key, value in config.items())])
            for name, config in TWINS.items()
        )
        raise InputError(f"--peers: {job.label} has no PyTorch counterpart; expected {known}")
    return [
        (dataclasses.replace(job, label=_PREFIX + job.label, compiler=kind), [python, str(_SCRIPT), kind])
        for kind in KINDS
    ]


def comparisons(measured: Sequence[Measured]) -> Iterator[str]:
    """For each of our rows, its time relative to that of its fastest counterpart."""
    for row in measured:
        others = [
            other
            for other in measured
            if other.job.label == _PREFIX + row.job.label
            and all(getattr(other.job, key) == getattr(row.job, key) for key in ("mode", "shape", "precision"))
        ]
        if others:
            best = min(others, key=lambda other: other.times.median)
            share = ratio(row.rounds, best.rounds)
            yield (
                f"{row.job.label}, {row.job.mode}, {row.job.precision}: {share} of the time of the fastest PyTorch "
                f"variant ({best.job.compiler})"
            )
