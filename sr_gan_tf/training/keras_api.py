"""KerasTrainer: adapts a train step to Keras's `fit`, `evaluate`, callbacks and file format.

A subclass defines `train_step` and `test_step`, which return the logs of one batch, and calls `prepare` from its
`compile`. This class computes means over an epoch, measures the input time, saves, and rejects what cannot work.
docs/keras.md lists all Keras methods and callbacks.
"""

import inspect
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.errors import one_line
from sr_gan_tf.training.batches import EpochMeans, count_of
from sr_gan_tf.training.compiling import as_keras_metrics
from sr_gan_tf.training.optimizers import OptimizerPair
from sr_gan_tf.training.terms import Logs


class KerasTrainer(keras.Model):
    """A model with custom train and test steps; abstract.

    Attributes:
        optimizer: that of the generator, or an `OptimizerPair`; Keras callbacks read and change it.
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
            optimizers: that of the generator, and that of the discriminator if there is one.
            arguments: the other arguments of `compile`, saved with the model.
            metrics: objects, and names of Keras or of this package.
            jit_compile: XLA on or off; `"auto"` is on for a GPU and off for a CPU, where oneDNN is faster.
            steps_per_execution: steps between two calls of the callbacks.
            run_eagerly: run the steps without a graph, for a debugger.

        Raises:
            ValueError: the policy is mixed_float16, whose gradients need a scaled loss.
        """
        if keras.config.dtype_policy().name == "mixed_float16":
            raise ValueError(
                f"{type(self).__name__}.compile: mixed_float16 needs a scaled loss, which two optimizers cannot share; "
                'use keras.config.set_dtype_policy("mixed_bfloat16")'
            )
        if jit_compile == "auto":
            jit_compile = bool(tf.config.list_physical_devices("GPU")) and not run_eagerly
        metrics = as_keras_metrics(metrics, self.generator.scale)
        for term in arguments["content"]:
            if hasattr(term.loss, "attach"):
                term.loss.attach(self.generator)
        # Without optimizer=None, Keras creates a hidden RMSprop.
        super().compile(
            optimizer=None,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        # Keras's tracker for its own loss; it would report 0.
        self._loss_tracker = None
        self.optimizer = optimizers[0] if len(optimizers) == 1 else OptimizerPair(*optimizers)
        self._compile_arguments = arguments | {
            "metrics": metrics,
            "jit_compile": self.jit_compile,
            "steps_per_execution": steps_per_execution,
            "run_eagerly": run_eagerly,
        }
        self._epoch_means = EpochMeans()

    @property
    def compiled(self) -> bool:
        """Whether `compile` has run; Keras says so of every loaded model whose file has arguments of `compile`."""
        return self._says_compiled and hasattr(self, "_compile_arguments")

    @compiled.setter
    def compiled(self, value: bool) -> None:
        self._says_compiled = value

    def fit(self, *args, **kwargs):
        """Keras's `fit` on batches (lr, hr); see `keras.Model.fit` for the arguments.

        Returns:
            Keras's `History`: `loss` (the generator's), each term, gradient norms, learning rates and counters, as
            means over the epoch; with `validation_data`, the content terms and metrics as `val_...`.

        Raises:
            ValueError: sample or class weights, a number of steps that is not a multiple of `steps_per_execution`, or
                the callback `SwapEMAWeights`.
        """
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        if given.get("class_weight") is not None:
            raise ValueError(
                f"{type(self).__name__}.fit: class_weight has no effect, because pictures have no classes; remove it"
            )
        steps, together = given.get("steps_per_epoch"), getattr(self, "steps_per_execution", 1)
        if steps is not None and steps % together:
            raise ValueError(
                f"{type(self).__name__}.fit: steps_per_epoch={steps} is not a multiple of "
                f"steps_per_execution={together}; Keras would run more steps than requested"
            )
        if any(isinstance(each, keras.callbacks.SwapEMAWeights) for each in _listed(given.get("callbacks"))):
            raise ValueError(
                f"{type(self).__name__}.fit: SwapEMAWeights has no effect, because validation and predict already use "
                "the averaged generator; remove it"
            )
        if given.get("x") is not None and not hasattr(given["x"], "__array__"):
            given.setdefault("shuffle", False)  # Keras warns about its own default
        return super().fit(**given)

    def evaluate(self, *args, **kwargs):
        """Keras's `evaluate`; without `return_dict`, the loss and the metrics: `loss, psnr = gan.evaluate(data)`."""
        given = inspect.signature(super().evaluate).bind(*args, **kwargs)
        all_terms = given.arguments.get("return_dict")
        given.arguments["return_dict"] = True
        logs = super().evaluate(*given.args, **given.kwargs)
        return logs if all_terms else self._flatten_metrics_in_order({name: logs[name] for name in self._usual(logs)})

    def make_train_function(self, force: bool = False) -> None:
        """Keras's train function; adds the time that the step waited for its batch to the logs (`data_wait`, s)."""
        if getattr(self, "train_function", None) is None or force:
            self.train_function = self._on_iterator(self.train_step, self.jit_compile)

    def make_test_function(self, force: bool = False) -> None:
        """Keras's test function without XLA, which would compile again for each picture size."""
        if getattr(self, "test_function", None) is None or force:
            self.test_function = self._on_iterator(self.test_step, jit_compile=False)

    def _on_iterator(self, step: Callable[[Any], Logs], jit_compile: bool) -> Callable[[Iterator], Logs]:
        """Runs `step` on the next batches of an iterator."""
        strategy = self.distribute_strategy

        def on_data(data):
            logs = strategy.run(lambda batch: distribution.mean(step(batch)), args=(data,))
            return {name: strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        if not self.run_eagerly:
            on_data = tf.function(on_data, autograph=False, jit_compile=jit_compile, reduce_retracing=True)

        def on_iterator(iterator: Iterator) -> Logs:
            # The batch is fetched outside the graph, because deterministic runs reject a clock inside it.
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
        """Updates the compiled metrics, and writes their current values into the logs."""
        if self._compile_metrics is not None:
            logs |= self.compute_metrics(None, hr, sr)

    def reset_metrics(self) -> None:
        super().reset_metrics()
        if self.compiled:
            self._epoch_means = EpochMeans()

    def _get_metrics_result_or_logs(self, logs: Logs) -> Logs:
        """Values that `fit` and `evaluate` report at the end of an epoch: means, not the values of the last batch."""
        if not self._epoch_means.names:
            raise ValueError(f"{type(self).__name__}: the data contain no batch; pass at least one batch (lr, hr)")
        return logs | self._epoch_means.result() | self.get_metrics_result()

    def export(self, filepath, format="tf_saved_model", **arguments) -> None:
        """Exports the averaged generator as Keras does; `sr_gan_tf.export` writes more forms, with a card."""
        self.average.for_inference().export(filepath, format, **arguments)

    def _flatten_metrics_in_order(self, logs: Logs) -> list | float:
        """Values that `train_on_batch` returns without `return_dict`: loss, metrics, then the others."""
        values = [logs[name] for name in dict.fromkeys((*self._usual(logs), *logs))]
        return values[0] if len(values) == 1 else values

    def _usual(self, logs: Logs) -> list[str]:
        metrics = self._compile_metrics.metrics if self._compile_metrics is not None else []
        return [name for name in ("loss", *(metric.name for metric in metrics)) if name in logs]

    def training_state(self) -> dict[str, keras.Variable]:
        """Variables by name that belong to no layer, but to the training: files hold them, too."""
        return {}

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        for name, variable in self.training_state().items():
            store[name] = variable

    def load_own_variables(self, store) -> None:
        """A file of other settings, or of an earlier version, lacks some of them: they keep their first values."""
        stored = {name: store[name] for name in list(store.keys())}
        super().load_own_variables({name: value for name, value in stored.items() if name.isdigit()})
        for name, variable in self.training_state().items():
            if name in stored:
                variable.assign(stored[name])

    def replace_layer(self, name: str, layer: keras.layers.Layer | None) -> None:
        """Sets an attribute; Keras would keep the layer that it held before among the model's layers."""
        before = getattr(self, name, None)
        if before is not None:
            self._tracker.untrack(before)
        setattr(self, name, layer)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None) -> None:
        """Does nothing, because all parts are built. Keras's version would first average a batch over the replicas."""

    def save(self, filepath, overwrite: bool = True, zipped: bool | None = None, **kwargs) -> None:
        """Keras's `save`, to a `.keras` file."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                f"{type(self).__name__}.save: {filepath}: HDF5 cannot hold two networks and their training; save a "
                ".keras file, or call save_weights('NAME.weights.h5')"
            )
        super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def get_compile_config(self) -> dict | None:
        """The arguments of `compile`, for the `.keras` file; None, with a warning, if one cannot be saved."""
        if not self.compiled:
            return None
        try:
            return {name: keras.saving.serialize_keras_object(value) for name, value in self._compile_arguments.items()}
        except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
            warnings.warn(
                f"{type(self).__name__} is saved without the arguments of compile(), because one of them cannot be "
                f"saved ({error}); call compile() again after loading",
                stacklevel=2,
            )
            return None

    def compile_from_config(self, config: dict | None) -> None:
        if not config:
            return
        try:
            arguments = {name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        except TypeError as error:
            warnings.warn(
                f"{type(self).__name__} is loaded without the arguments of compile(), because one of them cannot be "
                f"found ({_reason(error)}); import what it is made of, with @sr_gan_tf.register above it, before "
                "loading, or call compile() again",
                stacklevel=2,
            )
            return
        self.compile(**arguments)

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "KerasTrainer":
        parts = {"generator", "discriminator"} & config.keys()
        networks = {part: keras.saving.deserialize_keras_object(config[part], custom_objects) for part in parts}
        return cls(**config | networks)


def _reason(error: BaseException) -> str:
    """The sentence of Keras that says what it cannot find; Keras repeats whole configurations around it."""
    found = re.search(r"Could not locate (?:class|function) '[^']*'", str(error))
    return found.group() if found else one_line(error)


def _listed(callbacks: Any) -> list:
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
