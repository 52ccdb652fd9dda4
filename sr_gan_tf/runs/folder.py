"""The run folder: its file names, its lock and the experiment it belongs to.

runs/<name>/  experiment.json  checkpoints/  best.keras  last.keras  history.csv  timing.csv  losses.png
              logs/  samples/
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sr_gan_tf.config import WRITTEN_BY, Experiment, load_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import locked, remove_leftovers, write_text, writing
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.json_files import read_json
from sr_gan_tf.runs.checkpoints import read_newest
from sr_gan_tf.version import __version__

# What may change at any time, since it doesn't affect what is trained.
FREE = (
    "note", "data.cache_dir", "checkpoint_every", "log_every", "sample_every", "validate_every", "patience",
    "max_bad_steps", "histograms", "imports", "trackers",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Trained:
    """Progress of a run.

    Attributes:
        stage: index of the last stage that was at least partly trained.
        steps: generator updates in it.
        since_best: validations since its best one.
        has_ended: whether it ended early, by `patience`.
    """

    stage: int
    steps: int = 0
    since_best: int = 0
    has_ended: bool = False


class RunFolder:
    """The files of a run; `claim` opens the folder for one process and one experiment.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.experiment_file = self.path / "experiment.json"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best.keras"
        self.last = self.path / "last.keras"
        self.logs = self.path / "logs"
        self.samples = self.path / "samples"
        self.history = self.path / "history.csv"
        self.timing = self.path / "timing.csv"
        self.chart = self.path / "losses.png"

    @property
    def model(self) -> Path:
        """The run's generator: the last one if the newest stage keeps it, otherwise the best one."""
        return self.last if self.last.is_file() else self.best

    def experiment(self, overrides: Sequence[str] = ()) -> Experiment:
        """The experiment that this folder belongs to; the generator's defaults are those of its time.

        Args:
            overrides: `KEY=JSON` changes, as for `load_experiment`.
        """
        experiment = load_experiment(self.experiment_file, overrides)
        return experiment if WRITTEN_BY in read_json(self.experiment_file) else _with_earlier_defaults(experiment)

    @contextlib.contextmanager
    def claim(self, experiment: Experiment) -> Iterator[list[str]]:
        """Creates the folder, keeps other processes out of it and checks that it belongs to `experiment`.

        A run can be prolonged: its last stage may get more steps, and stages may be appended.

        Yields:
            What has changed since the run was trained last, as `key (old -> new)`.

        Raises:
            InputError: the folder belongs to another experiment (the differing keys are named; only what would change
                what was trained is refused), another process trains in it, or it cannot be written.
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
                    f"{self.path}: its file system has no locks ({error.strerror}), which keep two trainings apart; "
                    "choose a --run-dir on another"
                ) from error
            with writing(self.path):
                remove_leftovers(self.path)
            yield self._belong(experiment)

    def _belong(self, experiment: Experiment) -> list[str]:
        if not self.experiment_file.exists():
            write_text(self.experiment_file, _text(experiment))
            return []
        before = self.experiment()
        if before == experiment:
            return []
        trained = self._trained()
        if trained is None:
            # A row measured before the first step would describe the old settings.
            self.history.unlink(missing_ok=True)
            changed = []
        else:
            changed = self._changes(before, experiment, trained)
        write_text(self.experiment_file, _text(experiment))
        return changed

    def _changes(self, before: Experiment, experiment: Experiment, trained: Trained) -> list[str]:
        """Describes the differences; refuses changes to what was already trained, and steps that would be skipped."""
        old, new = _flat(before), _flat(experiment)
        refused = [
            key
            for key in old.keys() | new.keys()
            if old.get(key) != new.get(key) and not _may_change(key, old, new, before, trained)
        ]
        if refused:
            raise InputError(
                f"{self.path} belongs to another experiment; these keys differ: "
                f"{', '.join(differences(_only(old, refused), _only(new, refused)))}; choose another --run-dir"
            )
        steps = f"stages.{trained.stage}.steps"
        if trained.has_ended and old[steps] != new[steps] and not _goes_on(experiment, trained):
            raise InputError(
                f"{steps}: has no effect, because the stage ended early after {trained.since_best} validations without "
                "improvement; raise patience as well"
            )
        return differences(old, new)

    def _refuse_strangers(self) -> None:
        """Refuses a folder with files but no experiment: training never starts over them in silence."""
        strangers = sorted(item.name for item in self.path.iterdir() if not item.name.startswith("."))
        if strangers and not self.experiment_file.exists():
            raise InputError(
                f"{self.path} holds {strangers[0]!r} but no experiment.json; choose another --run-dir or empty it"
            )

    def _trained(self) -> Trained | None:
        """How far the run has come; None before the first checkpoint and the first generator."""
        newest = read_newest(self.checkpoints, warn=lambda text: None)
        if newest is not None:
            names = ("stage_index", "stage_step", "since_best", "stage_ended")
            return Trained(*(newest[0].get(name, 0) for name in names))
        return Trained(0) if self.best.exists() or self.last.exists() else None


def _with_earlier_defaults(experiment: Experiment) -> Experiment:
    """Fills in the generator's arguments whose defaults have changed since version 0.1, with their earlier values."""
    published = getattr(GENERATORS.get(experiment.generator.class_name), "PUBLISHED", {})
    generator = dataclasses.replace(experiment.generator, config=published | experiment.generator.config)
    return dataclasses.replace(experiment, generator=generator)


def _only(flat: dict[str, object], keys: list[str]) -> dict[str, object]:
    return {key: flat[key] for key in keys if key in flat}


def _text(experiment: Experiment) -> str:
    """Formats the experiment for the folder: with the version, on whose defaults it relies."""
    return json.dumps({WRITTEN_BY: f"sr_gan_tf {__version__}", **dataclasses.asdict(experiment)}, indent=2) + "\n"


def _may_change(key: str, old: dict, new: dict, before: Experiment, trained: Trained) -> bool:
    """Whether a key of the experiment has had no influence on the training so far."""
    first, _, rest = key.partition(".")
    if first == "stages":
        stage, _, name = rest.partition(".")
        if int(stage) == trained.stage and name == "steps":
            return new.get(key, 0) >= trained.steps
        return int(stage) > trained.stage
    if first == "discriminator":
        return all(stage.adversarial is None for stage in before.stages[: trained.stage + 1])
    if key == "best_metric":  # in a supervised stage the default is PSNR-Y
        return {old.get(key), new.get(key)} <= {None, "psnr_y"}
    return key in FREE or first in FREE


def _goes_on(experiment: Experiment, trained: Trained) -> bool:
    """Whether a stage that ended early continues with its present patience."""
    return experiment.patience is None or trained.since_best < experiment.patience


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
