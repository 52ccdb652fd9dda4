"""Measures rows in turns, round by round, and prints the table."""

import contextlib
import statistics
import sys
from collections.abc import Callable, Sequence

from sr_gan_tf.benchmarks import table
from sr_gan_tf.benchmarks.peers import comparisons, pytorch_rows
from sr_gan_tf.benchmarks.processes import WORKER, OtherWork, Row
from sr_gan_tf.benchmarks.product import SIDES, product_job
from sr_gan_tf.benchmarks.results import scaling
from sr_gan_tf.benchmarks.tasks import Task
from sr_gan_tf.benchmarks.timing import ratio, summarize
from sr_gan_tf.pictures.progress import progress


def benchmark(
    jobs: Sequence[Task],
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
        rounds: number of turns per row.
        round_seconds: approximate length of a turn in seconds; at least one iteration.
        baseline: label of the baseline for rows of the same mode, shape, compiler and precision.
        peak: whether to measure matrix products in the same rounds, for the share of the peak.
        operations: number of the most expensive kinds of operations to list per row.
        peers: the Python interpreter of an environment with PyTorch, to measure its rows as well.
        say: receives lines for the user.

    Raises:
        InputError: a job cannot run.
    """
    with contextlib.ExitStack() as stack:

        def enter(job: Task, program: Sequence[str] = WORKER) -> Row:
            row = Row(job, program)
            stack.callback(row.close)
            return row

        wanted: list[tuple[Task, Sequence[str]]] = [(job, WORKER) for job in jobs]
        if peers:
            wanted = [pair for job in jobs for pair in ((job, WORKER), *pytorch_rows(job, peers))]
        rows = []
        for number, (job, program) in enumerate(wanted, start=1):
            print(f"{number}/{len(wanted)} {job.label}, {job.mode}, {job.compiler}: compiling", file=sys.stderr)
            rows.append(enter(job, program))
        products = [enter(job) for job in _products(jobs)] if peak else []
        other_work = OtherWork()
        with progress(lines=True, unit="turns") as bar:
            bar.reset(total=rounds * len(rows))
            for number in range(1, rounds + 1):
                for row in (*rows, *products):
                    bar.set_description_str(f"round {number}/{rounds}, {row.job.label}")
                    row.run_round(round_seconds if row in rows else 0.5)
                    bar.update(1 if row in rows else 0)
        busy = other_work.share()
        measured = _figures(rows, products, baseline)
        _say_table(measured, baseline, say)
        if busy is not None:
            say(f"other processes used {busy:.0%} of the machine's processor time")
        for row in rows if operations and not peers else ():
            say(f"\n{row.job.label}, {row.job.precision}: milliseconds per iteration, summed over threads")
            say(_operations(row.profile(), operations))
    return measured


def _products(jobs: Sequence[Task]) -> list[Task]:
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
        reached = work / summarize(row.rounds).median, work / statistics.median(row.processor)
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
                times=summarize(row.rounds),
                start=row.start,
                rounds=row.rounds,
                processor=statistics.median(row.processor),
                peak=peak,
                peak_processor=peak_processor,
                waiting=statistics.fmean(row.waiting) if row.waiting else None,
                time_ratio=ratio(row.rounds, base.rounds) if compared and base else None,
                memory_ratio=memories[0] / memories[1] if compared and all(memories) else None,
            )
        )
    return measured


def _alike(first: Task, second: Task) -> bool:
    return all(getattr(first, key) == getattr(second, key) for key in ("mode", "shape", "compiler", "precision"))


def _say_table(measured: Sequence[table.Measured], baseline: str | None, say: Callable[[str], None]) -> None:
    shared, columns = table.common(table.cells(measured, baseline))
    say(shared)
    say(table.as_text(columns))
    peaks = {row.job.precision: row.peak for row in measured if row.peak}
    if peaks:
        say("matrix-product peak: " + ", ".join(f"{name} {value:,.0f} GFLOP/s" for name, value in peaks.items()))
    for text in comparisons(measured):
        say(text)
    for label, (rows, line) in scaling(measured).items():
        say(table.line_text(label, "pixel", line) + f" ({len(rows)} shapes)")


def _operations(milliseconds: dict[str, float], count: int) -> str:
    total = sum(milliseconds.values())
    lines = [f"{value:9.1f}  {value / total:5.1%}  {kind}" for kind, value in list(milliseconds.items())[:count]]
    return "\n".join([*lines, f"{total:9.1f}  all"])
