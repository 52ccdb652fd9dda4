"""Ends a run early: on a signal, or when memory runs out."""

import contextlib
import signal
import sys
from collections.abc import Iterator

import tensorflow as tf

from sr_gan_tf.errors import InputError, Interrupted
from sr_gan_tf.runs.checkpoints import checkpoint_files
from sr_gan_tf.training.session import Session


@contextlib.contextmanager
def stopping(session: Session, together: bool = False) -> Iterator[None]:
    """The first SIGINT or SIGTERM saves at the end of the step; the second one stops immediately.

    While no step is running (pictures are cut into tiles, networks are built), the first one also stops immediately,
    because there is nothing to save.

    Args:
        session: the run.
        together: whether other processes participate, so that this one must always wait for the end of a step.
    """

    def handle(number, frame):
        if session.stop_requested:
            raise KeyboardInterrupt("immediately; the last checkpoint is intact")
        if not session.training and not together:
            raise Interrupted("between two steps, with nothing to save; the same command resumes")
        session.stop_requested = True
        print("\nstopping after this step (press again to stop immediately)", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def enough_memory(needs: str) -> Iterator[None]:
    """Converts TensorFlow's memory errors to one line.

    Args:
        needs: what the memory is needed for, and how to reduce it.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise InputError(f"not enough memory for {needs}") from error


def needs_of(session: Session) -> str:
    """What a step of the current stage needs memory for, and how to reduce it."""
    text = (
        f"the networks of stage {session.stage.name!r} and {session.batch_size} patches of {session.patch_size} x "
        f"{session.patch_size} pixels per step; lower data.batch_size or data.patch_size (--dry-run estimates it)"
    )
    if checkpoint_files(session.folder.checkpoints):
        weights = f"stages.{session.stage_index}.initial_weights"
        text += f" in a new --run-dir, which starts from this one with --set '{weights}=\"{session.folder.path}\"'"
    return text
