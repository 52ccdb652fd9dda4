"""`python -m sr_gan_tf.benchmark`: how fast and how large networks and train steps are on this machine.

Every row runs in a process of its own, in turns, round by round, so that a machine that is slower in one minute than
in the next is slower for all rows alike. Without arguments: the published table of MetaGAN beside DUnet.
"""

import argparse
import contextlib
import itertools
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from sr_gan_tf.benchmarks import table
from sr_gan_tf.benchmarks.jobs import (
    COMPILERS,
    MODES,
    PRECISIONS,
    PUBLISHED,
    PUBLISHED_SHAPE,
    Job,
    choices,
    exists,
    experiment_networks,
    is_experiment,
    parse_network,
    parse_shape,
    step_job,
)
from sr_gan_tf.benchmarks.peers import comparisons, twins
from sr_gan_tf.benchmarks.processes import WORKER, OtherWork, Row
from sr_gan_tf.benchmarks.product import SIDES, product_job
from sr_gan_tf.benchmarks.results import SUFFIXES, scaling, write_results
from sr_gan_tf.benchmarks.timing import ratio, summarise
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.files import check_output, try_folder


def benchmark(
    jobs: Sequence[Job],
    rounds: int = 3,
    round_seconds: float = 2.0,
    baseline: str | None = None,
    peak: bool = True,
    operations: int = 0,
    peers: str | None = None,
    say: Callable[[str], None] = print,
) -> list[table.Measured]:
    """Measures the jobs in turns and prints their table.

    Args:
        jobs: the rows.
        rounds: how often each row has its turn.
        round_seconds: about how long a turn lasts; at least one iteration.
        baseline: label of the row that others of the same mode, shape, compiler and precision are compared with.
        peak: whether matrix products are measured in the same turns, for the share of the peak.
        operations: so many of the costliest kinds of operation are listed for each row.
        peers: the Python of an environment with PyTorch, whose rows are then measured beside ours.
        say: receives lines for the user.

    Raises:
        InputError: a job that cannot be run.
    """
    with contextlib.ExitStack() as stack:

        def enter(job: Job, program: Sequence[str] = WORKER) -> Row:
            row = Row(job, program)
            stack.callback(row.close)
            return row

        wanted = [(job, WORKER) for job in jobs]
        if peers:
            wanted = [pair for job in jobs for pair in ((job, WORKER), *twins(job, peers))]
        rows = []
        for number, (job, program) in enumerate(wanted, start=1):
            print(f"{number}/{len(wanted)} {job.label}, {job.mode}, {job.compiler}: compiling", file=sys.stderr)
            rows.append(enter(job, program))
        products = [enter(job) for job in _products(jobs)] if peak else []
        other_work = OtherWork()
        for number in range(1, rounds + 1):
            print(f"round {number}/{rounds}", file=sys.stderr)
            for row in (*rows, *products):
                row.run_round(round_seconds if row in rows else 0.5)
        busy = other_work.share()
        measured = _figures(rows, products, baseline)
        _say_table(measured, baseline, say)
        if busy is not None:
            say(f"meanwhile other processes used {busy:.0%} of the machine's processor time")
        for row in rows if operations and not peers else ():
            say(f"\n{row.job.label}, {row.job.precision}: milliseconds of an iteration, summed over threads")
            say(_operations(row.profile(), operations))
    return measured


def _products(jobs: Sequence[Job]) -> list[Job]:
    kinds = dict.fromkeys((job.precision, job.device) for job in jobs)
    compiler = {"cpu": "graph"}
    return [
        product_job(precision, side, compiler.get(device, "xla"), device)
        for precision, device in kinds
        for side in SIDES
    ]


