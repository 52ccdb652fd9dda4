"""Implements `compare`: prints tables of runs and the keys in which they differ, and draws a chart."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.run_chart import FORMATS, draw
from sr_gan_tf.evaluation.run_histories import read_runs
from sr_gan_tf.evaluation.run_tables import choose_columns, difference_table, differently_validated, table, table_at
from sr_gan_tf.files import check_output, try_folder


def compare_runs(
    runs: Sequence[str],
    output: Path | None = None,
    columns: str | None = None,
    at: str | None = None,
    title: str | None = None,
    overwrite: bool = False,
) -> None:
    """Prints tables of several runs, and draws a chart if requested.

    Args:
        runs: run folders or history.csv files, LABEL=FOLDER, or seeds LABEL=FOLDER,FOLDER.
        output: chart to write, .png, .svg or .pdf.
        columns: columns of history.csv, separated by commas; default: validation metrics and both losses.
        at: steps, separated by commas, at which to print values instead of the best and last ones.
        title: title of the chart.
        overwrite: whether to replace an existing chart.

    Raises:
        InputError: a user error.
    """
    steps = _steps(at)
    if output is not None:
        check_output(output, FORMATS, overwrite, "-o")
    read = read_runs(runs)
    chosen = choose_columns(read, columns.split(",") if columns else None)
    last = max(run.history.steps[-1] for run in read)
    if steps and min(steps) > last:
        raise InputError(f"--at {at}: no run reached these steps; the last step is {last}")
    if output is not None:
        try_folder(output)
    if any(name.startswith("validation/") for name in chosen) and differently_validated(read):
        print(
            "warning: these runs were validated on different pictures, so their validation metrics are not "
            "comparable; use `evaluate` to measure their models on the same pictures",
            file=sys.stderr,
        )
    print(table_at(read, chosen, steps) if steps else table(read, chosen))
    print()
    print(difference_table(read))
    if output is not None:
        draw(read, chosen, output, title)
        print(f"\nchart: {output}")


def _steps(text: str | None) -> list[int]:
    parts = text.split(",") if text else []
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--at {text}: expected steps, e.g. 200,400")
    return [int(part) for part in parts]
