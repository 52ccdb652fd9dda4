"""Callbacks between the steps of a run: counting, progress, guards, logs and checkpoints, in this order."""

import math
import sys
import time

import keras
import numpy as np
import psutil
import tensorflow as tf
from tqdm import tqdm

from sr_gan_tf.distribution import Crew
from sr_gan_tf.errors import InputError, Interrupted
from sr_gan_tf.files import writing
from sr_gan_tf.runs.checkpoints import checkpoint_files, save_checkpoint
from sr_gan_tf.training.session import Session
from sr_gan_tf.training.tensorboard import show_scalars, showing


class RunCallback(keras.callbacks.Callback):
    """A callback with access to its run."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session


class Count(RunCallback):
    """Counts the stage's steps; must come first."""

    def on_train_begin(self, logs=None):
        self.session.training = True

    def on_train_end(self, logs=None):
        self.session.training = False

    def on_train_batch_end(self, batch, logs=None):
        self.session.stage_step += 1


class ProgressBar(RunCallback):
    """A progress bar with the remaining time and the losses; close it at the end.

    Args:
        session: the run.
        visible: whether to show it.
    """

    def __init__(self, session: Session, visible: bool = True):
        super().__init__(session)
        terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=self.session.stage.steps, initial=self.session.stage_step, desc=self.session.stage.name, unit="step",
            mininterval=0.5 if terminal else 30, dynamic_ncols=terminal, ascii=not terminal, disable=not visible,
        )  # fmt: skip

    def on_train_batch_end(self, batch, logs=None):
        names = {"generator_loss": "G", "discriminator_loss": "D"}
        self.bar.set_postfix({names[key]: f"{logs[key]:.4g}" for key in names if key in logs}, refresh=False)
        self.bar.update()

    def close(self) -> None:
        self.bar.close()


class Guard(RunCallback):
    """Stops a run after several consecutive non-finite steps."""

    def on_train_batch_end(self, batch, logs=None):
        if logs["skipped_in_a_row"] < self.session.experiment.max_bad_steps:
            return
        # Names what is not finite; none of these steps changed the weights.
        culprits = [name for name, value in logs.items() if not math.isfinite(value)]
        files = checkpoint_files(self.session.folder.checkpoints)
        stage, run = f"stages.{self.session.stage_index}", self.session.folder.path
        good, begin = "no checkpoint has been written yet", ""
        if files:
            good = f"the last good checkpoint is {files[0]}"
            begin = f" --set '{stage}.initial_weights=\"{run}\"'"
        raise InputError(
            f"step {self.session.step}: {int(logs['skipped_in_a_row'])} consecutive steps were not finite "
            f"({', '.join(culprits) or 'gradients'}); {good}; lower the learning rate or clip gradients in a new "
            f"--run-dir (--set '{stage}.generator_optimizer.config.global_clipnorm=1.0'{begin})"
        )


class Log(RunCallback):
    """Writes means of the logged values to history.csv and TensorBoard, and wall-clock times to timing.csv."""

    def on_train_begin(self, logs=None):
        self.last_time, self.last_step = time.perf_counter(), self.session.step
        self.waited, self.next_writing = 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        session = self.session
        for name, value in logs.items():
            if name == "data_wait":
                self.waited += value
            elif name != "loss" and math.isfinite(value) and not name.startswith("validation/"):
                pending = session.pending.setdefault(name, [0.0, 0])
                pending[0] += float(value)
                pending[1] += 1
        if not session.due(session.experiment.log_every):
            return
        means = {name: total / count for name, (total, count) in session.pending.items()}
        # Counters are logged as values, not as means.
        means |= {"skipped_steps": float(logs["skipped_steps"])}
        means.pop("skipped_in_a_row", None)
        session.pending.clear()
        session.history.add(session.step, session.stage.name, means)
        self._write_history()
        values = means | self._timing()
        show_scalars(session, {name if "/" in name else f"train/{name}": value for name, value in values.items()})

    def _write_history(self) -> None:
        """Writes a long history less often, so that writing takes 1% of the time; each checkpoint also writes it."""
        start = time.perf_counter()
        if start >= self.next_writing:
            self.session.history.write()
            self.next_writing = start + 100 * (time.perf_counter() - start)

    def _timing(self) -> dict[str, float]:
        now, session = time.perf_counter(), self.session
        steps, seconds = session.step - self.last_step, now - self.last_time
        timing = {
            "work/steps_per_second": steps / seconds,
            "work/images_per_second": steps * session.batch_size / seconds,
            "work/waiting_for_data_share": self.waited / seconds,
            "work/resident_memory_MB": psutil.Process().memory_info().rss / 1e6,
        }
        self.last_time, self.last_step, self.waited = now, session.step, 0.0
        new = not session.folder.timing.exists()
        with writing(session.folder.timing), session.folder.timing.open("a", encoding="utf-8") as file:
            if new:
                file.write("step,clock," + ",".join(name.removeprefix("work/") for name in timing) + "\n")
            file.write(f"{session.step},{time.time():.1f}," + ",".join(f"{v:.4g}" for v in timing.values()) + "\n")
        return timing


