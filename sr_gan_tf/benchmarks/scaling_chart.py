"""The chart of a benchmark: bars of time and memory, or times over sizes if a network has several shapes."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sr_gan_tf.benchmarks.table import Measured, shape_text
from sr_gan_tf.benchmarks.timing import Line
from sr_gan_tf.files import replacing


def draw_bars(rows: Sequence[Measured], labels: Sequence[str], path: Path) -> None:
    """One bar per row: median iteration time (whiskers: all iterations), and peak memory."""
    figure = Figure(figsize=(10, 1.2 + 0.42 * len(rows)), layout="constrained")
    times, memory = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    medians = [1e3 * row.times.median for row in rows]
    spread = [
        [max(0.0, median - 1e3 * min(map(min, row.rounds))) for row, median in zip(rows, medians, strict=True)],
        [max(0.0, 1e3 * max(map(max, row.rounds)) - median) for row, median in zip(rows, medians, strict=True)],
    ]
    times.barh(places, medians, xerr=spread, color="#4878a8", ecolor="#222222", capsize=2)
    times.set_yticks(places, labels)
    times.invert_yaxis()
    times.set_xlabel("ms per iteration, median and range")
    memory.barh(places, [(row.start["peak_memory"] or 0) / 1e6 for row in rows], color="#a87848")
    memory.set_xlabel("peak memory (MB)")
    _save(figure, path)


def draw_scaling(groups: dict[str, list[Measured]], lines: dict[str, Line], path: Path) -> None:
    """Times over the number of input pixels, with the fitted lines."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    for name, rows in groups.items():
        sizes = [pixels(row) for row in rows]
        points = axis.plot(sizes, [1e3 * row.times.median for row in rows], "o", label=name)
        for row, size in zip(rows, sizes, strict=True):
            axis.annotate(
                shape_text(row.job.shape[:3]), (size, 1e3 * row.times.median), fontsize=7, xytext=(4, -8),
                textcoords="offset points",
            )  # fmt: skip
        if name in lines:
            ends = [min(sizes), max(sizes)]
            heights = [1e3 * (lines[name].start + lines[name].slope * size) for size in ends]
            axis.plot(ends, heights, "-", color=points[0].get_color(), linewidth=1)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("pixels of the batch (N * H * W)")
    axis.set_ylabel("ms per iteration, median; line: fit")
    axis.legend()
    _save(figure, path)


def pixels(row: Measured) -> int:
    """N * H * W of a row's shape."""
    batch, height, width, _ = row.job.shape
    return batch * height * width


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=path.suffix[1:])
