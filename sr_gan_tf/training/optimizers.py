"""Optimizers by name; a learning rate is a number or a schedule over the steps."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.parts import Catalog
from sr_gan_tf.training.adam import Adam
from sr_gan_tf.training.muon import Muon
from sr_gan_tf.training.schedules import ByStageStep, check_values, is_number, marks_of, named_schedule

OPTIMIZERS = Catalog(
    "optimizer",
    {
        "Adam": Adam,
        "AdamW": keras.optimizers.AdamW,
        "Adamax": keras.optimizers.Adamax,
        "Lion": keras.optimizers.Lion,
        "Muon": Muon,
        "Nadam": keras.optimizers.Nadam,
        "RMSprop": keras.optimizers.RMSprop,
        "SGD": keras.optimizers.SGD,
    },
    (keras.optimizers.Optimizer,),
)

# Arguments of Keras's optimizers that the train steps do not support: the average is a separate network, gradients
# are not scaled, and the name is never shown.
_NOT_HONORED = {
    "use_ema": "the run keeps its own average: set ema_decay",
    "ema_momentum": "the run keeps its own average: set ema_decay",
    "ema_overwrite_frequency": "the run keeps its own average: set ema_decay",
    "loss_scale_factor": "losses are not scaled",
    "name": "it is never shown",
}
_ABOVE_ZERO = ("learning_rate", "epsilon", "clipnorm", "clipvalue", "global_clipnorm")
_SWITCHES = ("amsgrad", "centered", "nesterov")
_BELOW_ONE = ("beta_1", "beta_2", "rho", "momentum")


def build_optimizer(spec: Spec, where: str, steps: int | None = None) -> keras.optimizers.Optimizer:
    """A Keras optimizer whose `learning_rate` may be a number or `{"class_name": ..., "config": ...}`.

    Args:
        spec: the optimizer's class name and arguments.
        where: its path in the experiment file, for messages.
        steps: steps of the stage, near whose end the learning rate must still be above 0.

    Raises:
        InputError: unknown names or arguments, arguments without effect, or values out of range.
    """
    config = dict(spec.config)
    for name, value in config.items() if spec.class_name in OPTIMIZERS else ():
        _check_argument(name, value, f"{where}.config.{name}")
    if config.get("nesterov") and not config.get("momentum"):
        raise InputError(f"{where}.config.nesterov: has no effect without momentum; remove it, or set momentum")
    together = config.get("gradient_accumulation_steps")
    if together and steps and together > steps:
        raise InputError(
            f"{where}.config.gradient_accumulation_steps: {together} is more than the stage's {steps} steps, so "
            "that nothing is learned; lower it"
        )
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        place = f"{where}.config.learning_rate"
        schedule = config["learning_rate"] = named_schedule(_as_spec(rate, place), place)
        _check_rates(schedule, _as_spec(rate, place), place, steps)
    elif isinstance(rate, int):
        config["learning_rate"] = float(rate)
    optimizer = _build_plain(Spec(spec.class_name, config), where)
    if isinstance(rate, dict):
        marks = [mark for mark in marks_of(_as_spec(rate, place), steps) if not steps or mark < steps]
        _check_decay(optimizer, where, max(float(schedule(mark)) for mark in marks))
    else:
        _check_decay(optimizer, where, float(optimizer._learning_rate))
    return optimizer


def _check_decay(optimizer: keras.optimizers.Optimizer, where: str, highest: float) -> None:
    """Weights shrink by learning rate * weight decay per step, which must leave something at the highest rate."""
    decay = optimizer.weight_decay
    if decay and highest * decay > 1 - 1e-6:
        raise InputError(
            f"{where}.config.weight_decay: {decay:g} times the learning rate {highest:g} sets all weights to 0 in one "
            f"step; expected less than {1 / highest:g}"
        )


def _check_argument(name: str, value: Any, where: str) -> None:
    if name in _NOT_HONORED and value is not None and value is not False:
        raise InputError(f"{where}: has no effect, because {_NOT_HONORED[name]}; remove it")
    if value is None or (name == "learning_rate" and isinstance(value, dict)):
        return
    expected = None
    if name in _SWITCHES and not isinstance(value, bool):
        expected = "true or false"
    elif name in (*_ABOVE_ZERO, *_BELOW_ONE, "weight_decay") and not is_number(value):
        expected = "a number"
    elif name in _ABOVE_ZERO and value <= 0:
        expected = "a number above 0"
    elif name in _BELOW_ONE and not 0 <= value < 1:
        expected = "a number from 0 to below 1"
    elif name in _BELOW_ONE and np.float32(value) == 1:
        expected = "at most 0.9999999, because float32 rounds more to 1"
    elif name == "weight_decay" and value < 0:
        expected = "a number from 0"
    elif name == "gradient_accumulation_steps" and (not isinstance(value, int) or value < 2):
        expected = "a whole number from 2"
    if expected:
        schedule = " or a schedule" if name == "learning_rate" else ""
        raise InputError(f"{where}: expected {expected}{schedule}, found {value!r}")


def _check_rates(schedule: Callable, spec: Spec, where: str, steps: int | None) -> None:
    """Checks that a learning rate is never negative, and still above 0 near the end of the stage."""
    check_values(schedule, spec, where, steps)
    late = steps - 1 - steps // 50 if steps else 0
    if steps and float(schedule(late)) <= 0:
        raise InputError(
            f"{where}: is 0 at step {late:,} of the stage's {steps:,}, so nothing is learned after it; let "
            "the schedule end with the stage or above 0, or train fewer steps"
        )


def follow(optimizer: keras.optimizers.Optimizer, step: keras.Variable) -> None:
    """Makes a schedule in the optimizer count the stage's steps instead of the optimizer's updates."""
    rate = optimizer._learning_rate
    if isinstance(rate, ByStageStep):
        rate = rate.schedule
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        optimizer._learning_rate = ByStageStep(rate, step)


def start(optimizer: keras.optimizers.Optimizer, network: keras.Model, step: keras.Variable) -> None:
    """Prepares an optimizer for a network: creates its slots before a checkpoint is loaded, and binds its schedule.

    Args:
        optimizer: the optimizer to build.
        network: the network whose trainable weights it updates.
        step: the trainer's counter of the stage's steps.
    """
    optimizer.build(network.trainable_variables)
    follow(optimizer, step)


def current_rate(optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """The learning rate of the next update, including the schedule."""
    return tf.cast(tf.convert_to_tensor(optimizer.learning_rate), tf.float32)


class OptimizerPair:
    """The optimizers of generator and discriminator, in a form that Keras's learning rate callbacks accept.

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
        """The settings of both, for trackers; `compile` accepts the two optimizers, not this pair."""
        return {
            part: item.get_config() for part, item in zip(("generator", "discriminator"), self.optimizers, strict=True)
        }

    @property
    def variables(self) -> list:
        """Both optimizers' state."""
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]


def _as_spec(raw: dict, where: str) -> Spec:
    try:
        return Spec(**raw)
    except (TypeError, ValueError) as error:
        raise InputError(f'{where}: expected {{"class_name": ..., "config": {{...}}}}, found {raw!r}') from error


def _build_plain(spec: Spec, where: str) -> keras.optimizers.Optimizer:
    """`build` checks JSON values; a schedule that is already built is passed separately."""
    schedule = spec.config.get("learning_rate")
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return build(spec, OPTIMIZERS, where)
    optimizer = build(
        Spec(spec.class_name, {k: v for k, v in spec.config.items() if k != "learning_rate"}), OPTIMIZERS, where
    )
    return type(optimizer).from_config(
        optimizer.get_config() | {"learning_rate": keras.optimizers.schedules.serialize(schedule)}
    )
