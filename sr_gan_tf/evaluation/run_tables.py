"""Several runs as text: best and last values, values at given steps, and the keys in which the experiments differ."""

import bisect
import json
import math
from collections.abc import Sequence
from typing import Any

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.evaluation.figures import aligned
from sr_gan_tf.evaluation.run_histories import RunHistory
from sr_gan_tf.metrics import LEARNED, METRICS, Metric, metric_named
from sr_gan_tf.runs.folder import flatten
from sr_gan_tf.runs.history import FIRST_COLUMNS

LOSSES = ("generator_loss", "discriminator_loss")


def choose_columns(runs: Sequence[RunHistory], wanted: Sequence[str] | None = None) -> list[str]:
    """Columns to draw: the validation metrics and the two losses, or the requested ones."""
    known = dict.fromkeys(name for run in runs for name in run.history.columns() if name not in FIRST_COLUMNS)
    if wanted is not None:
        for name in wanted:
            if name not in known:
                raise InputError(f"--columns: no run has a column {name!r}{suggest(name, known)}")
        return list(wanted)
    validation = [name for name in known if name.startswith("validation/") and not _is_bicubic(name)]
    chosen = validation + [name for name in LOSSES if name in known]
    if not chosen:
        raise InputError(f"no run has a validation metric or a loss; select from {', '.join(known)} with --columns")
    return chosen


def _is_bicubic(column: str) -> bool:
    return column.removeprefix("validation/").startswith("bicubic_")


def _score(column: str, value: float) -> float:
    """The value with its sign changed, if necessary, so that higher is better; losses are better when lower."""
    metric = metric_of(column)
    if metric is None or math.isnan(value):
        return -value
    return {"higher": value, "lower": -value, "one": -abs(value - 1)}[metric.better]


def metric_of(column: str) -> Metric | None:
    """The metric in a column; None for a loss. A custom metric must be imported."""
    name = column.removeprefix("validation/").partition("_crop")[0]
    if ":" in name and not _is_bicubic(column):
        return metric_named(name)
    return (METRICS | LEARNED).get(name)


def differently_validated(runs: Sequence[RunHistory]) -> bool:
    """Whether the runs' experiments, if known, were validated on different pictures."""
    known = [run.experiment for run in runs if run.experiment is not None]
    return any(_validation(one) != _validation(known[0]) for one in known)


def _validation(experiment: dict[str, object]) -> str:
    """Everything except the network that validation metrics depend on."""
    flat = flatten(experiment)
    keys = [key for key in flat if key.startswith(("data.validation", "data.degradation")) or key == "scale"]
    return json.dumps({key: flat[key] for key in sorted(keys) if not key.endswith(".weight")}, default=str)


def best(run: RunHistory, column: str) -> tuple[float, int] | None:
    """The best finite value of a column, and its step."""
    steps, values = run.history.series(column)
    finite = [(value, step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    if not finite:
        return None
    # The first of equal values counts.
    return max(finite, key=lambda item: _score(column, item[0]))


def table(runs: Sequence[RunHistory], columns: Sequence[str]) -> str:
    """The last value of each column and run; for validation metrics also the best one, with its step."""
    rows = [["", *(run.label for run in runs)]]
    for column in columns:
        bests = [best(run, column) for run in runs]
        lasts = [run.history.series(column)[1][-1] if run.has(column) else None for run in runs]
        if column.startswith("validation/"):
            rows.append([f"{column} best", *("-" if b is None else f"{short(b[0])} at {b[1]}" for b in bests)])
        rows.append([f"{column} last", *("-" if value is None else short(value) for value in lasts)])
    rows.append(["last step", *(str(run.history.steps[-1]) for run in runs)])
    return aligned(rows)


def table_at(runs: Sequence[RunHistory], columns: Sequence[str], steps: Sequence[int]) -> str:
    """The values of each run at these steps, one row each: the last values logged at or before a step.

    If they were logged at another step, the row names it. Steps after the end of a run have no row.
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
    return short(values[index]) + (f" at {steps[index]}" if steps[index] != wanted else "")


def short(value: float) -> str:
    """A number for a table or title: four decimals, or four digits if it is very large or small."""
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"


def differing_keys(runs: Sequence[RunHistory]) -> dict[str, list[object]]:
    """Maps keys to the runs' values where these differ, except for names and notes.

    Excludes runs without an experiment. A part that only some runs have (a second stage, a discriminator) is one entry,
    with `ABSENT` for the others.
    """
    experiments = [run.experiment for run in runs if run.experiment is not None]
    trees = [{key: value for key, value in one.items() if key not in ("name", "note")} for one in experiments]
    return _differing(trees, "") if trees else {}


ABSENT = object()


def _differing(values: Sequence[Any], path: str) -> dict[str, list[object]]:
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
    found: dict[str, list[object]] = {}
    for key, parts in children:
        found |= _differing(parts, f"{path}.{key}" if path else str(key))
    return found


def _said(value: object) -> str:
    """A value for a cell: the name of a part, or JSON for plain values."""
    if value is ABSENT:
        return "-"
    if isinstance(value, dict) and ("name" in value or "class_name" in value):
        return str(value.get("name", value.get("class_name")))
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def difference_table(runs: Sequence[RunHistory]) -> str:
    """The differing keys as text."""
    known = [run.label for run in runs if run.experiment is not None]
    if not known:
        return "histories alone do not contain the experiments"
    rows = [["", *known]]
    rows += [[key, *map(_said, values)] for key, values in differing_keys(runs).items()]
    unknown = [run.label for run in runs if run.experiment is None]
    lines = [aligned(rows)] if len(rows) > 1 else []
    if not lines and (len(known) > 1 or not unknown):
        lines = ["the experiments do not differ" if not unknown else f"those of {', '.join(known)} do not differ"]
    if unknown:
        lines.append(f"no experiment is known for {', '.join(unknown)}: a history alone does not contain it")
    return "\n".join(lines)
