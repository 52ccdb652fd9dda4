"""Result files of a benchmark, and the fitted lines through rows that differ only in shape."""

import json
from collections.abc import Sequence
from pathlib import Path

from sr_gan_tf.benchmarks import scaling_chart, table
from sr_gan_tf.benchmarks.timing import Line, fit_line
from sr_gan_tf.files import write_text


def write_results(measured: Sequence[table.Measured], baseline: str | None, asked: str, path: Path) -> None:
    """Writes JSON, Markdown or a chart, depending on the suffix."""
    if path.suffix == ".json":
        rows = [table.plain(row) for row in measured]
        content = {"command": asked, "machine": table.machine(), "baseline": baseline, "rows": rows}
        write_text(path, json.dumps(content, indent=2) + "\n")
    elif path.suffix == ".md":
        shared, columns = table.common(table.cells(measured, baseline))
        about = ", ".join(f"{key} {value}" for key, value in table.machine().items())
        write_text(path, f"    {asked}\n\n{shared}; {about}\n\n{table.as_markdown(columns)}\n")
    elif len({row.job.shape for row in measured}) > 1:
        groups: dict[str, list[table.Measured]] = {}
        for row in measured:
            groups.setdefault(row_label(row, measured), []).append(row)
        scaling_chart.draw_scaling(groups, {label: line for label, (_, line) in scaling(measured).items()}, path)
    else:
        scaling_chart.draw_bars(measured, [row_label(row, measured) for row in measured], path)


def scaling(measured: Sequence[table.Measured]) -> dict[str, tuple[list[table.Measured], Line]]:
    """Rows that differ only in shape, and the fitted line of time over pixels."""
    groups: dict[str, list[table.Measured]] = {}
    for row in measured:
        groups.setdefault(row_label(row, measured), []).append(row)
    return {
        label: (rows, fit_line([scaling_chart.pixels(row) for row in rows], [row.times.median for row in rows]))
        for label, rows in groups.items()
        if len({scaling_chart.pixels(row) for row in rows}) > 2
    }


def row_label(row: table.Measured, measured: Sequence[table.Measured]) -> str:
    """The row's name with every setting, except the shape, that differs among the rows."""
    different = [
        key for key in ("mode", "compiler", "precision") if len({getattr(other.job, key) for other in measured}) > 1
    ]
    return ", ".join([row.job.label, *(getattr(row.job, key) for key in different)])
