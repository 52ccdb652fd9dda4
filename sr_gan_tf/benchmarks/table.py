"""The table of a benchmark: as text, Markdown or JSON data."""

import dataclasses
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from sr_gan_tf.benchmarks.tasks import Task
from sr_gan_tf.benchmarks.timing import Line, Ratio, Times
from sr_gan_tf.devices import processors


@dataclasses.dataclass(frozen=True)
class Measured:
    """A row of the table.

    Args:
        job: the measured job.
        times: seconds per iteration.
        start: properties from the first call (worker.Start as a dict).
        rounds: all times, by round.
        processor: processor seconds per iteration over all cores, median of the rounds; other processes on the machine
            hardly affect it.
        peak_processor: 10^9 operations of the matrix product per second of processor time.
        peak: GFLOP/s of the matrix product in this row's precision, None if not measured.
        waiting: share of a step spent waiting for data, None without real data.
        time_ratio: to the baseline's time, None for the baseline itself or without one.
        memory_ratio: to the baseline's memory.
    """

    job: Task
    times: Times
    start: dict
    rounds: list[list[float]]
    processor: float = 0.0
    peak: float | None = None
    peak_processor: float | None = None
    waiting: float | None = None
    time_ratio: Ratio | None = None
    memory_ratio: float | None = None

    @property
    def images_per_second(self) -> float:
        return self.job.shape[0] / self.times.mean

    @property
    def gigaflops(self) -> float | None:
        """10^9 operations per second from the median time, like the peak; a multiply-add counts as two."""
        count = self.start["multiply_adds"]
        return None if count is None else 2 * count / self.times.median / 1e9

    @property
    def share_of_peak(self) -> float | None:
        return None if self.peak is None or self.gigaflops is None else self.gigaflops / self.peak

    @property
    def processor_share_of_peak(self) -> float | None:
        """Share of the peak in processor time instead of wall-clock time."""
        count = self.start["multiply_adds"]
        if self.peak_processor is None or count is None or not self.processor:
            return None
        return 2 * count / self.processor / 1e9 / self.peak_processor


HEADINGS = (
    "network", "mode", "shape", "compiler", "precision", "mean ms", "median ms", "p95 ms", "processor ms",
    "images/s", "peak MB", "parameters", "mult-adds", "GFLOP/s", "of peak", "by processor", "compile s",
)  # fmt: skip


def cells(rows: Sequence[Measured], baseline: str | None) -> list[list[str]]:
    """Cells of the table, headings first; columns in which all rows agree are omitted (see `common`)."""
    headings = list(HEADINGS)
    with_ratio = any(row.time_ratio for row in rows)
    with_waiting = any(row.waiting is not None for row in rows)
    if with_waiting:
        headings.append("waiting")
    if with_ratio:
        headings += [f"time / {baseline}", f"memory / {baseline}"]
    table = [headings]
    for row in rows:
        start, times = row.start, row.times
        line = [
            row.job.label, row.job.mode, shape_text(row.job.shape), row.job.compiler, row.job.precision,
            *(f"{1e3 * value:.1f}" for value in (times.mean, times.median, times.p95)),
            f"{1e3 * row.processor:.1f}",
            f"{row.images_per_second:.2f}",
            _optional(start["peak_memory"], lambda value: f"{value / 1e6:,.0f}"),
            _optional(start["parameters"], lambda value: f"{value:,}"),
            _optional(start["multiply_adds"], lambda value: f"{value / 1e9:,.2f} G"),
            _optional(row.gigaflops, lambda value: f"{value:,.0f}"),
            _optional(row.share_of_peak, lambda value: f"{value:.0%}"),
            _optional(row.processor_share_of_peak, lambda value: f"{value:.0%}"),
            f"{start['compile_seconds']:.1f}",
        ]  # fmt: skip
        if with_waiting:
            line.append(_optional(row.waiting, lambda value: f"{value:.1%}"))
        if with_ratio:
            line += [_optional(row.time_ratio, str), _optional(row.memory_ratio, lambda value: f"{value:.2f}")]
        table.append(line)
    return table


def common(table: list[list[str]]) -> tuple[str, list[list[str]]]:
    """The values that all rows share in their first columns, and the table without those columns."""
    shared = [index for index in range(1, 5) if len(table) > 1 and len({line[index] for line in table[1:]}) == 1]
    said = ", ".join(table[1][index] for index in shared)
    return said, [[cell for index, cell in enumerate(line) if index not in shared] for line in table]


def as_text(table: list[list[str]]) -> str:
    """Aligned columns: names to the left, numbers to the right."""
    widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    lines = []
    for line in table:
        first, *rest = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def as_markdown(table: list[list[str]]) -> str:
    """A Markdown table."""
    rule = ["---", *["---:"] * (len(table[0]) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [table[0], rule, *table[1:]])


def shape_text(shape: Sequence[int]) -> str:
    """2x512x512x3."""
    return "x".join(map(str, shape))


def machine() -> dict[str, str | int]:
    """The hardware and software that the figures depend on."""
    return {
        "processor": processor_name(),
        "cores": processors(),
        "memory_GB": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
    }


def processor_name() -> str:
    """The processor and its extensions for matrix products."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    extensions = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{names[0] if names else platform.processor()} ({', '.join(extensions)})"


def plain(row: Measured) -> dict:
    """The row as JSON data."""
    job = dataclasses.asdict(row.job) | {"experiment": None}
    figures = dataclasses.asdict(row) | {"job": job}
    derived = ("images_per_second", "gigaflops", "share_of_peak", "processor_share_of_peak")
    return figures | {name: getattr(row, name) for name in derived}


def line_text(label: str, unit: str, line: Line) -> str:
    """`SRResNet: 3.10 ms + 520.00 ns per pixel; explains 99.90% of the variance`."""
    return (
        f"{label}: {1e3 * line.start:.2f} ms + {1e9 * line.slope:.2f} ns per {unit}; "
        f"explains {line.explained:.2%} of the variance"
    )


def floor_text(row: Measured, teraflops: float, terabytes: float) -> str:
    """The minimum time of a row on another machine, from the arithmetic and memory traffic of its products."""
    arithmetic = 2 * row.start["multiply_adds"] / (teraflops * 1e12)
    memory = row.start["product_bytes"] / (terabytes * 1e12)
    least = max(arithmetic, memory)
    return (
        f"{row.job.label}, {row.job.mode}, {row.job.precision}: at least {1e3 * least:.2f} ms "
        f"(arithmetic {1e3 * arithmetic:.2f}, memory {1e3 * memory:.2f}), {row.job.shape[0] / least:,.0f} images/s"
    )


def _optional(value, text) -> str:
    return "-" if value is None else text(value)