def _figures(rows: Sequence[Row], products: Sequence[Row], baseline: str | None) -> list[table.Measured]:
    peaks: dict[tuple[str, str], tuple[float, float]] = {}
    for row in products:
        key, work = (row.job.precision, row.job.device), 2 * row.start["multiply_adds"] / 1e9
        reached = work / summarise(row.rounds).median, work / statistics.median(row.processor)
        peaks[key] = tuple(map(max, peaks.get(key, (0.0, 0.0)), reached))
    measured = []
    for row in rows:
        base = next((other for other in rows if other.job.label == baseline and _alike(other.job, row.job)), None)
        memories = [one.start["peak_memory"] for one in (row, base) if one is not None]
        compared = base is not None and base is not row
        peak, peak_processor = peaks.get((row.job.precision, row.job.device), (None, None))
        measured.append(
            table.Measured(
                job=row.job,
                times=summarise(row.rounds),
                start=row.start,
                rounds=row.rounds,
                processor=statistics.median(row.processor),
                peak=peak,
                peak_processor=peak_processor,
                waiting=statistics.fmean(row.waiting) if row.waiting else None,
                time_ratio=ratio(row.rounds, base.rounds) if compared else None,
                memory_ratio=memories[0] / memories[1] if compared and all(memories) else None,
            )
        )
    return measured


def _alike(first: Job, second: Job) -> bool:
    return all(getattr(first, key) == getattr(second, key) for key in ("mode", "shape", "compiler", "precision"))


def _say_table(measured: Sequence[table.Measured], baseline: str | None, say: Callable[[str], None]) -> None:
    shared, columns = table.common(table.cells(measured, baseline))
    say(shared)
    say(table.as_text(columns))
    peaks = {row.job.precision: row.peak for row in measured if row.peak}
    if peaks:
        say("matrix-product peak: " + ", ".join(f"{name} {value:,.0f} GFLOP/s" for name, value in peaks.items()))
    for line in comparisons(measured):
        say(line)
    for label, (rows, line) in scaling(measured).items():
        say(table.line_text(label, "pixel", line) + f" ({len(rows)} shapes)")


def _operations(milliseconds: dict[str, float], count: int) -> str:
    total = sum(milliseconds.values())
    lines = [f"{value:9.1f}  {value / total:5.1%}  {kind}" for kind, value in list(milliseconds.items())[:count]]
    return "\n".join([*lines, f"{total:9.1f}  all"])


def plan_jobs(options: argparse.Namespace) -> list[Job]:
    """Every combination of what was asked for, in the order in which it was named.

    Raises:
        InputError: unknown names, impossible shapes.
    """
    device = _device(options.device)
    compilers = choices("--compiler", options.compiler or ("graph" if device == "cpu" else "xla"), COMPILERS)
    modes = choices("--mode", options.mode, MODES)
    precisions = choices("--precision", options.precision, PRECISIONS) if options.precision else [None]
    shapes = [parse_shape(text) for text in options.shape] or [None]
    names = options.networks or ([options.data] if options.data else list(PUBLISHED))
    if (options.data or options.stage) and modes != ["step"]:
        raise InputError(f"--{'data' if options.data else 'stage'}: of use with --mode step only; add that")
    jobs = []
    for mode, shape, text, precision, compiler in itertools.product(modes, shapes, names, precisions, compilers):
        name, _, own = text.partition("@")
        size = parse_shape(own) if own else shape
        for path in (name if is_experiment(name) else None, options.data):
            if path is not None:
                exists(path)
        if mode == "step":
            jobs.append(step_job(name, size, compiler, precision, device, options.stage, options.set, options.data))
            continue
        found = experiment_networks(name, options.set) if is_experiment(name) else [parse_network(name)]
        jobs += [
            Job(label, mode, size or PUBLISHED_SHAPE, compiler, precision or "float32", device, spec)
            for label, spec in found
        ]
    return jobs


