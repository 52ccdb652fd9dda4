"""Session: the shared state of a run's callbacks, and the part of it that a checkpoint stores."""

import dataclasses

import tensorflow as tf

from sr_gan_tf.config import Experiment, Stage, batch_size, patch_size
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History


@dataclasses.dataclass
class Session:
    """One run in progress.

    Args:
        experiment: the resolved experiment.
        folder: the run folder.
        history: rows of history.csv.
        stage_index: index of the current stage.
        stage_step: generator updates in it so far.
        first_step: generator updates before it.
        first_sample: training samples drawn before it.
        best: best score in this stage of the metric that selects the generator.
        since_best: number of validations since then.
        pending: sums and counts of logged values since the last row of history.csv.
        stage_ended: whether the stage stopped early.
        pictures: `picture_keys` of the training pictures.
        validation: `picture_keys` of the validation pictures.
        training: whether steps are running.
        callbacks: the user's Keras callbacks.
        figures: validation metrics at this step, for those callbacks.
        trackers: clients that receive the same values as TensorBoard.
        stop_requested: whether a signal has asked this process to stop.
        stopping: whether the run ends with this step, in all processes.
    """

    experiment: Experiment
    folder: RunFolder
    history: History
    writer: tf.summary.SummaryWriter | None = None
    stage_index: int = 0
    stage_step: int = 0
    first_step: int = 0
    first_sample: int = 0
    best: float | None = None
    since_best: int = 0
    pending: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    stage_ended: bool = False
    pictures: list[str] | None = None
    validation: list[str] | None = None
    training: bool = False
    trackers: list = dataclasses.field(default_factory=list)
    callbacks: list = dataclasses.field(default_factory=list)
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    stop_requested: bool = False
    stopping: bool = False

    @property
    def stage(self) -> Stage:
        return self.experiment.stages[self.stage_index]

    @property
    def step(self) -> int:
        """Generator updates since the run began."""
        return self.first_step + self.stage_step

    @property
    def batch_size(self) -> int:
        """Pictures per step."""
        return update_size(self.experiment, self.stage)

    @property
    def patch_size(self) -> int:
        return patch_size(self.experiment, self.stage)

    @property
    def sample(self) -> int:
        """Training samples drawn since the run began."""
        return self.first_sample + self.stage_step * self.batch_size

    @property
    def at_stage_end(self) -> bool:
        return self.stage_ended or self.stage_step >= self.stage.steps

    def due(self, every: int) -> bool:
        """Whether an action that runs every `every` steps, and at the end of the stage, is due."""
        return self.stage_step % every == 0 or self.at_stage_end

    def next_stage(self) -> None:
        """Starts the next stage, whose best generator replaces that of this one."""
        self.first_step, self.first_sample = self.step, self.sample
        self.stage_index += 1
        self.stage_step, self.stage_ended, self.best, self.since_best = 0, False, None, 0

    def notes(self) -> dict:
        """State that a checkpoint stores in addition to the tensors."""
        return {name: getattr(self, name) for name in _REMEMBERED} | {"rows": len(self.history)}

    def recall(self, notes: dict) -> None:
        """Restores the state from a checkpoint."""
        for name in _REMEMBERED:
            if name in notes:  # older checkpoints contain less
                setattr(self, name, notes[name])
        # A stage that ended early continues if its patience has been raised since.
        patience = self.experiment.patience
        self.stage_ended &= patience is not None and self.since_best >= patience


def update_size(experiment: Experiment, stage: Stage) -> int:
    """Pictures per step, i.e. per update."""
    return batch_size(experiment, stage) * stage.accumulate


_REMEMBERED = (
    "stage_index", "stage_step", "first_step", "first_sample", "best", "since_best", "pending", "stage_ended",
    "pictures", "validation",
)  # fmt: skip