class Histograms(RunCallback):
    """Histograms of both networks' weights in TensorBoard, at each validation."""

    def on_train_batch_end(self, batch, logs=None):
        if not self.session.due(self.session.experiment.validate_every):
            return
        with showing(self.session):
            for part in ("generator", "discriminator"):
                for variable in getattr(getattr(self.model, part, None), "trainable_variables", ()):
                    tf.summary.histogram(f"weights/{part}/{variable.path}", variable)


class Profile(RunCallback):
    """Runs TensorFlow's profiler over a range of steps; TensorBoard's profile plugin shows the trace.

    Args:
        first, last: steps of the run, inclusive.
    """

    def __init__(self, session: Session, first: int, last: int):
        super().__init__(session)
        self.first, self.last, self.running = first, last, False

    def on_train_batch_begin(self, batch, logs=None):
        if self.session.step + 1 == self.first:
            tf.profiler.experimental.start(str(self.session.folder.logs))
            self.running = True

    def on_train_batch_end(self, batch, logs=None):
        if self.running and (self.session.step >= self.last or self.session.stop_requested):
            self._stop()

    def on_train_end(self, logs=None):
        if self.running:
            self._stop()

    def _stop(self):
        tf.profiler.experimental.stop()
        self.running = False


class ShareFigures(RunCallback):
    """Adds the validation metrics to the logs of the step, for the user's callbacks that follow."""

    def on_train_batch_end(self, batch, logs=None):
        logs.update(self.session.figures)
        self.session.figures = {}


class HeedStop(RunCallback):
    """Lets a user's callback that stops training end the stage properly: logged and saved, then the next stage."""

    def on_train_batch_end(self, batch, logs=None):
        self.session.stage_ended |= bool(self.model.stop_training)


class Agree(RunCallback):
    """Shares one worker's decision to stop or to end the stage, because all must take the same steps.

    If a signal arrives while the workers agree, it remains pending, and they stop one step later.
    """

    def __init__(self, session: Session, crew: Crew):
        super().__init__(session)
        self.crew = crew

    def on_train_batch_end(self, batch, logs=None):
        session = self.session
        session.stopping, session.stage_ended = self.crew.agree(session.stop_requested, session.stage_ended)


class Checkpoint(RunCallback):
    """Saves the complete state every `checkpoint_every` steps, at the end of a stage, and on a request to stop.

    Args:
        session: the run.
        writes: whether this process writes; the other workers only stop together with it.
    """

    def __init__(self, session: Session, writes: bool = True):
        super().__init__(session)
        self.writes = writes

    def on_train_batch_end(self, batch, logs=None):
        session = self.session
        said = f"saved in {session.folder.checkpoints}"
        if self.writes and (session.due(session.experiment.checkpoint_every) or session.stopping):
            session.history.write()
            if self._is_sound():
                save_checkpoint(session.folder.checkpoints, session.step, self.model.state(), session.notes())
            else:
                said = "not saved, because its weights are not finite"
        if session.stopping:
            raise Interrupted(f"at step {session.step}, {said}; the same command resumes from the last checkpoint")
        if session.stage_ended:
            self.model.stop_training = True

    def _is_sound(self) -> bool:
        """Whether the weights are finite; otherwise they must not replace the last good checkpoint."""
        networks = [getattr(self.model, part, None) for part in ("generator", "discriminator")]
        weights = [weight for network in networks if network is not None for weight in network.trainable_variables]
        return all(np.isfinite(keras.ops.convert_to_numpy(weight)).all() for weight in weights)