def _device(name: str) -> str:
    available = len(tf.config.list_physical_devices("GPU"))
    if name == "auto":
        return "gpu:0" if available else "cpu"
    kind, _, number = name.partition(":")
    if kind == "cpu" and not number:
        return "cpu"
    if kind == "gpu" and (not number or number.isdigit()):
        if int(number or 0) < available:
            return f"gpu:{number or 0}"
        raise InputError(f"--device {name}: TensorFlow sees {available} GPUs here; use cpu, or install its GPU version")
    raise InputError(f"--device {name}: expected auto, cpu, gpu or gpu:NUMBER")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.benchmark", description=__doc__.partition(":")[2])
    parser.add_argument(
        "--networks", nargs="+", metavar="NETWORK", default=[],
        help="catalogue names (SRResNet, SPAN:merged=true), rows of the published table ('MetaGAN conv SSE'), or "
        "experiment files; NETWORK@N,H,W,C gives it a shape of its own. Default: the published table, or with --data "
        "that experiment",
    )  # fmt: skip
    parser.add_argument(
        "--shape", nargs="+", metavar="N,H,W,C", default=[],
        help="of the networks' input, in a step of the HR patches; several fit a line through the times. Default "
        "2,512,512,3, in a step the experiment's own or 16,96,96,3",
    )  # fmt: skip
    parser.add_argument("--mode", default="inference", help="inference, training (forward and backward), step")
    parser.add_argument("--compiler", help="xla, graph, eager, or several; default graph on CPU, xla on GPU")
    parser.add_argument("--precision", help="float32, mixed_bfloat16, or both; default float32 or the experiment's")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu, gpu:1 ...")
    parser.add_argument("--data", metavar="EXPERIMENT", help="feed the step by this experiment's pipeline")
    parser.add_argument("--stage", help="the stage whose step is measured; default the experiment's last one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="e.g. data.batch_size=8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=float, default=2.0, help="length of a row's turn, about")
    parser.add_argument("--baseline", help="row that the others are compared with; default DUnet where it is there")
    parser.add_argument("--no-peak", action="store_true", help="leave the matrix products out")
    parser.add_argument("--profile", type=int, default=0, metavar="COUNT", help="list the costliest operations")
    parser.add_argument(
        "--floor", metavar="TFLOPS,TBYTES", help="least times on a machine of this peak and memory rate, e.g. 989,3.35"
    )
    parser.add_argument("--peers", metavar="PYTHON", help="PyTorch beside it: the Python of an environment with torch")
    parser.add_argument(
        "-o", "--output", action="append", default=[], metavar="FILE", help=f"one of {', '.join(SUFFIXES)}; repeatable"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return parser


@command
def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    paths, floor = [Path(name) for name in options.output], _floor(options.floor)
    for path in paths:
        check_output(path, SUFFIXES, options.overwrite, "-o")
        try_folder(path)
    if options.rounds < 1 or not options.round_seconds > 0:
        raise InputError("--rounds, --round-seconds: expected positive numbers")
    if options.profile < 0:
        raise InputError(f"--profile {options.profile}: expected 0 or more kinds of operation")
    jobs = plan_jobs(options)
    labels = list(dict.fromkeys(job.label for job in jobs))
    baseline = options.baseline or ("DUnet" if "DUnet" in labels and len(labels) > 1 else None)
    if baseline is not None and baseline not in labels:
        raise InputError(f"--baseline: no row {baseline!r}; the rows are {', '.join(labels)}")
    about = table.machine()
    print(f"{about['processor']}, {about['cores']} cores; TensorFlow {about['tensorflow']}, Keras {about['keras']}")
    measured = benchmark(
        jobs, options.rounds, options.round_seconds, baseline, not options.no_peak, options.profile, options.peers
    )
    for row in measured if floor else ():
        if row.start.get("product_bytes") and row.start["multiply_adds"]:
            print(table.floor_text(row, *floor))
    asked = " ".join(["python -m sr_gan_tf.benchmark", *map(_quoted, sys.argv[1:] if argv is None else argv)])
    for path in paths:
        write_results(measured, baseline, asked, path)


def _floor(text: str | None) -> list[float]:
    try:
        figures = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        figures = [0.0]
    if text and (len(figures) != 2 or not all(figure > 0 for figure in figures)):
        raise InputError(f"--floor {text}: expected two positive numbers, TFLOP/s and TB/s, e.g. 989,3.35")
    return figures


def _quoted(word: str) -> str:
    return f"'{word}'" if set(word) & set(' "[]{}*') else word


if __name__ == "__main__":
    sys.exit(main())
