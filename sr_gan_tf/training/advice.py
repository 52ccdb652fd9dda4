"""Warnings: the run goes on, but perhaps not as its user meant it to."""

import sys
from collections.abc import Callable
from typing import Literal

from sr_gan_tf.config import Experiment, Stage
from sr_gan_tf.devices import has_fast_bfloat16
from sr_gan_tf.training.session import Session


def slow_bfloat16(experiment: Experiment) -> list[str]:
    """A line where the machine only emulates the precision that was asked for."""
    if experiment.precision != "mixed_bfloat16" or has_fast_bfloat16():
        return []
    return [
        "warning: this machine has no bfloat16 arithmetic, so that mixed_bfloat16 is slower than float32 on it; "
        "--set 'precision=\"float32\"' trains the same networks faster"
    ]


def warn_of_a_cold_start(stage: Stage, index: int, say: Callable[[str], None]) -> None:
    """A GAN as the first stage, without weights to begin with."""
    if stage.adversarial is not None and index == 0 and stage.initial_weights is None:
        say(
            f"warning: stage {stage.name!r} starts its GAN from an untrained generator, which often fails; "
            "put a supervised stage before it or name initial_weights"
        )


def warn_of_other_pictures(part: Literal["training", "validation"], step: int) -> None:
    """The run goes on, for its weights are good, but it is not the run that it would have been."""
    now = {
        "training": "it is trained on the present ones",
        "validation": "its figures are those of the present ones, and the best generator is chosen anew",
    }[part]
    print(
        f"warning: the {part} pictures are not those with which this run began; from step {step} on {now}",
        file=sys.stderr,
    )


def warn_of_lost_rows(session: Session, notes: dict) -> None:
    """A history.csv that was emptied or cut short, by a power cut say."""
    expected, found = notes.get("rows", 0), len(session.history)
    if found < expected:
        print(
            f"warning: {session.folder.history} has {found} rows up to step {session.step}, where {expected} were "
            "written; the run goes on, but what they said is lost",
            file=sys.stderr,
        )
