"""Weighted sums of loss terms, with each term's raw and weighted value for the logs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

Logs = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class WeightedLoss:
    """A loss, its weight as a function of the stage's step, and its name in the logs."""

    name: str
    loss: Any
    weight: Callable[[tf.Tensor], tf.Tensor]


def constant(name: str, loss: Any, weight: float = 1.0) -> WeightedLoss:
    """A term whose weight never changes."""
    return WeightedLoss(name, loss, lambda step: tf.constant(weight, tf.float32))


def weigh(term: WeightedLoss, value: tf.Tensor, step: tf.Tensor, logs: Logs) -> tf.Tensor:
    """The weighted term; writes `name` and `name.weighted` into the logs."""
    weighted = term.weight(step) * value
    logs[term.name] = value
    logs[f"{term.name}.weighted"] = weighted
    return weighted
