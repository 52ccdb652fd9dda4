"""Warnings: the run goes on, but perhaps not as its user meant it to."""

import sys
from collections.abc import Callable

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


def warn_of_other_pictures(session: Session, pictures: list[str]) -> None:
    """The run goes on, for its weights are good, but it is not the run that it would have been."""
    before, session.pictures = session.pictures, pictures
    if before not in (None, pictures):
        print(
            f"warning: the training pictures are not those with which this run began; from step {session.step} on it "
            "is trained on the present ones",
            file=sys.stderr,
        )
