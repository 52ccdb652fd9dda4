"""Draws several runs in a chart: one panel per column of history.csv, with all runs in each."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sr_gan_tf.evaluation.run_histories import RunHistory
from sr_gan_tf.evaluation.run_tables import best, differently_validated, metric_of, short
from sr_gan_tf.files import replacing
from sr_gan_tf.training.chart import guesses

FORMATS = (".png", ".svg", ".pdf")
_COLORS = ("#2f6fde", "#e2761b", "#178f5f", "#a04fd0", "#d23c6f", "#0f97a8", "#8a7410", "#5d6470")
_MARKERS = "osD^vPX*"


def draw(runs: Sequence[RunHistory], columns: Sequence[str], path: Path, title: str | None = None) -> None:
    """One panel per column with all runs; each run has the same color and marker in all panels."""
    across = 1 if len(columns) == 1 else 2
    down = -(-len(columns) // across)
    figure = Figure(figsize=(6.4 * across + 0.4, 3.3 * down + 0.9), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, column in zip(axes, columns, strict=False):
        _panel(axis, runs, column)
    for axis in axes[len(columns) :]:
        axis.remove()
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    names = [run.label for run in runs if run.label in handles]
    names += [name for name in handles if name not in names]
    shown = [handles[name] for name in names]
    figure.legend(shown, names, loc="outside lower center", ncols=min(len(names), 5), frameon=False)
    if title:
        figure.suptitle(title, fontweight="bold")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130)


def _panel(axis: Axes, runs: Sequence[RunHistory], column: str) -> None:
    drawn = []
    for number, run in enumerate(runs):
        steps, values = run.history.series(column)
        if not steps:
            continue
        color, few = _COLORS[number % len(_COLORS)], len(steps) <= 40
        marker = _MARKERS[number % len(_MARKERS)] if few else ""
        axis.plot(steps, values, label=run.label, color=color, linewidth=1.7, marker=marker, markersize=4.5)
        if run.band:
            low, high = (history.series(column)[1] for history in run.band)
            axis.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
        drawn += values
        top = best(run, column)
        if top and column.startswith("validation/"):
            axis.plot(top[1], top[0], "o", color="none", markeredgecolor=color, markersize=11, markeredgewidth=1.4)
    title, reference = _title(column), _bicubic(runs, column)
    if column.startswith("validation/") and differently_validated([run for run in runs if run.has(column)]):
        title += "\ndifferent validation pictures: not comparable"
    if column == "discriminator_loss":
        for label, value in guesses({name for run in runs for name in run.history.columns()}).items():
            axis.axhline(value, color="#80868f", linestyle="--", linewidth=1, label=f"{label}: D guesses")
    elif reference is not None and min(drawn) - reference < max(drawn) - min(drawn):
        axis.axhline(reference, color="#80868f", linestyle=":", linewidth=1.4, label="bicubic")
    elif reference is not None:
        # A line for it would compress the range of the runs.
        title += f"; bicubic {short(reference)}"
    if column == "generator_loss" and drawn and min(drawn) > 0 and max(drawn) > 20 * min(drawn):
        axis.set_yscale("log")
    axis.set_title(title, loc="left", fontsize=10.5)
    axis.set_xlabel("step", fontsize=9)
    axis.tick_params(labelsize=9)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _bicubic(runs: Sequence[RunHistory], column: str) -> float | None:
    """The value for bicubic, if all runs that have one were validated on the same pictures."""
    name = column.replace("validation/", "validation/bicubic_", 1)
    values = [run.history.series(name)[1][0] for run in runs if run.has(name)]
    same = all(math.isclose(value, values[0]) for value in values)
    return values[0] if column.startswith("validation/") and values and same else None


def _title(column: str) -> str:
    name = column.removeprefix("validation/")
    metric = metric_of(column)
    if metric is None:
        return name.replace("_", " ")
    arrow = {"higher": "higher is better", "lower": "lower is better", "one": "1 is ideal"}[metric.better]
    return f"validation {metric.title} ({arrow}; ring: best)"
