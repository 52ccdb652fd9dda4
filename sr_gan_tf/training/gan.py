"""GAN: a generator against a discriminator on batches (lr, hr); the train step is the paper's algorithm.

Goodfellow et al. 2014 (arXiv:1406.2661), Ledig et al. 2017 (arXiv:1609.04802). Within a step the generator is
updated first, then the discriminator on the same picture, detached: it is generated once, and what the discriminator
said about it in the generator's loss serves its own update too, since it has not changed in between. The stabilisers
are those of Salimans et al. 2016 (arXiv:1606.03498) and Shrivastava et al. 2017 (arXiv:1612.07828).
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.networks import Discriminator, Generator
from sr_gan_tf.training.historical import HistoricalAverage
from sr_gan_tf.training.optimizers import current_rate, follow
from sr_gan_tf.training.replay import ReplayBuffer
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.terms import Logs, WeightedLoss, constant, weigh
from sr_gan_tf.training.turns import Turns


@dataclasses.dataclass(frozen=True)
class Stabilisers:
    """What keeps the two networks in step; the defaults switch everything off.

    Args:
        discriminator_steps: updates of the discriminator a step, all on the step's pictures.
        discriminator_every: the discriminator is updated at each so many-th step only.
        accuracy_bound: it rests on a step where it tells more than this share of real and fake apart.
        adaptive_d: it rests while the moving average of that share is above this one.
        discriminator_warm_up: steps at the stage's start on which it learns alone.
        instance_noise: step to standard deviation of noise on its inputs, in units of [0, 1].
        replay_buffer: generated pictures to remember; half of each of its fake batches comes from them.
        historical_averaging: weight of the squared distance of both networks from their average weights.
    """

    discriminator_steps: int = 1
    discriminator_every: int = 1
    accuracy_bound: float | None = None
    adaptive_d: float | None = None
    discriminator_warm_up: int = 0
    instance_noise: Callable[[tf.Tensor], tf.Tensor] | None = None
    replay_buffer: int = 0
    historical_averaging: float = 0.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the discriminator said in the generator's loss.

    Args:
        fake: its logits for sr.
        real: its logits for hr, None where the generator's loss did not ask.
        state: its running statistics as an update of its own would leave them.
    """

    fake: tf.Tensor
    real: tf.Tensor | None
    state: list[tuple[keras.Variable, tf.Tensor]]


