"""Warnings: the run continues, but perhaps not as its user meant it to."""

import sys
from collections.abc import Callable
from typing import Literal

from sr_gan_tf.config import Experiment, Stage
from sr_gan_tf.devices import has_fast_bfloat16
from sr_gan_tf.training.session import Session


def slow_bfloat16(experiment: Experiment) -> list[str]:
    """A line if the machine only emulates the requested precision."""
    if experiment.precision != "mixed_bfloat16" or has_fast_bfloat16():
        return []
    return [
        "warning: this machine has no bfloat16 arithmetic, so mixed_bfloat16 is slower on it than float32; "
        "--set 'precision=\"float32\"' trains the same networks faster"
    ]


def warn_of_a_cold_start(stage: Stage, index: int, say: Callable[[str], None]) -> None:
    """An adversarial first stage without initial weights."""
    if stage.adversarial is not None and index == 0 and stage.initial_weights is None:
        say(
            f"warning: stage {stage.name!r} starts adversarial training from an untrained generator, which often "
            "fails; put a supervised stage before it or set initial_weights"
        )


def warn_of_other_pictures(part: Literal["training", "validation"], step: int) -> None:
    """The run continues, since its weights are good, but it is no longer the same run."""
    now = {
        "training": "it is trained on the present ones",
        "validation": "its figures are those of the present ones, and the best generator is chosen again",
    }[part]
    print(
        f"warning: the {part} pictures are not those with which this run began; from step {step} on, {now}",
        file=sys.stderr,
    )


def warn_of_lost_rows(session: Session, notes: dict) -> None:
    """A history.csv that was emptied or cut short, for example by a power failure."""
    expected, found = notes.get("rows", 0), len(session.history)
    if found < expected:
        print(
            f"warning: {session.folder.history} has {found} rows up to step {session.step}, where {expected} were "
            "written; the run continues, but the missing rows are lost",
            file=sys.stderr,
        )
