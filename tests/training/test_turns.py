"""Whose turn a step is: warm-up of the discriminator, rests by its moving advantage, and their exact resume."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_training import batch, floats, make_gan  # noqa: F401

from sr_gan_tf.training.turns import Turns


def answers(share: float) -> dict[str, tf.Tensor]:
    return {"real_accuracy": tf.constant(share), "fake_accuracy": tf.constant(share)}


def test_the_discriminator_rests_while_its_moving_advantage_is_too_large():
    turns, expected, taken = Turns(adaptive_d=0.7), 0.5, []
    for share in [1.0] * 40 + [0.4] * 40:
        logs = answers(share)
        expected = 0.98 * expected + 0.02 * share
        assert bool(turns.discriminator(tf.constant(0), logs)) == (expected <= 0.7)
        assert float(logs["discriminator_advantage"]) == pytest.approx(expected, rel=1e-5)
        taken.append(float(logs["discriminator_updated"]))
    # One right batch is not enough, and it comes back when the generator has caught up.
    assert taken[:20] == [1] * 20
    assert taken[38:42] == [0] * 4
    assert taken[-1] == 1


def test_a_diverged_answer_does_not_stay():
    turns = Turns(adaptive_d=0.9)
    turns.discriminator(tf.constant(0), answers(float("nan")))
    assert np.isfinite(float(turns.variables[0].value))


def test_turns_that_are_off_keep_nothing():
    turns = Turns()
    assert turns.variables == []
    assert not turns.may_rest
    assert turns.generator(tf.constant(0)) is True
    assert bool(turns.discriminator(tf.constant(3), answers(1.0)))


def test_the_generator_waits_for_the_warm_up(batch):  # noqa: F811
    trainer = make_gan(balance={"discriminator_warm_up": 2}, optimizer=keras.optimizers.Adam)
    step = tf.function(trainer.train_step)
    for number in range(3):
        before = [variable.numpy() for variable in trainer.generator.trainable_variables]
        judge = [variable.numpy() for variable in trainer.discriminator.trainable_variables]
        logs = floats(step(batch))
        moved = any(
            not np.array_equal(one, other)
            for one, other in zip(before, trainer.generator.trainable_variables, strict=True)
        )
        assert moved == (number == 2)
        assert not np.array_equal(judge[0], trainer.discriminator.trainable_variables[0])
        assert logs["skipped_steps"] == 0
    assert int(trainer.stage_step.value) == 3


@pytest.mark.parametrize("bound", [0.51, 1.0])
def test_adaptive_d_in_the_train_step(batch, bound):  # noqa: F811
    """A discriminator that is right all the time rests under a low bound, and is part of the checkpoint."""
    trainer = make_gan(balance={"adaptive_d": bound})
    updates = []
    for _ in range(6):
        logs = floats(trainer.train_step(batch))
        trainer.turns.variables[0].assign(0.9)
        updates.append(logs["discriminator_updated"])
    assert updates[1:] == [0.0 if bound == 0.51 else 1.0] * 5
    assert len(trainer.state()["turns"]) == 1
