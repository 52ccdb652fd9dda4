"""`fit(experiment)`: trains all stages of an experiment in a run folder, resumable at any step."""

import contextlib
import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.config import Data, Experiment, Stage, patch_size
from sr_gan_tf.data.overlap import refuse_shared_pictures
from sr_gan_tf.data.pipeline import picture_keys, training_batches, validation_pictures
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.distribution import Crew
from sr_gan_tf.errors import InputError
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.models import load
from sr_gan_tf.runs.checkpoints import read_newest, restore
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History
from sr_gan_tf.training import callbacks as run_callbacks
from sr_gan_tf.training.advice import (
    note_batch_statistics,
    warn_below_bicubic,
    warn_of_lost_rows,
    warn_of_other_pictures,
    warnings_of_run,
    warnings_of_stage,
)
from sr_gan_tf.training.assembly import Networks, build_networks, build_stage
from sr_gan_tf.training.initial_weights import check_initial_weights, load_initial_weights
from sr_gan_tf.training.randomness import seeded
from sr_gan_tf.training.session import Session, update_size
from sr_gan_tf.training.stopping import enough_memory, needs_of, stopping
from sr_gan_tf.training.summary import bicubic_row, summarize
from sr_gan_tf.training.tensorboard import describe, finish
from sr_gan_tf.training.trackers import check_trackers, tracking
from sr_gan_tf.training.validation import Chart, Validate


@dataclasses.dataclass(frozen=True)
class Run:
    """The result of `fit`.

    Args:
        folder: the run folder.
    """

    folder: RunFolder

    @property
    def history(self) -> History:
        """Logged and validated values: `history["validation/psnr_y"]` returns the values, `series` also their steps."""
        return History(self.folder.history)

    @property
    def model(self) -> keras.Model:
        """The model of the run, as `load` returns it."""
        return load(self.folder.path)


