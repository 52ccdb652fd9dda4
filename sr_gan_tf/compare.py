"""`python -m sr_gan_tf.compare RUN... -o chart.png`: several runs over their steps, best and last values, what differs.

Drawn are the validation metrics and the losses that history.csv holds. Of the experiments only the keys that differ
are listed. A history.csv that was kept without its run folder can be drawn, too. `LABEL=A,B,C` draws the mean of runs
of several seeds, with their extremes as a band. `--at 200,400` prints the values at these steps.
"""

import bisect
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sr_gan_tf.errors import InputError, Parser, command, suggest
from sr_gan_tf.evaluation.figures import aligned
from sr_gan_tf.evaluation.run_histories import Run, read_runs
from sr_gan_tf.files import check_output, replacing, try_folder
from sr_gan_tf.metrics import METRICS, score
from sr_gan_tf.runs.history import FIRST_COLUMNS
from sr_gan_tf.training.chart import guesses

LOSSES = ("generator_loss", "discriminator_loss")
_COLOURS = ("#2f6fde", "#e2761b", "#178f5f", "#a04fd0", "#d23c6f", "#0f97a8", "#8a7410", "#5d6470")
_MARKERS = "osD^vPX*"
_FORMATS = (".png", ".svg", ".pdf")


def choose_columns(runs: Sequence[Run], wanted: Sequence[str] | None = None) -> list[str]:
    """Columns to draw: the validation metrics and the two losses, or those that were asked for."""
    known = dict.fromkeys(name for run in runs for name in run.history.columns() if name not in FIRST_COLUMNS)
    if wanted is not None:
        for name in wanted:
            if name not in known:
                raise InputError(f"--columns: no run has a column {name!r}{suggest(name, known)}")
        return list(wanted)
    validation = [name for name in known if name.startswith("validation/") and not _is_bicubic(name)]
    chosen = validation + [name for name in LOSSES if name in known]
    if not chosen:
        raise InputError(f"no validation metric and no loss in any run; choose with --columns of {', '.join(known)}")
    return chosen


def _is_bicubic(column: str) -> bool:
    return column.removeprefix("validation/").startswith("bicubic_")


def _score(column: str, value: float) -> float:
    """The value so that higher is better: by the metric's own entry; losses are better lower."""
    name = column.removeprefix("validation/").partition("_crop")[0]
    return score(name, value) if name in METRICS else -value


