"""GAN: trains a generator against a discriminator on batches (lr, hr).

Goodfellow et al. 2014 (arXiv:1406.2661), Ledig et al. 2017 (arXiv:1609.04802). A step first updates the
generator, then the discriminator on the same, detached picture. The picture is generated once. The discriminator's
logits from the generator loss are reused for its own update, because it has not changed in between. The settings of
`balance` are those of Salimans et al. 2016 (arXiv:1606.03498) and Shrivastava et al. 2017 (arXiv:1612.07828).
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.discriminators.wrapped import as_discriminator
from sr_gan_tf.losses.shared_passes import shared_passes
from sr_gan_tf.networks import Discriminator, Generator
from sr_gan_tf.training import compiling
from sr_gan_tf.training.accumulation import gan_step
from sr_gan_tf.training.balance import Balance, in_present_names
from sr_gan_tf.training.batches import pair_of
from sr_gan_tf.training.historical import HistoricalAverage
from sr_gan_tf.training.logits import Verdict, as_list, float32, per_picture, share, with_next_state
from sr_gan_tf.training.optimizers import current_rate, start
from sr_gan_tf.training.replay import replay_for, replayed
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.terms import Logs, WeightedLoss, constant, log_names, mean_value, weigh
from sr_gan_tf.training.turns import Turns


@keras.saving.register_keras_serializable("sr_gan_tf")
class GAN(Supervised):
    """Trains a generator against a discriminator on batches (lr, hr), float32 in [0, 1].

    As in `Supervised`, `average` is the generator to use, and `predict`, `evaluate` and validation use it.
    `docs/tutorials/python.md` has an example.

    Args:
        generator, average, ema_decay: as in `Supervised`.
        discriminator: maps pictures in [0, 1] to logits of any shape; any Keras model that does.
        seed: seed of the instance noise.
    """

    def __init__(
        self,
        generator: Generator | keras.Model,
        discriminator: Discriminator | keras.Model,
        average: Generator | None = None,
        ema_decay: float = 0.999,
        seed: int = 1234,
        name: str = "gan",
    ):
        super().__init__(generator, average, ema_decay, name=name)
        if not isinstance(discriminator, Discriminator):
            discriminator = as_discriminator(discriminator)
        self.discriminator = discriminator
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        layers = list(discriminator._flatten_layers())
        # Such a discriminator trains with batch statistics, so the generator loss must use them as well.
        self._uses_batch_statistics = any(isinstance(each, keras.layers.BatchNormalization) for each in layers)
        # With dropout, its own update and the generator loss use different networks.
        self._is_random = any(getattr(each, "seed_generator", None) is not None for each in layers)

    @compiling.in_keras_order
    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        content=None,
        adversarial=None,
        features: Sequence[WeightedLoss] = (),
        penalties: Sequence[WeightedLoss] = (),
        balance: Balance | None = None,
        picture_shape: tuple[int, int, int, int] | None = None,
        jit_compile: bool | str = "auto",
        *,
        optimizer=None,
        loss=None,
        metrics=None,
        steps_per_execution: int = 1,
        run_eagerly: bool = False,
        accumulate: int = 1,
        recompute: bool = False,
    ):
        """Configures training: `compile("adam", "mae")`, or `compile("adam", "adam", "mae", "Hinge")`.

        Args:
            generator_optimizer: a Keras optimizer or its name.
            discriminator_optimizer: the same; default: a copy of the generator's. As in Keras, the second positional
                argument may also be a loss.
            content: losses between hr and sr, as in `Supervised`; may be empty (`[]`).
            adversarial: a name (`"Hinge"`), a loss, (loss, weight) or a `WeightedLoss`; default: binary cross-entropy.
                The weight is that of the generator: default 1e-3; 0 if it learns only from `features`.
            features: losses between the discriminator's features of hr and sr.
            penalties: on the discriminator's gradients, e.g. R1.
            balance: settings that keep the two networks in balance; default: none.
            picture_shape: (batch, H, W, 3) of hr; needed only by the replay buffer.
            jit_compile: as in `Supervised`.
            optimizer: Keras's name of `generator_optimizer`.
            loss: Keras's name of `content`.
            metrics: as in `Supervised`.
            steps_per_execution: as in `Supervised`.
            run_eagerly: as in `Supervised`.
            accumulate: as in `Supervised`.
            recompute: as in `Supervised`.

        Raises:
            ValueError: an argument is none of these.
        """
        if not compiling.is_optimizer(discriminator_optimizer) and content is None:
            discriminator_optimizer, content = None, discriminator_optimizer
        optimizer = compiling.one_of_two(generator_optimizer, optimizer, ("generator_optimizer", "optimizer"))
        self.generator_optimizer = compiling.optimizer_of(optimizer, "optimizer")
        self.discriminator_optimizer = compiling.optimizer_of(
            discriminator_optimizer or compiling.copy_of_optimizer(self.generator_optimizer), "discriminator_optimizer"
        )
        content = compiling.one_of_two(content, loss, ("content", "loss"))
        if content is None:
            raise ValueError('GAN.compile: no loss; pass one, e.g. compile("adam", "mae"), or [] for none')
        self.content = compiling.content_terms(content, "loss")
        self.adversarial = compiling.adversarial_term(adversarial)
        self.features, self.penalties = list(features), list(penalties)
        self.balance = balance or Balance()
        names = ("discriminator_every", "accuracy_bound", "adaptive_d", "discriminator_warm_up")
        self.turns = Turns(**{name: getattr(self.balance, name) for name in names})
        self.save_memory(accumulate, recompute)
        start(self.generator_optimizer, self.generator, self.stage_step)
        start(self.discriminator_optimizer, self.discriminator, self.stage_step)
        self.replace_layer("feature_model", self.discriminator.feature_model() if self.features else None)
        replay = replay_for(self.balance.replay_buffer, picture_shape, self.discriminator, self.generator.scale)
        self.replace_layer("replay", replay)
        self.histories = {}
        if self.balance.historical_averaging:
            networks = {"generator": self.generator, "discriminator": self.discriminator}
            self.histories = {name: HistoricalAverage(part.trainable_variables) for name, part in networks.items()}
        given = ["generator_optimizer", "discriminator_optimizer", "content", "adversarial", "features", "penalties"]
        arguments = {name: getattr(self, name) for name in [*given, "balance"]}
        arguments |= {"picture_shape": picture_shape, "accumulate": accumulate, "recompute": recompute}
        both = [self.generator_optimizer, self.discriminator_optimizer]
        self.prepare(both, arguments, metrics, jit_compile, steps_per_execution, run_eagerly)

    def train_step(self, data) -> Logs:
        lr, hr = pair_of(data, type(self).__name__, self.generator.scale)
        finite, sr, logs = self._whole_step(lr, hr) if self.accumulate == 1 else gan_step(self, lr, hr)
        for history in self.histories.values():
            history.update()
        self.end_step(finite, logs)
        self.observe(hr, sr, logs)
        return logs

    def _whole_step(self, lr, hr) -> tuple[tf.Tensor, tf.Tensor, Logs]:
        """A step without parts; returns whether all updates were finite, the generated pictures, and the logs."""
        logs: Logs = {}
        sr, loss, verdict, (tape, judging) = self.generator_pass(lr, hr, logs)
        finite = self._update_generator(tape, loss, logs)
        fake, fake_lr = replayed(self.replay, tf.stop_gradient(sr), lr, self.discriminator.conditional)
        for number in range(self.balance.discriminator_steps):
            if number > 0 or not self.verdict_stands:
                judging, verdict = tf.GradientTape(), None
            with judging:
                self.watch(judging, self.discriminator)
                loss, views = self.discriminator_terms(lr, hr, fake, fake_lr, logs, verdict)
                loss += self.historical_term("discriminator", logs)
            finite &= self._update_discriminator(judging, loss, views, logs)
        return finite, sr, logs

    @property
    def verdict_stands(self) -> bool:
        """Whether the discriminator's update has the inputs of the generator loss: nothing is random or replayed."""
        return self.replay is None and self.balance.instance_noise is None and not self._is_random

    def generator_pass(self, lr, hr, logs: Logs):
        """The generated pictures, the generator's loss, the discriminator's outputs, and the tapes of both networks."""
        with self.recording(self.generator) as tape, shared_passes():
            sr = self.enlarged(lr)
            loss = self.content_loss(hr, sr, lr, logs)
            with self.recording(self.discriminator) as judging:
                terms, verdict = self.generator_terms(lr, hr, sr, logs)
            loss += terms
        logs["loss"] = logs["generator_loss"] = loss
        return sr, loss, verdict, (tape, judging)

    def generator_terms(self, lr, hr, sr, logs: Logs) -> tuple[tf.Tensor, Verdict]:
        """The adversarial and feature terms of the generator loss, and the discriminator's outputs."""
        total = self.historical_term("generator", logs)
        judge = self.feature_model or self.discriminator
        (*fake_features, fake), state = self._look(judge, self._view(sr, lr))
        real_features: list = []
        real = detached = None
        if self.features or self.adversarial.loss.needs_real:
            (*real_features, real), state = self._look(judge, self._view(hr, lr), state)
            detached = tf.stop_gradient(float32(real))
        value = self.adversarial.loss.generator_loss(float32(fake), detached)
        total += weigh(self.adversarial, value, self.stage_step, logs)
        for term in self.features:
            known = [tf.stop_gradient(features) for features in real_features]
            total += weigh(term, term.loss(known, fake_features), self.stage_step, logs)
        return total, Verdict(fake, real, list(zip(judge.non_trainable_variables, state, strict=False)))

    def discriminator_terms(self, lr, hr, fake, fake_lr, logs: Logs, verdict: Verdict | None = None):
        """Mean of the real and the fake term, both -log(0.5) = 0.693 for a guess, and the (real, fake) views."""
        real_view, fake_view = self._view(hr, lr), self._view(fake, fake_lr)
        for variable, value in verdict.state if verdict else ():
            variable.assign(value)
        known = verdict.real if verdict else None
        real = float32(known if known is not None else self.discriminator(real_view, training=True))
        fake = float32(verdict.fake if verdict else self.discriminator(fake_view, training=True))
        terms = [mean_value(one, self.adversarial.name) for one in self.adversarial.loss.discriminator_loss(real, fake)]
        logs["discriminator_real"], logs["discriminator_fake"] = terms
        logs["real_logits"], logs["fake_logits"] = tf.reduce_mean(real), tf.reduce_mean(fake)
        logs["pair_share"] = share(per_picture(real) > per_picture(fake))
        guess = self.adversarial.loss.guess
        logs["real_accuracy"] = logs["pair_share"] if guess is None else share(real > guess)
        logs["fake_accuracy"] = logs["pair_share"] if guess is None else share(fake < guess)
        total = logs["discriminator_loss"] = 0.5 * (terms[0] + terms[1])
        return total, (real_view, fake_view)

    def _update_generator(self, tape: tf.GradientTape, loss, logs: Logs) -> tf.Tensor:
        """One update, or none during the discriminator's warm-up; returns whether all was finite."""
        turn = self.turns.generator(self.stage_step)
        return self._learn_or_rest("generator", turn, turn is not True, tape, loss, lambda terms: loss, (), logs)

    def _update_discriminator(self, tape: tf.GradientTape, loss, views, logs: Logs) -> tf.Tensor:
        """Makes one update including the penalties, or skips both; returns whether all values were finite."""

        def whole(terms: Logs) -> tf.Tensor:
            with tape:
                self.watch(tape, self.discriminator)
                return loss + self.penalty_terms(views, terms)

        turn = self.turns.discriminator(self.stage_step, logs)
        unknown = log_names(self.penalties)
        return self._learn_or_rest("discriminator", turn, self.turns.may_rest, tape, loss, whole, unknown, logs)

    def _learn_or_rest(self, name: str, turn, may_rest: bool, tape, loss, whole, unknown: Sequence[str], logs: Logs):
        """Updates by `whole(terms)` if it is the network's turn; returns whether all values were finite."""
        network, optimizer = getattr(self, name), getattr(self, f"{name}_optimizer")

        def learn(also=True) -> tuple[tf.Tensor, Logs]:
            terms: Logs = {}
            total = whole(terms)
            gradients = self.gradients(network, tape, total)
            return self.update(network, optimizer, total, gradients, terms, name, also), terms

        def rest() -> tuple[tf.Tensor, Logs]:
            terms = {each: tf.constant(0.0) for each in [*unknown, f"{name}_gradient_norm"]}
            terms[f"{name}_learning_rate"] = current_rate(optimizer)
            return tf.math.is_finite(loss), terms

        if not may_rest or distribution.replicas() > 1:
            # Communication between replicas (the mean of the gradients) must not be inside a condition.
            finite, terms = learn(turn)
        else:
            finite, terms = tf.cond(turn, learn, rest)
        logs |= terms
        return finite

    def penalty_terms(self, views, logs: Logs) -> tf.Tensor:
        """Weighted sum of the penalties on the discriminator's gradients."""
        total = tf.constant(0.0)
        for term in self.penalties:
            judge = lambda pictures: self._judge(self.discriminator, pictures)  # noqa: E731
            total += weigh(term, term.loss(judge, *views), self.stage_step, logs)
        return total

    def _judge(self, judge, pictures):
        """Logits without changing the discriminator's state: no dropout, no power iteration, no running statistics."""
        outputs, _ = self._look(judge, pictures)
        return outputs[0] if len(outputs) == 1 else outputs

    def _look(self, judge, pictures, state: Sequence[tf.Tensor] = ()) -> tuple[list, Sequence[tf.Tensor]]:
        """All outputs of `judge`, which keeps its state (or starts from `state`), and the state after an update."""
        if self._uses_batch_statistics:
            return with_next_state(judge, pictures, state)
        return as_list(judge(pictures, training=False)), ()

    def _view(self, pictures, lr):
        """The discriminator's input: the pictures, with noise, and the enlarged LR picture if it is conditional."""
        if self.balance.instance_noise is not None:
            deviation = self.balance.instance_noise(self.stage_step)
            shape = tf.shape(pictures)
            pictures += deviation * distribution.own_part(
                lambda count: keras.random.normal(tf.concat([[count], shape[1:]], 0), seed=self.seed_generator),
                shape[0],
            )
        if self.discriminator.conditional:
            enlarged = tf.image.resize(lr, tf.shape(pictures)[1:3], method="bilinear")
            pictures = tf.concat([pictures, enlarged], axis=-1)  # (N, H, W, 6)
        return pictures

    def historical_term(self, name: str, logs: Logs) -> tf.Tensor:
        if name not in self.histories:
            return tf.constant(0.0)
        term = constant(f"{name}_history", None, self.balance.historical_averaging)
        return weigh(term, self.histories[name].penalty(), self.stage_step, logs)

    def get_config(self) -> dict:
        discriminator = keras.saving.serialize_keras_object(self.discriminator)
        return super().get_config() | {"discriminator": discriminator, "seed": self.seed}

    def compile_from_config(self, config: dict | None) -> None:
        super().compile_from_config(config and in_present_names(config))

    def training_state(self) -> dict[str, keras.Variable]:
        if not self.compiled:
            return {}
        parts = {"turns": self.turns.variables}
        parts |= {f"{name}_history": history.variables for name, history in self.histories.items()}
        return {f"{part}_{place}": item for part, items in parts.items() for place, item in enumerate(items)}

    def state(self) -> dict[str, list]:
        return super().state() | {
            "discriminator": self.discriminator.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
            "seeds": [self.seed_generator.state],
            "turns": self.turns.variables,
            "replay": [] if self.replay is None else self.replay.variables,
            "histories": [variable for history in self.histories.values() for variable in history.variables],
        }
