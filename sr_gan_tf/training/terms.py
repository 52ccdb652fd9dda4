"""Weighted sums of loss terms, with each term's raw and weighted value for the logs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

Logs = dict[str, tf.Tensor]


@keras.saving.register_keras_serializable("sr_gan_tf")
@dataclasses.dataclass(frozen=True)
class Weight:
    """A function from the stage's step to a float32 weight: a constant, or a Keras schedule."""

    value: float | LearningRateSchedule

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        if callable(self.value):
            return tf.cast(self.value(step), tf.float32)
        return tf.constant(self.value, tf.float32)

    def get_config(self) -> dict:
        return {"value": keras.saving.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict) -> "Weight":
        return cls(keras.saving.deserialize_keras_object(config["value"]))


@keras.saving.register_keras_serializable("sr_gan_tf")
@dataclasses.dataclass(frozen=True)
class WeightedLoss:
    """A loss, its weight as a function of the stage's step, and its name in the logs."""

    name: str
    loss: Any
    weight: Callable[[tf.Tensor], tf.Tensor]

    def get_config(self) -> dict:
        parts = {"loss": self.loss, "weight": self.weight}
        return {"name": self.name} | {key: keras.saving.serialize_keras_object(part) for key, part in parts.items()}

    @classmethod
    def from_config(cls, config: dict) -> "WeightedLoss":
        return cls(config["name"], *(keras.saving.deserialize_keras_object(config[key]) for key in ("loss", "weight")))


def constant(name: str, loss: Any, weight: float = 1.0) -> WeightedLoss:
    """A term whose weight never changes."""
    return WeightedLoss(name, loss, Weight(weight))


def distinct_names(names: Sequence[str]) -> list[str]:
    """Makes names unique by numbering repetitions: `mae`, `mae_2`."""
    counts = [names[:index].count(name) + 1 for index, name in enumerate(names)]
    return [name if count == 1 else f"{name}_{count}" for name, count in zip(names, counts, strict=True)]


def mean_value(value: tf.Tensor | None, name: str) -> tf.Tensor:
    """What a loss returned as a float32 scalar: the mean, if it returned a value for each picture or pixel."""
    if value is None:
        raise ValueError(f"the loss {name} returned nothing; expected a tensor; end its method with return")
    value = tf.cast(value, tf.float32)
    return value if value.shape.rank == 0 else tf.reduce_mean(value)


def weigh(term: WeightedLoss, value: tf.Tensor, step: tf.Tensor, logs: Logs) -> tf.Tensor:
    """Returns the weighted term; writes `name` and `name.weighted` into the logs."""
    value = mean_value(value, term.name)
    weighted = term.weight(step) * value
    logs[term.name] = value
    logs[f"{term.name}.weighted"] = weighted
    return weighted


def log_names(terms: Sequence[WeightedLoss]) -> list[str]:
    """Names under which `weigh` logs the terms."""
    return [f"{term.name}{suffix}" for term in terms for suffix in ("", ".weighted")]