def best(run: Run, column: str) -> tuple[float, int] | None:
    """The best finite value of a column and its step."""
    steps, values = run.history.series(column)
    finite = [(value, step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    if not finite:
        return None
    # Of equal values the first counts.
    return max(finite, key=lambda item: _score(column, item[0]))


def table(runs: Sequence[Run], columns: Sequence[str]) -> str:
    """Last value of each column and run; of validation metrics the best one too, with its step."""
    rows = [["", *(run.label for run in runs)]]
    for column in columns:
        bests = [best(run, column) for run in runs]
        lasts = [run.history.series(column)[1][-1] if run.has(column) else None for run in runs]
        if column.startswith("validation/"):
            rows.append([f"{column} best", *("-" if b is None else f"{_short(b[0])} at {b[1]}" for b in bests)])
        rows.append([f"{column} last", *("-" if value is None else _short(value) for value in lasts)])
    rows.append(["last step", *(str(run.history.steps[-1]) for run in runs)])
    return aligned(rows)


def table_at(runs: Sequence[Run], columns: Sequence[str], steps: Sequence[int]) -> str:
    """The values of each run at these steps, a row each: those logged last at or before the step, which is said then.

    Steps beyond a run's last one have no row.
    """
    rows = [["", "step", *columns]]
    for run in runs:
        series = [run.history.series(column) for column in columns]
        asked = [step for step in steps if step <= run.history.steps[-1]]
        rows += [[run.label, str(step), *(_value_at(*one, step) for one in series)] for step in asked]
    return aligned(rows)


def _value_at(steps: Sequence[int], values: Sequence[float], wanted: int) -> str:
    index = bisect.bisect_right(steps, wanted) - 1
    if index < 0:
        return "-"
    return _short(values[index]) + (f" at {steps[index]}" if steps[index] != wanted else "")


def _short(value: float) -> str:
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"


def differing_keys(runs: Sequence[Run]) -> dict[str, list[object]]:
    """Key to the runs' values where these differ, the experiments' names and notes left out.

    Runs of which only the history is known are left out. A part that only some runs have (a second stage, a
    discriminator) is one entry; `ABSENT` stands for the others.
    """
    experiments = [run.experiment for run in runs if run.experiment is not None]
    trees = [{key: value for key, value in one.items() if key not in ("name", "note")} for one in experiments]
    return _differing(trees, "") if trees else {}


ABSENT = object()


def _differing(values: Sequence[object], path: str) -> dict[str, list[object]]:
    if all(value == values[0] for value in values):
        return {}
    if all(isinstance(value, dict) for value in values):
        keys = list(dict.fromkeys(key for value in values for key in value))
        children = [(key, [value.get(key, ABSENT) for value in values]) for key in keys]
    elif all(isinstance(value, (list, tuple)) for value in values):
        longest = max(len(value) for value in values)
        children = [(i, [value[i] if i < len(value) else ABSENT for value in values]) for i in range(longest)]
    else:
        return {path: list(values)}
    found = {}
    for key, parts in children:
        found |= _differing(parts, f"{path}.{key}" if path else str(key))
    return found


def _said(value: object) -> str:
    """A value in a cell: a part by its name, plain values as JSON."""
    if value is ABSENT:
        return "-"
    if isinstance(value, dict) and ("name" in value or "class_name" in value):
        return str(value.get("name", value.get("class_name")))
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def difference_table(runs: Sequence[Run]) -> str:
    """The differing keys as text."""
    known = [run.label for run in runs if run.experiment is not None]
    if not known:
        return "the histories alone say nothing of their experiments"
    rows = [["", *known]]
    rows += [[key, *map(_said, values)] for key, values in differing_keys(runs).items()]
    unknown = [run.label for run in runs if run.experiment is None]
    lines = [aligned(rows)] if len(rows) > 1 else []
    if not lines and (len(known) > 1 or not unknown):
        lines = ["the experiments do not differ" if not unknown else f"those of {', '.join(known)} do not differ"]
    if unknown:
        lines.append(f"no experiment is known of {', '.join(unknown)}: a history alone says nothing of it")
    return "\n".join(lines)


def draw(runs: Sequence[Run], columns: Sequence[str], path: Path, title: str | None = None) -> None:
    """One panel a column, all runs in it; a run keeps its colour and marker throughout."""
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


def _panel(axis: Axes, runs: Sequence[Run], column: str) -> None:
    drawn = []
    for number, run in enumerate(runs):
        steps, values = run.history.series(column)
        if not steps:
            continue
        colour, few = _COLOURS[number % len(_COLOURS)], len(steps) <= 40
        marker = _MARKERS[number % len(_MARKERS)] if few else ""
        axis.plot(steps, values, label=run.label, color=colour, linewidth=1.7, marker=marker, markersize=4.5)
        if run.band:
            low, high = (history.series(column)[1] for history in run.band)
            axis.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        drawn += values
        top = best(run, column)
        if top and column.startswith("validation/"):
            axis.plot(top[1], top[0], "o", color="none", markeredgecolor=colour, markersize=11, markeredgewidth=1.4)
    title, reference = _title(column), _bicubic(runs, column)
    if column == "discriminator_loss":
        for label, value in guesses({name for run in runs for name in run.history.columns()}).items():
            axis.axhline(value, color="#80868f", linestyle="--", linewidth=1, label=f"{label}: D guesses")
    elif reference is not None and min(drawn) - reference < max(drawn) - min(drawn):
        axis.axhline(reference, color="#80868f", linestyle=":", linewidth=1.4, label="bicubic")
    elif reference is not None:
        # Its line would press the runs' own ones together.
        title += f"; bicubic {_short(reference)}"
    if column == "generator_loss" and drawn and min(drawn) > 0 and max(drawn) > 20 * min(drawn):
        axis.set_yscale("log")
    axis.set_title(title, loc="left", fontsize=10.5)
    axis.set_xlabel("step", fontsize=9)
    axis.tick_params(labelsize=9)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _bicubic(runs: Sequence[Run], column: str) -> float | None:
    """Bicubic's figure, where the runs that have one were validated on the same pictures."""
    name = column.replace("validation/", "validation/bicubic_", 1)
    values = [run.history.series(name)[1][0] for run in runs if run.has(name)]
    same = all(math.isclose(value, values[0]) for value in values)
    return values[0] if column.startswith("validation/") and values and same else None


def _title(column: str) -> str:
    name = column.removeprefix("validation/")
    metric = METRICS.get(name.partition("_crop")[0])
    if metric is None:
        return name.replace("_", " ")
    arrow = {"higher": "higher is better", "lower": "lower is better", "one": "1 is ideal"}[metric.better]
    return f"validation {metric.title} ({arrow}; ring: best)"


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the words of `argv`, by default those of the process."""
    parser = Parser(prog="python -m sr_gan_tf.compare", description=__doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders (or a history.csv), LABEL=FOLDER, seeds LABEL=A,B"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CHART", help="chart to write: .png, .svg or .pdf")
    parser.add_argument("--columns", metavar="A,B", help="of history.csv; default: validation metrics and both losses")
    parser.add_argument(
        "--at", metavar="STEP,STEP", help="the values at these steps instead, or logged last before them"
    )
    parser.add_argument("--title", help="above the chart")
    parser.add_argument("--overwrite", action="store_true", help="replace the chart if it is there")
    arguments = parser.parse_args(argv)
    output, steps = arguments.output, _steps(arguments.at)
    if output is not None:
        check_output(output, _FORMATS, arguments.overwrite, "-o")
    runs = read_runs(arguments.runs)
    columns = choose_columns(runs, arguments.columns.split(",") if arguments.columns else None)
    last = max(run.history.steps[-1] for run in runs)
    if steps and min(steps) > last:
        raise InputError(f"--at {arguments.at}: no run has come so far; the last step is {last}")
    if output is not None:
        try_folder(output)
    print(table_at(runs, columns, steps) if steps else table(runs, columns))
    print()
    print(difference_table(runs))
    if output is not None:
        draw(runs, columns, output, arguments.title)
        print(f"\nchart: {output}")


def _steps(text: str | None) -> list[int]:
    parts = text.split(",") if text else []
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--at {text}: expected steps, e.g. 200,400")
    return [int(part) for part in parts]


if __name__ == "__main__":
    sys.exit(main())
