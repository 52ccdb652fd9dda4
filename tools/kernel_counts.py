"""Lists the kernels of a train step before and after XLA fuses them.

`python tools/kernel_counts.py experiments/srgan_x4.json --shape 4,96,96,3`: the instructions of the HLO of the whole
step, by kind, before and after optimization for this machine's device. Each that remains is one kernel, or a call of a
library. Instructions that compute nothing (parameters, constants, tuples, views) do not count. Another device fuses
otherwise.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import sr_gan_tf
from sr_gan_tf.errors import Parser, command

if TYPE_CHECKING:
    import tensorflow as tf

# Instructions that compute nothing.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier"}
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = (?:\([^=]*?\)|\S+) ([a-z][\w-]*)\(")
_CALLED = re.compile(
    r"\b(?:condition|body|true_computation|false_computation|to_apply|calls)=%?([\w.-]+)"
    r"|\b(?:branch_computations|called_computations)=\{([^}]*)\}"
)


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the tool with the arguments `argv`, by default those of the process."""
    arguments = _parser().parse_args(argv)
    sr_gan_tf.start()
    import json

    import tensorflow as tf

    from sr_gan_tf.benchmarks.planning import plan_tasks
    from sr_gan_tf.benchmarks.subjects import batch_shapes
    from sr_gan_tf.config import parse_experiment
    from sr_gan_tf.training.assembly import build_networks, build_stage

    jobs = plan_tasks(
        arguments.experiments, [arguments.shape] if arguments.shape else [], "step", "xla", stage=arguments.stage,
        overrides=arguments.overrides,
    )  # fmt: skip
    device = (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))[0].device_type
    for job in jobs:
        experiment = parse_experiment(json.loads(job.experiment))
        trainer = build_stage(experiment, 0, build_networks(experiment))
        batch = [tf.random.stateless_uniform(shape, (1, 2)) for shape in batch_shapes(experiment)]
        before, after = kernel_counts(_step(trainer), batch)
        shape = ",".join(map(str, job.shape))
        print(f"{job.label}, [{shape}], {job.precision}, {device}")
        print(f"{'before':>8} {'after':>8}")
        for kind in sorted(before | after, key=lambda kind: (-after[kind], -before[kind], kind)):
            print(f"{before[kind]:8,} {after[kind]:8,}  {kind}")
        print(f"{before.total():8,} {after.total():8,}  all", flush=True)


def _step(trainer) -> Callable:
    return lambda lr, hr: trainer.train_step((lr, hr))


def kernel_counts(function: Callable, tensors: Sequence["tf.Tensor"]) -> tuple[Counter, Counter]:
    """The instructions by kind of a function that XLA compiles for these tensors, before and after optimization."""
    import tensorflow as tf

    compiler = tf.function(function, jit_compile=True, autograph=False).experimental_get_compiler_ir(*tensors)
    return counts(compiler(stage="hlo")), counts(compiler(stage="optimized_hlo"))


def counts(text: str) -> Counter:
    """The instructions of the entry of an HLO module, and those of loops and branches; not those inside fusions."""
    computations: dict[str, list[tuple[str, str]]] = {}
    entry, lines = "", []
    for line in text.splitlines():
        if header := _COMPUTATION.match(line):
            lines = computations.setdefault(header[2], [])
            entry = header[2] if header[1] else entry
        elif instruction := _INSTRUCTION.match(line):
            lines.append((instruction[1], line))
    found: Counter = Counter()
    waiting, seen = [entry], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for kind, line in computations[name]:
            if kind not in _FREE:
                found[kind] += 1
            if kind in ("while", "conditional", "call", "async-start"):
                for one, several in _CALLED.findall(line):
                    waiting += [one] if one else [other.strip(" %") for other in several.split(",")]
    return found


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python tools/kernel_counts.py", description=__doc__)
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT", help="experiment files or names of networks")
    parser.add_argument("--stage", help="the stage whose step is compiled; default: the last one")
    parser.add_argument("--shape", metavar="N,H,W,3", help="of the HR patches; default: those of the experiment")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
