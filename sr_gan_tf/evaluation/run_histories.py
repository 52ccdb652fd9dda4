"""Reads the runs to compare: run folders, saved histories, and the mean of several seeds."""

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from sr_gan_tf.errors import InputError
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History, combined


@dataclasses.dataclass
class RunHistory:
    """A run's label, history and experiment as plain data; the experiment is None for a history alone.

    For several seeds: the mean history, the experiment of the first, and their minimum and maximum as a band.
    """

    label: str
    history: History
    experiment: dict[str, object] | None
    band: Sequence[History] | None = None

    def has(self, column: str) -> bool:
        return bool(self.history.series(column)[0])


def read_runs(arguments: Sequence[str]) -> list[RunHistory]:
    """Reads runs from `FOLDER`, `LABEL=FOLDER` or `LABEL=FOLDER,FOLDER`; a history.csv may replace a folder.

    Raises:
        InputError: a folder is not a run folder, or contains no logged rows yet.
    """
    runs: list[RunHistory] = []
    for argument in arguments:
        label, separator, place = argument.partition("=")
        if not separator or Path(argument).exists():
            label, place = Path(argument).resolve().name.removesuffix(".csv"), argument
        if separator and not (label and place and (all(place.split(",")) or Path(place).exists())):
            raise InputError(f"{argument}: expected LABEL=FOLDER or LABEL=FOLDER,FOLDER; a name in it is empty")
        band = None
        if separator and "," in place and not Path(place).exists():
            read = [_read_run(one) for one in place.split(",")]
            seeds, experiment = [history for history, _ in read], read[0][1]
            history, *band = (combined(seeds, of) for of in (statistics.fmean, min, max))
        else:
            history, experiment = _read_run(place)
        if not len(history):
            nothing = "the runs have no step in common" if band else "history.csv has no rows yet"
            raise InputError(f"{place}: {nothing}; wait for the first row, or remove the run")
        labels = [run.label for run in runs]
        if label in labels:
            label = f"{Path(place).resolve().parent.name}/{label}"
        if label in labels:
            raise InputError(f"two runs are called {label!r}; label one of them, e.g. second={place}")
        runs.append(RunHistory(label, history, experiment, band))
    return runs


def _read_run(place: str) -> tuple[History, dict[str, object] | None]:
    if Path(place).suffix == ".csv" and Path(place).is_file():
        return History(Path(place)), None
    folder = RunFolder(place)
    if not folder.experiment_file.is_file():
        raise InputError(f"{place} is not a run folder: it has no experiment.json; pass folders that fit wrote")
    return History(folder.history), dataclasses.asdict(folder.experiment())
