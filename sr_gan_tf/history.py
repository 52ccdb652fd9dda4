"""history.csv: one row a logged or validated step, no clock times in it, so that equal runs have equal files."""

import csv
import io
import sys
from pathlib import Path

from sr_gan_tf.files import write_text

FIRST_COLUMNS = ("step", "stage")


class History:
    """Rows of (step, stage, values); kept in memory and written whole, so that a killed run leaves a whole file.

    Args:
        path: the CSV file; an existing one is read.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]

    def forget_after(self, step: int) -> None:
        """Drops rows beyond a restored step: the resumed run writes them again."""
        self.rows = [row for row in self.rows if int(row["step"]) <= step]

    def add(self, step: int, stage: str, values: dict[str, float]) -> None:
        """Adds values to the row of this step."""
        if not self.rows or self.rows[-1]["step"] != str(step) or self.rows[-1]["stage"] != stage:
            self.rows.append({"step": str(step), "stage": stage})
        # Names are made anew for each row; one text each serves them all.
        self.rows[-1] |= {sys.intern(name): f"{value:.9g}" for name, value in values.items()}

    def columns(self) -> list[str]:
        """Step, stage, then every value's name in the order of its first appearance."""
        names = dict.fromkeys(FIRST_COLUMNS)
        for row in self.rows:
            names |= dict.fromkeys(row)
        return list(names)

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values at which a value was measured."""
        rows = [row for row in self.rows if name in row]
        return [int(row["step"]) for row in rows], [float(row[name]) for row in rows]

    def write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns(), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
