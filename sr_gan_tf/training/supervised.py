"""Supervised: trains a generator on content losses alone and keeps the exponential average of its weights.

The first stage of SRGAN (Ledig et al. 2017, arXiv:1609.04802, section 3.2: SRResNet before SRGAN).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.arguments import at_least
from sr_gan_tf.generators.wrapped import as_generator
from sr_gan_tf.layers.spectral_norm import advance_power_iterations
from sr_gan_tf.losses.trunk_loss import content_values
from sr_gan_tf.networks import Generator
from sr_gan_tf.training.accumulation import in_parts
from sr_gan_tf.training.batches import pair_of
from sr_gan_tf.training.compiling import content_terms, one_of_two, optimizer_of
from sr_gan_tf.training.keras_api import KerasTrainer
from sr_gan_tf.training.optimizers import current_rate, start
from sr_gan_tf.training.recomputation import recomputed
from sr_gan_tf.training.terms import Logs, weigh


@keras.saving.register_keras_serializable("sr_gan_tf")
class Supervised(KerasTrainer):
    """Trains a generator on batches (lr, hr), float32 in [0, 1].

    `average`, the exponential moving average of the weights, is the generator for use: `predict`, `evaluate` and
    validation run it.

    Args:
        generator: the network to train.
        average: the network for the average (statistics of normalization layers are copied); default: a copy of the
            generator.
        ema_decay: decay of the average per step, approached from below: min(ema_decay, (1 + t) / (10 + t)).

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> from sr_gan_tf.generators import GENERATORS
        >>> from sr_gan_tf.training.supervised import Supervised
        >>> generator = GENERATORS["Compact"](scale=2, filters=8, num_convs=2)
        >>> trainer = Supervised(generator)
        >>> trainer.compile(keras.optimizers.Adam(1e-3), "mae")
        >>> batches = tf.data.Dataset.from_tensors((tf.zeros((2, 8, 8, 3)), tf.zeros((2, 16, 16, 3))))
        >>> history = trainer.fit(batches, verbose=0).history
        >>> len(history["generator_loss"])
        1
    """

    def __init__(
        self,
        generator: Generator | keras.Model,
        average: Generator | None = None,
        ema_decay: float = 0.999,
        name: str = "supervised",
    ):
        super().__init__(name=name)
        self.generator = generator if isinstance(generator, Generator) else as_generator(generator)
        self.average = average or self.generator.copy()
        self.average.trainable = False
        self.ema_decay = ema_decay
        self._shown: Generator | None = None
        self.accumulate = 1
        self._recomputed: Callable[[tf.Tensor], tf.Tensor] | None = None
        # Counters are variables so that they are checkpointed and updated inside the compiled step.
        self.stage_step = self._counter("stage_step")
        self.total_step = self._counter("total_step")
        self.skipped_steps = self._counter("skipped_steps")
        self.skipped_in_a_row = self._counter("skipped_in_a_row")
        self.built = True

    def _counter(self, name: str) -> keras.Variable:
        return self.add_weight(name=name, shape=(), dtype="int64", initializer="zeros", trainable=False)

    def call(self, lr, training=False):
        return self.average(lr, training=False)

    def compile(
        self,
        generator_optimizer=None,
        content=None,
        jit_compile: bool | str = "auto",
        *,
        optimizer=None,
        loss=None,
        metrics: Sequence | None = None,
        steps_per_execution: int = 1,
        run_eagerly: bool = False,
        accumulate: int = 1,
        recompute: bool = False,
    ):
        """Configures training: `compile("adam", "mae", metrics=["psnr_y"])`.

        Args:
            generator_optimizer: a Keras optimizer or its name, including gradient clipping and schedules.
            content: losses between hr and sr: one or a list, from Keras or this package, by name or as objects, or with
                a weight as (loss, weight); see `content_terms`.
            jit_compile: XLA on or off; `"auto"` is on for a GPU and off for a CPU, where oneDNN is faster.
            optimizer: Keras's name of `generator_optimizer`.
            loss: Keras's name of `content`.
            metrics: Keras metrics, by name or as objects, and `"psnr_y"`, `"ssim_y"`, `"psnr_rgb"` ...; on training
                batches they measure the generator, in validation its average.
            steps_per_execution: steps between two calls of the callbacks.
            run_eagerly: run without a graph, for a debugger.
            accumulate: number of equal parts in which a batch passes through the networks, one after another, for one
                update: less memory, the same gradients (batch statistics are those of a part).
            recompute: store only the feature maps between the generator's blocks, and recompute those inside a block
                for its gradients: less memory for one more forward pass.

        Raises:
            ValueError: an argument is none of these.
        """
        optimizer = one_of_two(generator_optimizer, optimizer, ("generator_optimizer", "optimizer"))
        self.generator_optimizer = optimizer_of(optimizer, "optimizer")
        self.content = content_terms(one_of_two(content, loss, ("content", "loss")), "loss")
        if not self.content:
            raise ValueError('Supervised.compile: no loss; pass one, e.g. compile("adam", "mae")')
        self.save_memory(accumulate, recompute)
        start(self.generator_optimizer, self.generator, self.stage_step)
        arguments = {"generator_optimizer": self.generator_optimizer, "content": self.content}
        arguments |= {"accumulate": accumulate, "recompute": recompute}
        self.prepare([self.generator_optimizer], arguments, metrics, jit_compile, steps_per_execution, run_eagerly)

    def save_memory(self, accumulate: int, recompute: bool) -> None:
        """Sets these two arguments of `compile`; ValueError for invalid ones."""
        at_least(1, accumulate=accumulate)
        self.accumulate = accumulate
        self._recomputed = recomputed(self.generator) if recompute else None

    def train_step(self, data) -> Logs:
        lr, hr = pair_of(data, type(self).__name__, self.generator.scale)

        def learn(lr, hr):
            logs: Logs = {}
            with self.recording(self.generator) as tape:
                sr = self.enlarged(lr)
                loss = self.content_loss(hr, sr, lr, logs)
            logs["loss"] = logs["generator_loss"] = loss
            return (logs, self.gradients(self.generator, tape, loss)), sr

        (logs, gradients), sr = in_parts(self.accumulate, learn, lr, hr)
        finite = self.update(self.generator, self.generator_optimizer, logs["loss"], gradients, logs, "generator")
        self.end_step(finite, logs)
        self.observe(hr, sr, logs)
        return logs

    def test_step(self, data) -> Logs:
        """Content terms and metrics of the averaged generator; `loss` is the weighted sum of the terms."""
        lr, hr = pair_of(data, type(self).__name__, self.generator.scale)
        logs: Logs = {}
        sr = self.average(lr, training=False)
        loss = self.content_loss(hr, sr, lr, logs)
        self.observe(hr, sr, logs)
        return {"loss": loss} | logs if self.content else logs

    @contextlib.contextmanager
    def recording(self, network) -> Iterator[tf.GradientTape]:
        """Creates a tape for the gradients of a network's weights."""
        with tf.GradientTape() as tape:
            self.watch(tape, network)
            yield tape

    @staticmethod
    def watch(tape: tf.GradientTape, network) -> None:
        """Watches the weights, because a distribution strategy does not automatically watch a replica's copies."""
        for variable in network.trainable_variables:
            tape.watch(variable.value)

    def content_loss(self, hr, sr, lr, logs: Logs) -> tf.Tensor:
        """Weighted sum of the content terms; terms on the same VGG trunk share its forward pass."""
        losses = [term.loss for term in self.content]
        compared = any(getattr(loss, "needs_average", False) for loss in losses)
        average = tf.stop_gradient(self.average(lr, training=False)) if compared else None
        values = content_values(losses, hr, sr, lr, average)
        pairs = zip(self.content, values, strict=True)
        terms = [weigh(term, value, self.stage_step, logs) for term, value in pairs]
        return tf.add_n(terms) if terms else tf.constant(0.0)

    def enlarged(self, lr) -> tf.Tensor:
        """Output of the generator in training."""
        return self.generator(lr, training=True) if self._recomputed is None else self._recomputed(lr)

    @staticmethod
    def gradients(network, tape: tf.GradientTape, loss) -> list[tf.Tensor]:
        """Gradients of the loss with respect to a network's weights; zeros if it does not depend on a weight."""
        weights = [variable.value for variable in network.trainable_variables]
        return tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def update(self, network, optimizer, loss, gradients, logs: Logs, name: str, also=True) -> tf.Tensor:
        """Takes one optimizer step, unless the loss or a gradient is not finite or `also` is False.

        Returns:
            Whether loss and gradients were finite; a step that `also` skips does not count as non-finite.
        """
        variables = network.trainable_variables
        loss, gradients = distribution.mean((loss, gradients))
        norm = tf.linalg.global_norm(gradients)
        logs[f"{name}_gradient_norm"] = norm
        logs[f"{name}_learning_rate"] = current_rate(optimizer)
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

        def apply():
            optimizer.apply(gradients, variables)
            # Spectral norms follow their kernels: once per update, never in the generator loss or in inference.
            advance_power_iterations(network)
            return tf.constant(True)

        tf.cond(finite & also, apply, lambda: tf.constant(False))
        return finite

    def end_step(self, finite, logs: Logs) -> None:
        """Updates the average, and counts the step and the non-finite ones."""
        decay = self._decay()
        average, current = self.average.variables, self.generator.variables
        trainable = {id(variable) for variable in self.generator.trainable_variables}
        for mean, variable in zip(average, current, strict=True):
            if id(variable) in trainable:
                mean.assign_sub((1 - tf.cast(decay, mean.dtype)) * (mean - variable))
            else:
                mean.assign(variable)
        faulty = tf.cast(tf.logical_not(finite), tf.int64)
        self.skipped_steps.assign_add(faulty)
        self.skipped_in_a_row.assign((self.skipped_in_a_row + faulty) * faulty)
        self.stage_step.assign_add(1)
        self.total_step.assign_add(1)
        logs["skipped_steps"] = tf.cast(self.skipped_steps, tf.float32)
        logs["skipped_in_a_row"] = tf.cast(self.skipped_in_a_row, tf.float32)

    def _decay(self) -> tf.Tensor:
        step = tf.cast(self.total_step, tf.float32)
        return tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))

    def shown(self) -> Generator:
        """The averaged generator for validation and files, outside the distribution strategy of the training."""
        if self._distribute_strategy is None:
            return self.average
        if self._shown is None:
            self._shown = self.average.copy()
        self._shown.set_weights(self.average.get_weights())
        return self._shown

    def get_config(self) -> dict:
        generator = keras.saving.serialize_keras_object(self.generator)
        return {"generator": generator, "ema_decay": self.ema_decay, "name": self.name}

    def state(self) -> dict[str, list]:
        """All variables that a resumed run needs, by part."""
        return {
            "generator": self.generator.variables,
            "average": self.average.variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "counters": [self.stage_step, self.total_step, self.skipped_steps, self.skipped_in_a_row],
        }
