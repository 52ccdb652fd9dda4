"""history.csv: one row per logged or validated step, without clock times, so that equal runs have equal files."""

import csv
import math
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.files import replacing

FIRST_COLUMNS = ("step", "stage")


class History:
    """Values by step and stage; kept in memory and written whole, so that a killed run leaves a whole file.

    A column is an array of numbers, eight bytes per row, since a long run has many; nan means not measured.

    Args:
        path: the CSV file; an existing one is read.

    Raises:
        InputError: the file is something else.
    """

    def __init__(self, path: Path):
        self.path = path
        self.steps = array("q")
        self.stages: list[str] = []
        self._columns: dict[str, array] = {}
        if path.exists():
            self._read()

    def __getitem__(self, name: str) -> list[float]:
        """All values of a column, in the order of their steps, without the rows that have none."""
        if name not in self._columns:
            raise KeyError(f"{name!r}; there are {', '.join(self._columns)}")
        return self.series(name)[1]

    def __len__(self) -> int:
        return len(self.steps)

    def _read(self) -> None:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    step, stage = (row.pop(name) for name in FIRST_COLUMNS)
                    self.add(int(step), stage, {name: float(value) for name, value in row.items() if value})
        except KeyError as error:
            raise InputError(f"{self.path} is no history.csv: no column {error}; give one that fit wrote") from error
        except (csv.Error, TypeError, ValueError) as error:
            raise InputError(f"{self.path} is no history.csv ({one_line(error)}); give one that fit wrote") from error

    def forget_after(self, step: int) -> None:
        """Drops rows after a restored step; the resumed run writes them again."""
        kept = [index for index, there in enumerate(self.steps) if there <= step]
        self.steps = array("q", (self.steps[index] for index in kept))
        self.stages = [self.stages[index] for index in kept]
        columns = {name: array("d", (values[index] for index in kept)) for name, values in self._columns.items()}
        self._columns = {name: values for name, values in columns.items() if not all(map(math.isnan, values))}

    def add(self, step: int, stage: str, values: dict[str, float]) -> None:
        """Adds values to the row of this step."""
        if not self.steps or self.steps[-1] != step or self.stages[-1] != stage:
            self.steps.append(step)
            # One text serves all rows of a stage.
            self.stages.append(self.stages[-1] if self.stages and self.stages[-1] == stage else stage)
            for column in self._columns.values():
                column.append(math.nan)
        for name, value in values.items():
            if math.isnan(value):
                continue
            if name not in self._columns:
                self._columns[name] = array("d", [math.nan]) * len(self)
            self._columns[name][-1] = value

    def columns(self) -> list[str]:
        """Step, stage, then every value's name in the order of its first appearance."""
        return [*FIRST_COLUMNS, *self._columns]

    def row(self, index: int) -> dict[str, float]:
        """The values measured at a row, by name."""
        found = {name: values[index] for name, values in self._columns.items()}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def series(self, name: str, stage: str | None = None) -> tuple[list[int], list[float]]:
        """Steps and values at which a value was measured, of all stages or one."""
        points = [
            (step, value)
            for step, its_stage, value in zip(self.steps, self.stages, self._columns.get(name, ()), strict=False)
            if not math.isnan(value) and stage in (None, its_stage)
        ]
        return [step for step, _ in points], [value for _, value in points]

    def last(self, name: str, stage: str | None = None) -> float:
        """The last measured value, of all stages or one; nan if there is none."""
        return next(reversed(self.series(name, stage)[1]), math.nan)

    def write(self) -> None:
        with replacing(self.path, durable=True) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns())
            for step, stage, *values in zip(self.steps, self.stages, *self._columns.values(), strict=True):
                writer.writerow([step, stage, *("" if math.isnan(value) else f"{value:.9g}" for value in values)])


def combined(histories: Sequence[History], function: Callable[[list[float]], float]) -> History:
    """Several runs' values combined at each row that all of them have, e.g. their mean; it has no file yet."""
    together = History(histories[0].path.with_name(f"{function.__name__}.csv"))
    indices = [{row: index for index, row in enumerate(zip(one.steps, one.stages, strict=True))} for one in histories]
    for step, stage in indices[0]:
        if not all((step, stage) in index for index in indices):
            continue
        rows = [one.row(index[step, stage]) for one, index in zip(histories, indices, strict=True)]
        names = [name for name in rows[0] if all(name in row for row in rows)]
        together.add(step, stage, {name: function([row[name] for row in rows]) for name in names})
    return together