class GAN(Supervised):
    """Adversarial training; beside the generator's average it holds the discriminator and its optimizer.

    Args:
        generator, average, ema_decay: as in `Supervised`.
        discriminator: pictures in [0, 1] to logits of any shape.
        seed: of the instance noise and the replay buffer.

    `docs/tutorials/python.md` has an example.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        average: Generator | None = None,
        ema_decay: float = 0.999,
        seed: int = 1234,
        name: str = "gan",
    ):
        super().__init__(generator, average, ema_decay, name=name)
        self.discriminator = discriminator
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Batch statistics are what such a discriminator learns with, so the generator's loss must use them too.
        self._uses_batch_statistics = any(
            isinstance(layer, keras.layers.BatchNormalization) for layer in discriminator._flatten_layers()
        )
        # With dropout its own update sees it otherwise than the generator's loss.
        self._is_random = any(
            getattr(layer, "seed_generator", None) is not None for layer in discriminator._flatten_layers()
        )

    def compile(  # type: ignore[override]
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        content: Sequence[WeightedLoss],
        adversarial: WeightedLoss,
        features: Sequence[WeightedLoss] = (),
        penalties: Sequence[WeightedLoss] = (),
        stabilisers: Stabilisers | None = None,
        picture_shape: tuple[int, int, int, int] | None = None,
        jit_compile: bool | str = "auto",
    ):
        """Sets what a step minimizes, and with which optimizers.

        Args:
            generator_optimizer: any Keras optimizer; gradient clipping and schedules live in it.
            discriminator_optimizer: likewise.
            content: weighted losses between hr and sr.
            adversarial: `generator_loss(fake)` and `discriminator_loss(real, fake)` on logits; its weight is the
                generator's, 0 where it learns from `features` instead.
            features: losses between the discriminator's features of hr and sr.
            penalties: on the discriminator's gradients, e.g. R1.
            stabilisers: what keeps the two networks in balance; default: nothing.
            picture_shape: (batch, H, W, 3) of hr; needed by the replay buffer only.
            jit_compile: as for `Supervised`.
        """
        super().compile(generator_optimizer, content, jit_compile)
        self.discriminator_optimizer = discriminator_optimizer
        self.adversarial = adversarial
        self.features = list(features)
        self.penalties = list(penalties)
        self.stabilisers = stabilisers or Stabilisers()
        names = ("discriminator_every", "accuracy_bound", "adaptive_d", "discriminator_warm_up")
        self.turns = Turns(**{name: getattr(self.stabilisers, name) for name in names})
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        follow(discriminator_optimizer, self.stage_step)
        self.feature_model = self.discriminator.feature_model() if self.features else None
        self.replay = None
        if self.stabilisers.replay_buffer:
            if picture_shape is None:
                raise ValueError("a replay buffer needs picture_shape: (batch, H, W, 3)")
            low = [side // self.generator.scale for side in picture_shape[1:3]]
            condition = (low[0], low[1], 3) if self.discriminator.conditional else None
            self.replay = ReplayBuffer(self.stabilisers.replay_buffer, picture_shape[1:], condition_shape=condition)
            self.replay.build(picture_shape)
        self.histories = {}
        if self.stabilisers.historical_averaging:
            self.histories = {
                "generator": HistoricalAverage(self.generator.trainable_variables),
                "discriminator": HistoricalAverage(self.discriminator.trainable_variables),
            }

    def train_step(self, data) -> Logs:
        lr, hr = data
        logs: Logs = {}
        with self.recording(self.generator) as tape:
            sr = self.generator(lr, training=True)
            loss = self.content_loss(hr, sr, lr, logs)
            with self.recording(self.discriminator) as judging:
                terms, verdict = self.generator_terms(lr, hr, sr, logs)
            loss += terms
        logs["generator_loss"] = loss
        turn = self.turns.generator(self.stage_step)
        finite = self.update(self.generator, self.generator_optimizer, tape, loss, logs, "generator", turn)

        fake, fake_lr = tf.stop_gradient(sr), lr
        if self.replay is not None:
            fake, fake_lr = self.replay(fake, lr) if self.discriminator.conditional else (self.replay(fake), lr)
        for number in range(self.stabilisers.discriminator_steps):
            if number > 0 or not self._verdict_stands:
                judging, verdict = tf.GradientTape(), None  # type: ignore[assignment]
            with judging:
                self._watch(judging, self.discriminator)
                loss, views = self.discriminator_terms(lr, hr, fake, fake_lr, logs, verdict)
                loss += self._historical_term("discriminator", logs)
            finite &= self._update_discriminator(judging, loss, views, logs)
        for history in self.histories.values():
            history.update()
        self.end_step(finite, logs)
        return logs

    @property
    def _verdict_stands(self) -> bool:
        """Whether the discriminator's update would see the same pictures in the same way as the generator's loss."""
        return self.replay is None and self.stabilisers.instance_noise is None and not self._is_random

    def generator_terms(self, lr, hr, sr, logs: Logs) -> tuple[tf.Tensor, Verdict]:
        """What the discriminator tells the generator, adversarial and feature terms, and what it said."""
        total = self._historical_term("generator", logs)
        judge = self.feature_model or self.discriminator
        (*fake_features, fake), state = self._look(judge, self._view(sr, lr))
        real_features: list = []
        real = detached = None
        if self.features or self.adversarial.loss.needs_real:
            (*real_features, real), state = self._look(judge, self._view(hr, lr), state)
            detached = tf.stop_gradient(_float32(real))
        value = self.adversarial.loss.generator_loss(_float32(fake), detached)
        total += weigh(self.adversarial, value, self.stage_step, logs)
        real_features = [tf.stop_gradient(features) for features in real_features]
        for term in self.features:
            total += weigh(term, term.loss(real_features, fake_features), self.stage_step, logs)
        return total, Verdict(fake, real, list(zip(judge.non_trainable_variables, state, strict=False)))

    def discriminator_terms(self, lr, hr, fake, fake_lr, logs: Logs, verdict: Verdict | None = None):
        """Mean of the real and the fake term, both -log(0.5) = 0.693 for a guess, and the (real, fake) views."""
        real_view, fake_view = self._view(hr, lr), self._view(fake, fake_lr)
        for variable, value in verdict.state if verdict else ():
            variable.assign(value)
        known = verdict.real if verdict else None
        real = _float32(known if known is not None else self.discriminator(real_view, training=True))
        fake = _float32(verdict.fake if verdict else self.discriminator(fake_view, training=True))
        real_term, fake_term = self.adversarial.loss.discriminator_loss(real, fake)
        logs["discriminator_real"], logs["discriminator_fake"] = real_term, fake_term
        logs["real_logits"], logs["fake_logits"] = tf.reduce_mean(real), tf.reduce_mean(fake)
        logs["pair_share"] = _share(_per_picture(real) > _per_picture(fake))
        guess = self.adversarial.loss.guess
        logs["real_accuracy"] = logs["pair_share"] if guess is None else _share(real > guess)
        logs["fake_accuracy"] = logs["pair_share"] if guess is None else _share(fake < guess)
        total = logs["discriminator_loss"] = 0.5 * (real_term + fake_term)
        return total, (real_view, fake_view)

    def _update_discriminator(self, tape: tf.GradientTape, loss, views, logs: Logs) -> tf.Tensor:
        """One update with the penalties, or nothing of both at a step on which the discriminator rests.

        Returns:
            Whether loss and gradients were finite.
        """
        turn = self.turns.discriminator(self.stage_step, logs)

        def learn(also=True) -> tuple[tf.Tensor, Logs]:
            terms: Logs = {}
            with tape:
                self._watch(tape, self.discriminator)
                total = loss + self._penalties(views, terms)
            optimizer = self.discriminator_optimizer
            return self.update(self.discriminator, optimizer, tape, total, terms, "discriminator", also), terms

        def rest() -> tuple[tf.Tensor, Logs]:
            names = [f"{term.name}{suffix}" for term in self.penalties for suffix in ("", ".weighted")]
            terms = {name: tf.constant(0.0) for name in [*names, "discriminator_gradient_norm"]}
            terms["discriminator_learning_rate"] = current_rate(self.discriminator_optimizer)
            return tf.math.is_finite(loss), terms

        if not self.turns.may_rest or distribution.replicas() > 1:
            # What crosses between replicas (the mean of the gradients) must not stand inside a condition.
            finite, terms = learn(turn)
        else:
            finite, terms = tf.cond(turn, learn, rest)
        logs |= terms
        return finite

    def _penalties(self, views, logs: Logs) -> tf.Tensor:
        """Weighted sum of the penalties on the discriminator's gradients."""
        total = tf.constant(0.0)
        for term in self.penalties:
            judge = lambda pictures: self._judge(self.discriminator, pictures)  # noqa: E731
            total += weigh(term, term.loss(judge, *views), self.stage_step, logs)
        return total

    def _judge(self, judge, pictures):
        """Logits that leave the discriminator's state alone: no dropout, no power step, no moving statistics."""
        outputs, _ = self._look(judge, pictures)
        return outputs[0] if len(outputs) == 1 else outputs

    def _look(self, judge, pictures, state: Sequence[tf.Tensor] = ()) -> tuple[list, Sequence[tf.Tensor]]:
        """All outputs of `judge`, which keeps its state (or begins with `state`), and the state after an update."""
        if not self._uses_batch_statistics:
            return _as_list(judge(pictures, training=False)), ()
        outputs, state = judge.stateless_call(
            [variable.value for variable in judge.trainable_variables],
            state or [variable.value for variable in judge.non_trainable_variables],
            pictures,
            training=True,
        )
        return _as_list(outputs), state

    def _view(self, pictures, lr):
        """What the discriminator sees: the pictures, noise on them, and the enlarged LR where it is conditional."""
        if self.stabilisers.instance_noise is not None:
            deviation = self.stabilisers.instance_noise(self.stage_step)
            shape = tf.shape(pictures)
            pictures += deviation * distribution.own_part(
                lambda count: keras.random.normal(tf.concat([[count], shape[1:]], 0), seed=self.seed_generator),
                shape[0],
            )
        if self.discriminator.conditional:
            enlarged = tf.image.resize(lr, tf.shape(pictures)[1:3], method="bilinear")
            pictures = tf.concat([pictures, enlarged], axis=-1)  # (N, H, W, 6)
        return pictures

    def _historical_term(self, name: str, logs: Logs) -> tf.Tensor:
        if name not in self.histories:
            return tf.constant(0.0)
        term = constant(f"{name}_history", None, self.stabilisers.historical_averaging)
        return weigh(term, self.histories[name].penalty(), self.stage_step, logs)

    def state(self) -> dict[str, list]:
        return super().state() | {
            "discriminator": self.discriminator.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
            "seeds": [self.seed_generator.state],
            "turns": self.turns.variables,
            "replay": [] if self.replay is None else self.replay.variables,
            "histories": [variable for history in self.histories.values() for variable in history.variables],
        }


def _as_list(outputs) -> list:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _float32(logits):
    return tf.cast(logits, tf.float32)


def _share(answers):
    return tf.reduce_mean(tf.cast(answers, tf.float32))


def _per_picture(logits):
    return tf.reduce_mean(tf.reshape(logits, (tf.shape(logits)[0], -1)), axis=1)  # (N,)