def fit(
    experiment: Experiment | str | Path,
    run_dir: str | Path | None = None,
    profile: tuple[int, int] | None = None,
    say: Callable[[str], None] = print,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains all stages; when called again on the same folder, resumes from the last checkpoint.

    Args:
        experiment: an `Experiment`, the path of an experiment file, or a run folder, which is resumed.
        run_dir: the run folder; default: that of `experiment`, or `runs/<name>`.
        profile: first and last step of a profiler trace.
        say: receives lines for the user.
        callbacks: additional Keras callbacks. A stage is one epoch. `on_train_batch_end` receives the logs of the step,
            at a validation including its metrics (`validation/psnr_y` ...). `self.model` is the trainer of the stage.
            With several workers, only the chief calls them.

    Returns:
        The run: its `history`, `model` (the generator that the run keeps: the last one after an adversarial stage,
        otherwise the best) and `folder`.

    Raises:
        InputError: a user error; the run folder remains usable.
        Interrupted: stopped by a signal, after saving.

    Example:
        >>> from sr_gan_tf import Experiment
        >>> from sr_gan_tf.fit import fit
        >>> experiment = Experiment.load("experiments/tiny.json").override({"stages.0.steps": 2, "stages.1.steps": 2})
        >>> run = fit(experiment, "runs/example", say=lambda line: None)
        >>> run.folder.best.is_file(), run.history.series("validation/psnr_y")[0]
        (True, [2, 4])
    """
    if not isinstance(experiment, Experiment):
        if run_dir is None and Path(experiment).is_dir():
            run_dir = experiment
        experiment = Experiment.load(experiment)
    check_trackers(experiment)
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise InputError(f"callbacks: expected objects of keras.callbacks.Callback, found {callback!r}")
    with seeded(experiment.seed, experiment.deterministic):
        return _run(experiment, run_dir, profile, say, callbacks)


def _run(experiment: Experiment, run_dir: str | Path | None, profile, say, callbacks: Sequence) -> Run:
    """`fit` with its experiment read, inside its seed."""
    crew = Crew(experiment)
    with enough_memory("the networks of the experiment; make them smaller"), crew.talking(), crew.building():
        networks = build_networks(experiment)
        # All stages are built once before anything is written, so that an error in the last one shows immediately.
        for index in range(len(experiment.stages)):
            build_stage(experiment, index, networks)
    refuse_shared_pictures(experiment.data, experiment.scale)
    folder = RunFolder(run_dir or Path("runs") / experiment.name)
    if not crew.is_chief:
        _follow(experiment, folder, networks, crew)
        crew.leave()
        return Run(folder)
    with folder.claim(experiment) as changed:
        _say_changes(changed, say)
        session = Session(experiment, folder, History(folder.history), callbacks=list(callbacks))
        with stopping(session, crew.workers > 1), tracking(session):
            _train(session, networks, crew, profile, say)
    crew.leave()
    return Run(folder)


def _train(session: Session, networks: Networks, crew: Crew, profile: tuple[int, int] | None, say) -> None:
    """The work of the chief in the folder that it has locked."""
    experiment = session.experiment
    pictures = validation_pictures(experiment.data, experiment.scale)
    if experiment.data.validation and not pictures:
        say("warning: no validation picture can be read; the run continues without validation")
    saved = _recall(session, say)
    _check_coming_stages(session, networks)
    crew.check_same(experiment, session.step)
    if "tensorboard" in experiment.trackers:
        session.writer = tf.summary.create_file_writer(str(session.folder.logs))
    for line in warnings_of_run(experiment):
        say(line)
    if saved is None and session.writer is not None:
        describe(session, networks.generator if crew.strategy is None else networks.generator.copy())
    keys = picture_keys(experiment.data, experiment.scale, "validation")
    baseline = bicubic_row(session, pictures, keys)
    while session.stage_index < len(experiment.stages):
        begun = not session.at_stage_end
        _run_stage(session, networks, crew, saved, pictures, profile, say)
        saved = None
        if begun:
            warn_below_bicubic(session, baseline)
        session.next_stage()
    summarize(session, baseline, say)
    if session.writer is not None:
        finish(session)


def _say_changes(changed: list[str], say) -> None:
    """Reports changed settings of a run that has begun, and that its schedules are not stretched."""
    if changed:
        say(f"changed since the last run: {', '.join(changed)}")
    if any(re.match(r"stages\.\d+\.steps ", text) for text in changed):
        say("schedules count the steps of their stage and are not stretched; they keep their last value")


def _follow(experiment: Experiment, folder: RunFolder, networks: Networks, crew: Crew) -> None:
    """The work of any other worker: the same steps from the same checkpoint, without writing."""
    session = Session(experiment, folder, History(folder.history))
    saved = _recall(session, _silently)
    crew.check_same(experiment, session.step)
    with stopping(session, together=True):
        while session.stage_index < len(experiment.stages):
            _run_stage(session, networks, crew, saved, (), None, _silently)
            saved = None
            session.next_stage()


def _silently(text: str) -> None:
    """Discards output, for workers other than the chief."""


def _recall(session: Session, say) -> dict[str, np.ndarray] | None:
    """Loads the newest checkpoint and sets the session to its step."""
    newest = read_newest(session.folder.checkpoints, warn=lambda text: print(text, file=sys.stderr))
    if newest is None:
        session.history.forget_after(0)
        return None
    notes, tensors = newest
    session.recall(notes)
    session.history.forget_after(session.step)
    warn_of_lost_rows(session, notes)
    say(f"resuming at step {session.step} of {session.folder.path}")
    return tensors


def _check_coming_stages(session: Session, networks: Networks) -> None:
    """Checks the requirements of later stages now, not after the earlier stages are trained."""
    experiment, index = session.experiment, session.stage_index
    for coming in range(index + 1, len(experiment.stages)):
        check_initial_weights(experiment, coming, networks.generator, networks.discriminator)
    later = max(experiment.stages[index:], key=lambda stage: patch_size(experiment, stage))
    if patch_size(experiment, later) > session.patch_size:
        Sampler(stage_data(experiment, later), experiment.scale, experiment.seed)


def _run_stage(
    session: Session,
    networks: Networks,
    crew: Crew,
    saved: dict | None,
    pictures: Sequence,
    profile: tuple[int, int] | None,
    say: Callable[[str], None],
) -> None:
    experiment, stage = session.experiment, session.stage
    with enough_memory(needs_of(session)), crew.talking(), crew.building():
        if saved is None:
            load_initial_weights(experiment, session.stage_index, networks, say)
        trainer = build_stage(experiment, session.stage_index, networks)
    note_batch_statistics(trainer, session.stage_index, say)
    if saved is None:
        trainer.total_step.assign(session.first_step)
        for line in warnings_of_stage(experiment, session.stage_index, networks.discriminator):
            say(line)
    else:
        restore(trainer.state(), saved)
    if session.at_stage_end:
        return

    def batches(size: int, shard: tuple[int, int]) -> tf.data.Dataset:
        data = dataclasses.replace(stage_data(experiment, stage), batch_size=size)
        return training_batches(data, experiment.scale, experiment.seed, session.sample, shard)

    keys = picture_keys(experiment.data, experiment.scale, "train")
    if session.pictures not in (None, keys):
        warn_of_other_pictures("training", session.step)
    session.pictures = keys
    progress = run_callbacks.ProgressBar(session, crew.is_chief)
    # Always closed, so that an error message does not appear on the line of the bar.
    with contextlib.closing(progress), enough_memory(needs_of(session)), crew.talking():
        trainer.fit(
            on_device(crew.batches(batches, session.batch_size)),
            steps_per_epoch=stage.steps - session.stage_step,
            epochs=1,
            shuffle=False,
            verbose=0,
            callbacks=_callbacks(session, crew, progress, pictures, profile),
        )


def stage_data(experiment: Experiment, stage: Stage) -> Data:
    """The data settings with the patch and batch size of the stage."""
    return dataclasses.replace(
        experiment.data, patch_size=patch_size(experiment, stage), batch_size=update_size(experiment, stage)
    )


def on_device(batches: tf.data.Dataset) -> tf.data.Dataset:
    """On a GPU, copies the next batches while it processes the current one."""
    if not tf.config.list_logical_devices("GPU") or not isinstance(batches, tf.data.Dataset):
        return batches
    return batches.apply(tf.data.experimental.prefetch_to_device("/GPU:0", buffer_size=2))


def _callbacks(session: Session, crew: Crew, progress, pictures: Sequence, profile) -> list:
    chosen = [run_callbacks.Count(session), progress, run_callbacks.Guard(session)]
    if crew.is_chief:
        # A validation or a user's callback may end the stage; its last steps must then be logged.
        chosen.append(Validate(session, pictures, functools.partial(upscale_array, border=False)))
        if session.callbacks:
            chosen += [run_callbacks.ShareFigures(session), *session.callbacks, run_callbacks.HeedStop(session)]
        chosen += [run_callbacks.Log(session), Chart(session)]
    if crew.is_chief and session.experiment.histograms:
        chosen.append(run_callbacks.Histograms(session))
    if profile is not None:
        chosen.append(run_callbacks.Profile(session, *profile))
    # The checkpoint comes last, to save the state of the others.
    return [*chosen, run_callbacks.Agree(session, crew), run_callbacks.Checkpoint(session, crew.is_chief)]
