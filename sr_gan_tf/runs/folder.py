"""The run folder: its names, its lock and the experiment it belongs to.

runs/<name>/  experiment.json  checkpoints/  best.keras  logs/  samples/  history.csv  timing.csv  losses.png
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from sr_gan_tf.config import Experiment, load_experiment, to_json
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import locked, remove_leftovers, write_text, writing
from sr_gan_tf.runs.checkpoints import read_newest

FREE = ("note", "data.cache_dir", "imports")  # say nothing of what is trained


class RunFolder:
    """Names of a run's files; `claim` opens it for one process and one experiment.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.experiment_file = self.path / "experiment.json"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best.keras"
        self.logs = self.path / "logs"
        self.samples = self.path / "samples"
        self.history = self.path / "history.csv"
        self.timing = self.path / "timing.csv"
        self.chart = self.path / "losses.png"

    def experiment(self) -> Experiment:
        """The experiment that this folder belongs to."""
        return load_experiment(self.experiment_file)

    @contextlib.contextmanager
    def claim(self, experiment: Experiment) -> Iterator[None]:
        """Makes the folder, keeps other processes out of it and checks that it belongs to `experiment`.

        Raises:
            InputError: the folder belongs to another experiment (the differing keys are named; what only stages to
                come depend on may be changed), another process trains in it, or it cannot be written.
        """
        with writing(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise InputError(f"{self.path} is a file; give a folder with --run-dir")
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_strangers()  # before anything is written among them
            (self.path / ".lock").touch()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path / ".lock"))
            except BlockingIOError as error:
                raise InputError(
                    f"{self.path} is in use by another training; wait for it or choose another --run-dir"
                ) from error
            except OSError as error:
                raise InputError(
                    f"{self.path}: its file system gives no locks ({error.strerror}), which keep two trainings apart; "
                    "choose a --run-dir on another"
                ) from error
            with writing(self.path):
                remove_leftovers(self.path)
            self._belong(experiment)
            yield

    def _belong(self, experiment: Experiment) -> None:
        if not self.experiment_file.exists():
            write_text(self.experiment_file, to_json(experiment))
            return
        before = self.experiment()
        if before == experiment:
            return
        old, new, begun = _flat(before), _flat(experiment), self._begun_stage()
        changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
        if begun is not None and not all(_may_change(key, begun) for key in changed):
            raise InputError(
                f"{self.path} belongs to another experiment; these keys differ: "
                f"{', '.join(differences(old, new))}; choose another --run-dir"
            )
        if begun is None:
            # A row that was measured before the first step would speak of the settings before.
            self.history.unlink(missing_ok=True)
        write_text(self.experiment_file, to_json(experiment))

    def _refuse_strangers(self) -> None:
        """Checkpoints without an experiment were made by something else: never a silent fresh start over them."""
        strangers = sorted(item.name for item in self.path.iterdir() if not item.name.startswith("."))
        if strangers and not self.experiment_file.exists():
            raise InputError(
                f"{self.path} holds {strangers[0]!r} but no experiment.json; choose another --run-dir or empty it"
            )

    def _begun_stage(self) -> int | None:
        """The last stage of which something was trained; None before the first checkpoint and the first generator."""
        newest = read_newest(self.checkpoints, warn=lambda text: None)
        if newest is not None:
            return newest[0].get("stage_index", 0)
        return 0 if self.best.exists() else None


def _may_change(key: str, begun: int) -> bool:
    """Whether a key of the experiment decided nothing of what was trained up to this stage."""
    first, _, rest = key.partition(".")
    return key in FREE or first in FREE or (first == "stages" and int(rest.partition(".")[0]) > begun)


def differences(first: dict[str, object], second: dict[str, object]) -> list[str]:
    """`key (first's value -> second's value)` for each key on which two flat dictionaries differ."""
    keys = sorted(first.keys() | second.keys())
    return [
        f"{key} ({first.get(key, 'absent')!r} -> {second.get(key, 'absent')!r})"
        for key in keys
        if first.get(key, "absent") != second.get(key, "absent")
    ]


def flatten(value: object, path: str = "") -> dict[str, object]:
    """Nested JSON data as one dictionary of dotted paths."""
    if isinstance(value, dict):
        items: Iterable[tuple[object, object]] = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {path: value}
    flat: dict[str, object] = {}
    for key, item in items:
        flat |= flatten(item, f"{path}.{key}" if path else str(key))
    return flat


def _flat(experiment: Experiment) -> dict[str, object]:
    return flatten(dataclasses.asdict(experiment))
