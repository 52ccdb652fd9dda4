"""What the page shows of run folders: figures, chart and newest pictures, even during training."""

import math
from pathlib import Path

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.metrics import metric_named, score
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History
from sr_gan_tf.webapp import fragments
from sr_gan_tf.webapp.shelf import Shelf


def run_names(parent: Path) -> list[str]:
    """Names of the run folders in a folder, the most recently changed first."""
    found = [path.parent for path in parent.glob("*/experiment.json")] if parent.is_dir() else []
    return [folder.name for folder in sorted(found, key=_changed, reverse=True)]


def _changed(folder: Path) -> float:
    history = folder / "history.csv"
    return (history if history.exists() else folder).stat().st_mtime


class Trainings:
    """Shows one run folder at a time.

    Args:
        parent: folder that contains run folders.
        shelf: where charts and pictures are put for the page to request.
    """

    def __init__(self, parent: Path, shelf: Shelf):
        self.parent, self.shelf = parent, shelf
        self._tokens: list[str] = []
        self._state: tuple = ()

    def changed(self, name: str | None) -> bool:
        """Whether there is anything new since the last call of `show`."""
        return self._state != self._look(name)

    def show(self, name: str | None) -> str:
        """Returns the HTML of a run; if there is none, how to start one."""
        self._state = self._look(name)
        self.shelf.take(self._tokens)
        self._tokens = []
        if name is None or name not in run_names(self.parent):
            return (
                "<p>No run here yet. Start one with <code>sr-gan-tf fit experiments/quickstart.json</code>, or name "
                "another folder with <code>sr-gan-tf app --runs FOLDER</code>.</p>"
            )
        folder = RunFolder(self.parent / name)
        pictures = []
        if folder.chart.exists():
            pictures.append(("Losses and validation over the steps", self._put(folder.chart)))
        for sample in sorted(folder.samples.glob("*.png"))[-1:]:
            pictures.append((f"LR, bicubic, SR, HR at {sample.stem.replace('_', ' ')}", self._put(sample)))
        return fragments.run(name, _figures(folder), pictures)

    def _put(self, path: Path) -> str:
        self._tokens.append(self.shelf.put(path))
        return self._tokens[-1]

    def _look(self, name: str | None) -> tuple:
        if name is None:
            return (None, tuple(run_names(self.parent)))
        folder = RunFolder(self.parent / name)
        times = tuple(path.stat().st_mtime for path in (folder.history, folder.chart) if path.exists())
        return (name, times)


def _figures(folder: RunFolder) -> list[str]:
    try:
        history = History(folder.history)
        experiment = folder.experiment()
    except InputError as error:
        return [one_line(error)]
    if not len(history):
        return ["Nothing has been logged yet."]
    total = sum(stage.steps for stage in experiment.stages)
    lines = [f"Step {history.steps[-1]:,} of {total:,}."]
    for column in history.columns():
        name = column.removeprefix("validation/")
        if column == name or name.startswith("bicubic_"):
            continue
        try:
            metric = metric_named(name)
        except InputError as error:  # an object of a module that was not imported
            lines.append(one_line(error))
            continue
        steps, values = history.series(column)
        defined = [(value, step) for step, value in zip(steps, values, strict=True) if not math.isnan(value)]
        if defined:
            best, step = max(defined, key=lambda pair: score(name, pair[0]))
            lines.append(f"{metric.title}: best {best:.{metric.digits}f} at step {step:,}.")
    return lines
