"""Turns: determines which steps update the discriminator and the generator, so that neither gets too far ahead.

The discriminator may train only on every n-th step, rest while its accuracy on this step is too high
(`accuracy_bound`), rest while a moving average of it is (`adaptive_d`: one lucky batch has little effect), and train
alone in the first steps of the stage, when it cannot yet teach a well-trained generator anything
(`discriminator_warm_up`).
"""

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.training.terms import Logs

# Decay of the moving average of the accuracy, over about fifty steps.
_DECAY = 0.98
_GUESS = 0.5


class Turns:
    """Determines whose turn a step is; a checkpoint must contain `variables`.

    Args:
        discriminator_every: the discriminator trains on every n-th step.
        accuracy_bound: it rests on a step where its accuracy is above this; None: never.
        adaptive_d: it rests while the moving average of its accuracy is above this; None: never.
        discriminator_warm_up: steps at the start of the stage in which it trains alone.
    """

    def __init__(
        self,
        discriminator_every: int = 1,
        accuracy_bound: float | None = None,
        adaptive_d: float | None = None,
        discriminator_warm_up: int = 0,
    ):
        self.discriminator_every = discriminator_every
        self.accuracy_bound = accuracy_bound
        self.adaptive_d = adaptive_d
        self.discriminator_warm_up = discriminator_warm_up
        self._advantage: keras.Variable | None = None
        if adaptive_d is not None:
            # All replicas see the mean of their outputs, so the average of the first one is valid for all.
            self._advantage = keras.Variable(
                _GUESS, dtype="float32", name="advantage", trainable=False, aggregation="only_first_replica"
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """Variables that a checkpoint must contain."""
        return [] if self._advantage is None else [self._advantage]

    @property
    def may_rest(self) -> bool:
        """Whether steps without an update of the discriminator are possible."""
        return self.discriminator_every > 1 or self.accuracy_bound is not None or self.adaptive_d is not None

    def generator(self, step: tf.Tensor) -> tf.Tensor | bool:
        """Whether the generator trains at this step of the stage."""
        return step >= self.discriminator_warm_up if self.discriminator_warm_up else True

    def discriminator(self, step: tf.Tensor, logs: Logs) -> tf.Tensor:
        """Whether the discriminator trains at this step; call it once per update, with its outputs in `logs`."""
        turn = tf.equal(step % self.discriminator_every, 0)
        if self.accuracy_bound is not None or self.adaptive_d is not None:
            accuracy = distribution.mean(0.5 * (logs["real_accuracy"] + logs["fake_accuracy"]))
        if self.accuracy_bound is not None:
            turn &= accuracy <= self.accuracy_bound
        if self._advantage is not None:
            # A diverged value must not remain in the average forever.
            accuracy = tf.where(tf.math.is_finite(accuracy), accuracy, _GUESS)
            advantage = _DECAY * tf.convert_to_tensor(self._advantage.value) + (1 - _DECAY) * accuracy
            self._advantage.assign(advantage)
            logs["discriminator_advantage"] = advantage
            turn &= advantage <= self.adaptive_d
        logs["discriminator_updated"] = tf.cast(turn, tf.float32)
        return turn
