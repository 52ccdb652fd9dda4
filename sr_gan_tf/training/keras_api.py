"""KerasTrainer: what Keras's `fit`, `evaluate`, callbacks and file format expect of a model, around any train step.

A subclass defines `train_step` and `test_step`, which return the logs of one batch, and calls `prepare` from its
`compile`. The means over an epoch, the timing of the input, saving and the refusals of what cannot work are here.
docs/keras.md lists Keras's calls one by one.
"""

import inspect
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.training.batches import EpochMeans, count_of
from sr_gan_tf.training.compiling import metrics_of
from sr_gan_tf.training.terms import Logs


class KerasTrainer(keras.Model):
    """A model with train and test steps of its own; abstract.

    Attributes:
        optimizer: the generator's, or an `OptimizerPair`: what Keras's callbacks read and change.
    """

    def prepare(
        self,
        optimizers: Sequence[keras.optimizers.Optimizer],
        arguments: dict[str, Any],
        metrics: Sequence | None,
        jit_compile: bool | str,
        steps_per_execution: int,
        run_eagerly: bool,
    ) -> None:
        """Keras's part of `compile`.

        Args:
            optimizers: the generator's, and the discriminator's if there is one.
            arguments: the other ones of `compile`, to be saved with the model.
            metrics: objects, and names of Keras's and ours.
            jit_compile: XLA on or off; `"auto"` is on for a GPU and off for a CPU, where oneDNN is faster.
            steps_per_execution: steps between two calls of the callbacks.
            run_eagerly: run the steps without a graph, for a debugger.

        Raises:
            ValueError: under the policy mixed_float16, whose gradients would need a scaled loss.
        """
        if keras.config.dtype_policy().name == "mixed_float16":
            raise ValueError(
                f"{type(self).__name__}.compile: mixed_float16 needs a scaled loss, which two optimizers cannot share; "
                'use keras.config.set_dtype_policy("mixed_bfloat16")'
            )
        if jit_compile == "auto":
            jit_compile = bool(tf.config.list_physical_devices("GPU")) and not run_eagerly
        metrics = metrics_of(metrics, self.generator.scale)
        for term in arguments["content"]:
            if hasattr(term.loss, "attach"):
                term.loss.attach(self.generator)
        # Without optimizer=None Keras makes a hidden RMSprop.
        super().compile(
            optimizer=None,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        # Keras's tracker of a loss that it computes itself; it would report 0.
        self._loss_tracker = None
        self.optimizer = optimizers[0] if len(optimizers) == 1 else OptimizerPair(*optimizers)
        self._compile_arguments = arguments | {
            "metrics": metrics,
            "jit_compile": self.jit_compile,
            "steps_per_execution": steps_per_execution,
            "run_eagerly": run_eagerly,
        }
        self._epoch_means = EpochMeans()

    def fit(self, *args, **kwargs):
        """Keras's `fit` on batches (lr, hr); see `keras.Model.fit` for the arguments.

        Returns:
            Keras's `History`: `loss` (the generator's), each term, gradient norms, learning rates and counters, as
            means over the epoch; with `validation_data`, the content terms and metrics as `val_...`.

        Raises:
            ValueError: for sample or class weights, steps that `steps_per_execution` doesn't divide, or the callback
                `SwapEMAWeights`.
        """
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        steps, together = given.get("steps_per_epoch"), getattr(self, "steps_per_execution", 1)
        if steps is not None and steps % together:
            raise ValueError(
                f"{type(self).__name__}.fit: steps_per_epoch={steps} is no multiple of steps_per_execution={together}; "
                "Keras would run more steps than asked for"
            )
        if any(isinstance(each, keras.callbacks.SwapEMAWeights) for each in _listed(given.get("callbacks"))):
            raise ValueError(
                f"{type(self).__name__}.fit: SwapEMAWeights has no effect, since validation and predict use the "
                "averaged generator anyway; remove it"
            )
        if given.get("x") is not None and not hasattr(given["x"], "__array__"):
            given.setdefault("shuffle", False)  # Keras warns about its own default
        return super().fit(**given)

    def make_train_function(self, force: bool = False) -> None:
        """Keras's own, with the time that the step waited for its batch among the logs (`data_wait`, seconds)."""
        if getattr(self, "train_function", None) is None or force:
            self.train_function = self._on_iterator(self.train_step, self.jit_compile)

    def make_test_function(self, force: bool = False) -> None:
        """Without XLA, which would compile anew for each size of picture."""
        if getattr(self, "test_function", None) is None or force:
            self.test_function = self._on_iterator(self.test_step, jit_compile=False)

    def _on_iterator(self, step: Callable[[Any], Logs], jit_compile: bool) -> Callable[[Iterator], Logs]:
        """Runs `step` on the next batches of an iterator."""
        strategy = self.distribute_strategy

        @tf.autograph.experimental.do_not_convert
        def on_data(data):
            logs = strategy.run(lambda batch: distribution.mean(step(batch)), args=(data,))
            return {name: strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        if not self.run_eagerly:
            on_data = tf.function(on_data, jit_compile=jit_compile, reduce_retracing=True)

        def on_iterator(iterator: Iterator) -> Logs:
            # The batch is fetched outside the graph: a clock inside it is refused where runs must be deterministic.
            waited = 0.0
            for number in range(self.steps_per_execution):
                begin = time.perf_counter()
                try:
                    data = next(iterator)
                except (StopIteration, tf.errors.OutOfRangeError):
                    if number == 0:
                        raise
                    break
                waited += time.perf_counter() - begin
                logs = on_data(data)
                self._epoch_means.add(logs, count_of(data))
            return logs | {"data_wait": waited}

        return on_iterator

    def observe(self, hr: tf.Tensor, sr: tf.Tensor, logs: Logs) -> None:
        """Updates the compiled metrics, and writes their present values into the logs."""
        if self._compile_metrics is not None:
            logs |= self.compute_metrics(None, hr, sr)

    def reset_metrics(self) -> None:
        super().reset_metrics()
        if self.compiled:
            self._epoch_means = EpochMeans()

    def _get_metrics_result_or_logs(self, logs: Logs) -> Logs:
        """What `fit` and `evaluate` report at the end of an epoch: means, not the last batch's values."""
        if not self._epoch_means.names:
            raise ValueError(f"{type(self).__name__}: the data hold no batch; give at least one batch (lr, hr)")
        return logs | self._epoch_means.result() | self.get_metrics_result()

    def export(self, filepath, format="tf_saved_model", **arguments) -> None:
        """Exports the averaged generator as Keras does; `sr_gan_tf.export` writes more forms, with a card."""
        self.average.for_inference().export(filepath, format, **arguments)

    def _flatten_metrics_in_order(self, logs: Logs) -> list | float:
        """What `evaluate` and `train_on_batch` return without `return_dict`: loss, metrics, then the other values."""
        metrics = self._compile_metrics.metrics if self._compile_metrics is not None else []
        first = [name for name in ("loss", *(metric.name for metric in metrics)) if name in logs]
        values = [logs[name] for name in (*first, *(name for name in logs if name not in first))]
        return values[0] if len(values) == 1 else values

    def state_beside_layers(self) -> dict[str, keras.Variable]:
        """Variables by name that belong to no layer, but to the training: files hold them, too."""
        return {}

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        for name, variable in self.state_beside_layers().items():
            store[name] = variable

    def load_own_variables(self, store) -> None:
        """A file of other settings, or of an earlier version, lacks some of them: they keep their first values."""
        stored = {name: store[name] for name in list(store.keys())}
        super().load_own_variables({name: value for name, value in stored.items() if name.isdigit()})
        for name, variable in self.state_beside_layers().items():
            if name in stored:
                variable.assign(stored[name])

    def replace_layer(self, name: str, layer: keras.layers.Layer | None) -> None:
        """Sets an attribute; Keras would keep the layer that it held before among the model's layers."""
        before = getattr(self, name, None)
        if before is not None:
            self._tracker.untrack(before)
        setattr(self, name, layer)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None) -> None:
        """Nothing: all parts are built. Keras's own averages a batch of pictures over the replicas first."""

    def get_compile_config(self) -> dict | None:
        """The arguments of `compile`, for the `.keras` file; None, with a warning, where one cannot be saved."""
        if not self.compiled:
            return None
        try:
            return {name: keras.saving.serialize_keras_object(value) for name, value in self._compile_arguments.items()}
        except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
            warnings.warn(
                f"{type(self).__name__} is saved without the arguments of compile(), since one of them cannot be "
                f"({error}); call compile() again after loading",
                stacklevel=2,
            )
            return None

    def compile_from_config(self, config: dict | None) -> None:
        if config:
            self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "KerasTrainer":
        parts = {"generator", "discriminator"} & config.keys()
        networks = {part: keras.saving.deserialize_keras_object(config[part], custom_objects) for part in parts}
        return cls(**config | networks)


class OptimizerPair:
    """The generator's and the discriminator's optimizer, as Keras's callbacks of learning rates know several.

    `LearningRateScheduler` and `ReduceLROnPlateau` change the rates of all `optimizers`.
    """

    def __init__(self, generator: keras.optimizers.Optimizer, discriminator: keras.optimizers.Optimizer):
        self.optimizers = [generator, discriminator]
        self.built = True  # by `compile`
        self.name = generator.name

    @property
    def iterations(self):
        """The generator's updates."""
        return self.optimizers[0].iterations

    @property
    def learning_rate(self):
        """The generator's rate; to set it sets both."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate = rate

    def get_config(self) -> dict:
        """The settings of both, for trackers; `compile` takes the two optimizers, not this."""
        return {
            part: item.get_config() for part, item in zip(("generator", "discriminator"), self.optimizers, strict=True)
        }

    @property
    def variables(self) -> list:
        """Both optimizers' state."""
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]


def _listed(callbacks: Any) -> list:
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
