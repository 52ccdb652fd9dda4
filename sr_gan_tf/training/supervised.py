"""Supervised: trains a generator by content losses alone, keeping the exponential average of its weights.

The first stage of SRGAN (Ledig et al. 2017, arXiv:1609.04802, section 3.2: SRResNet before SRGAN).
"""

import contextlib
import time
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.layers.spectral_norm import advance_power_iterations
from sr_gan_tf.losses.trunk_loss import content_values
from sr_gan_tf.networks import Generator
from sr_gan_tf.training.optimizers import current_rate, follow
from sr_gan_tf.training.terms import Logs, WeightedLoss, weigh


class Supervised(keras.Model):
    """Trains on batches (lr, hr), float32 in [0, 1]; `predict` answers with the averaged generator.

    Args:
        generator: the network to train.
        average: the network that holds the exponential moving average of the generator's weights (Keras layers'
            statistics are copied); a copy is made where none is given.
        ema_decay: decay of the average a step, approached from below: min(ema_decay, (1 + t) / (10 + t)).

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> from sr_gan_tf.generators import GENERATORS
        >>> from sr_gan_tf.losses import MeanAbsoluteError
        >>> from sr_gan_tf.training.supervised import Supervised
        >>> from sr_gan_tf.training.terms import constant
        >>> generator = GENERATORS["Compact"](scale=2, filters=8, num_convs=2)
        >>> trainer = Supervised(generator)
        >>> trainer.compile(keras.optimizers.Adam(1e-3), [constant("l1", MeanAbsoluteError(), 1.0)])
        >>> batches = tf.data.Dataset.from_tensors((tf.zeros((2, 8, 8, 3)), tf.zeros((2, 16, 16, 3))))
        >>> history = trainer.fit(batches, shuffle=False, verbose=0).history
        >>> len(history["generator_loss"])
        1
    """

    def __init__(
        self, generator: Generator, average: Generator | None = None, ema_decay: float = 0.999, name: str = "supervised"
    ):
        super().__init__(name=name)
        self.generator = generator
        self.average = average or generator.copy()
        self.average.trainable = False
        self.ema_decay = ema_decay
        self._shown: Generator | None = None
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
        generator_optimizer: keras.optimizers.Optimizer,
        content: Sequence[WeightedLoss],
        jit_compile: bool | str = "auto",
    ):
        """Sets what a step minimizes, and with which optimizer.

        Args:
            generator_optimizer: any Keras optimizer; gradient clipping and schedules live in it.
            content: weighted losses between hr and sr.
            jit_compile: XLA on or off; `"auto"` is on for a GPU and off for a CPU, where oneDNN is faster.
        """
        if jit_compile == "auto":
            jit_compile = bool(tf.config.list_physical_devices("GPU"))
        # Without optimizer=None Keras makes a hidden RMSprop.
        super().compile(optimizer=None, jit_compile=jit_compile)
        self.generator_optimizer = generator_optimizer
        self.content = list(content)
        # Slots must exist before a checkpoint loads into them.
        generator_optimizer.build(self.generator.trainable_variables)
        follow(generator_optimizer, self.stage_step)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: all parts are built. Keras's own averages a batch of pictures over the replicas first."""

    def make_train_function(self, force: bool = False):
        """Keras's own, with the time that the step waited for its batch among the logs (`data_wait`, seconds)."""
        if getattr(self, "train_function", None) is not None and not force:
            return
        strategy = self.distribute_strategy

        @tf.autograph.experimental.do_not_convert
        def step_on_data(data):
            logs = strategy.run(lambda batch: distribution.mean(self.train_step(batch)), args=(data,))
            return {name: strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        if not self.run_eagerly:
            step_on_data = tf.function(step_on_data, jit_compile=self.jit_compile, reduce_retracing=True)

        def step_on_iterator(iterator):
            # The batch is fetched outside the graph: a clock inside it is refused where runs must be deterministic.
            begin = time.perf_counter()
            data = next(iterator)
            waited = time.perf_counter() - begin
            return step_on_data(data) | {"data_wait": waited}

        self.train_function = step_on_iterator

    def train_step(self, data) -> Logs:
        lr, hr = data
        logs: Logs = {}
        with self.recording(self.generator) as tape:
            sr = self.generator(lr, training=True)
            loss = self.content_loss(hr, sr, lr, logs)
        logs["generator_loss"] = loss
        finite = self.update(self.generator, self.generator_optimizer, tape, loss, logs, "generator")
        self.end_step(finite, logs)
        return logs

    @contextlib.contextmanager
    def recording(self, network) -> Iterator[tf.GradientTape]:
        """A tape for the gradients of a network's weights."""
        with tf.GradientTape() as tape:
            self._watch(tape, network)
            yield tape

    @staticmethod
    def _watch(tape: tf.GradientTape, network) -> None:
        """Under a distribution, a replica's own copies of the weights are not watched of themselves."""
        for variable in network.trainable_variables:
            tape.watch(variable.value)

    def content_loss(self, hr, sr, lr, logs: Logs) -> tf.Tensor:
        """Weighted sum of the content terms; those on one VGG trunk share its passes."""
        losses = [term.loss for term in self.content]
        compared = any(getattr(loss, "needs_average", False) for loss in losses)
        average = tf.stop_gradient(self.average(lr, training=False)) if compared else None
        values = content_values(losses, hr, sr, lr, average)
        pairs = zip(self.content, values, strict=True)
        terms = [weigh(term, value, self.stage_step, logs) for term, value in pairs]
        return tf.add_n(terms) if terms else tf.constant(0.0)

    def update(self, network, optimizer, tape, loss, logs: Logs, name: str, also=True) -> tf.Tensor:
        """One optimizer step, left out where loss or gradients are not finite or `also` is False.

        Returns:
            Whether loss and gradients were finite (a deliberate rest by `also` does not count as a fault).
        """
        variables = network.trainable_variables
        gradients = tape.gradient(
            loss, [variable.value for variable in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        loss, gradients = distribution.mean((loss, gradients))
        norm = tf.linalg.global_norm(gradients)
        logs[f"{name}_gradient_norm"] = norm
        logs[f"{name}_learning_rate"] = current_rate(optimizer)
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

        def apply():
            optimizer.apply(gradients, variables)
            # Spectral norms follow their kernels: once an update, never in the generator's loss or in inference.
            advance_power_iterations(network)
            return tf.constant(True)

        tf.cond(finite & also, apply, lambda: tf.constant(False))
        return finite

    def end_step(self, finite, logs: Logs) -> None:
        """Moves the average along and counts the step, and the faulty ones."""
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
        """The averaged generator as validation and files use it: outside of any distribution of the training."""
        if self._distribute_strategy is None:
            return self.average
        if self._shown is None:
            self._shown = self.average.copy()
        self._shown.set_weights(self.average.get_weights())
        return self._shown

    def state(self) -> dict[str, list]:
        """Every variable that a resumed run needs, by part."""
        return {
            "generator": self.generator.variables,
            "average": self.average.variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "counters": [self.stage_step, self.total_step, self.skipped_steps, self.skipped_in_a_row],
        }
