"""Optimizers and schedules by name: a learning rate or a loss weight is a number or a schedule over the steps."""

from collections.abc import Callable

import keras
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError

OPTIMIZERS = {
    "Adam": keras.optimizers.Adam,
    "AdamW": keras.optimizers.AdamW,
    "Adamax": keras.optimizers.Adamax,
    "Lion": keras.optimizers.Lion,
    "Nadam": keras.optimizers.Nadam,
    "RMSprop": keras.optimizers.RMSprop,
    "SGD": keras.optimizers.SGD,
}

SCHEDULES = {
    "CosineDecay": keras.optimizers.schedules.CosineDecay,
    "CosineDecayRestarts": keras.optimizers.schedules.CosineDecayRestarts,
    "ExponentialDecay": keras.optimizers.schedules.ExponentialDecay,
    "InverseTimeDecay": keras.optimizers.schedules.InverseTimeDecay,
    "PiecewiseConstantDecay": keras.optimizers.schedules.PiecewiseConstantDecay,
    "PolynomialDecay": keras.optimizers.schedules.PolynomialDecay,
}


def build_optimizer(spec: Spec, where: str) -> keras.optimizers.Optimizer:
    """A Keras optimizer whose `learning_rate` may be a number or `{"class_name": ..., "config": ...}`.

    Raises:
        InputError: for unknown names or arguments, and learning rates that are not positive.
    """
    config = dict(spec.config)
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        config["learning_rate"] = build(_as_spec(rate, f"{where}.config.learning_rate"), SCHEDULES, where)
    elif rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate <= 0):
        raise InputError(f"{where}.config.learning_rate: expected a positive number or a schedule, found {rate!r}")
    return _build_plain(Spec(spec.class_name, config), where)


def build_schedule(value: float | Spec, where: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Step to float32 weight: constant for a number, else the named schedule."""
    if isinstance(value, Spec):
        schedule = build(value, SCHEDULES, where)
        return lambda step: tf.cast(schedule(step), tf.float32)
    return lambda step: tf.constant(value, tf.float32)


def current_rate(optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """The learning rate of the coming update, schedule included."""
    return tf.cast(tf.convert_to_tensor(optimizer.learning_rate), tf.float32)


def _as_spec(raw: dict, where: str) -> Spec:
    try:
        return Spec(**raw)
    except (TypeError, ValueError) as error:
        raise InputError(f'{where}: expected {{"class_name": ..., "config": {{...}}}}, found {raw!r}') from error


def _build_plain(spec: Spec, where: str) -> keras.optimizers.Optimizer:
    """`build` checks JSON values; a schedule that is built already travels beside them."""
    schedule = spec.config.get("learning_rate")
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return build(spec, OPTIMIZERS, where)
    optimizer = build(
        Spec(spec.class_name, {k: v for k, v in spec.config.items() if k != "learning_rate"}), OPTIMIZERS, where
    )
    return type(optimizer).from_config(
        optimizer.get_config() | {"learning_rate": keras.optimizers.schedules.serialize(schedule)}
    )
