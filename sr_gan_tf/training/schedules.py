"""Schedules over the steps of a stage, by name: of learning rates and of the weights of losses."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.parts import Catalog
from sr_gan_tf.training.terms import Weight


@keras.saving.register_keras_serializable("sr_gan_tf")
class CosineDecay(keras.optimizers.schedules.CosineDecay):
    """Keras's cosine decay that can also begin in the middle, for a long schedule over several runs.

    Args:
        initial_learning_rate: the first learning rate.
        decay_steps: steps from the highest learning rate to the lowest.
        alpha: the lowest learning rate, as a fraction of the highest.
        warmup_target: the highest learning rate, at the end of the warmup.
        warmup_steps: number of warmup steps.
        first_step: steps of this schedule that earlier runs have completed.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
        first_step: int = 0,
    ):
        if first_step < 0:
            raise ValueError(f"first_step: {first_step} is too small; expected 0 or more")
        super().__init__(
            initial_learning_rate, decay_steps, alpha, warmup_target=warmup_target, warmup_steps=warmup_steps
        )
        self.first_step = first_step

    def __call__(self, step):
        return super().__call__(step + self.first_step)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("name")
        return {**config, "first_step": self.first_step}


SCHEDULES = Catalog(
    "schedule",
    {
        "CosineDecay": CosineDecay,
        "CosineDecayRestarts": keras.optimizers.schedules.CosineDecayRestarts,
        "ExponentialDecay": keras.optimizers.schedules.ExponentialDecay,
        "InverseTimeDecay": keras.optimizers.schedules.InverseTimeDecay,
        "PiecewiseConstantDecay": keras.optimizers.schedules.PiecewiseConstantDecay,
        "PolynomialDecay": keras.optimizers.schedules.PolynomialDecay,
    },
    (keras.optimizers.schedules.LearningRateSchedule,),
)


def is_number(value: Any) -> bool:
    """Whether it is an int or a float, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_types(constructor: Any, config: Mapping[str, Any], where: str) -> None:
    """Checks the arguments of Keras's schedules, which have no annotations.

    Raises:
        InputError: an argument is no number, no list of numbers, or neither true nor false, as it should be.
    """
    for name, parameter in inspect.signature(constructor).parameters.items():
        if name not in config or parameter.annotation is not parameter.empty:
            continue
        value = config[name]
        if name in ("boundaries", "values"):
            is_right, expected = isinstance(value, list) and all(map(is_number, value)), "a list of numbers"
        elif isinstance(parameter.default, bool):
            is_right, expected = isinstance(value, bool), "true or false"
        else:
            is_right, expected = is_number(value), "a number"
        if not is_right:
            raise InputError(f"{where}.{name}: expected {expected}, found {value!r}")


def check_values(schedule: Callable, spec: Spec, where: str, steps: int | None) -> None:
    """Checks that a schedule is finite and not negative at its boundaries, those of the stage, and in between."""
    for mark in marks_of(spec, steps):
        value = float(schedule(int(mark)))
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{where}: is {value:g} at step {mark:,}; expected 0 or more at every step")


def marks_of(spec: Spec, steps: int | None) -> list[int]:
    """Steps at which a schedule is looked at: its boundaries, those of the stage, and steps in between."""
    numbers = [value for key, value in spec.config.items() if "steps" in key and is_number(value)]
    marks = {0, 1, *numbers, sum(numbers), *spec.config.get("boundaries", ()), (steps or 1) - 1}
    return sorted(marks | {mark + 1 for mark in marks} | {round(max(marks) * share / 16) for share in range(17)})


def named_schedule(spec: Spec, where: str) -> keras.optimizers.schedules.LearningRateSchedule:
    """Builds the named schedule and checks the arguments that Keras does not check."""
    if "name" in spec.config:
        raise InputError(f"{where}.config.name: has no effect, because it is never shown; remove it")
    for key, value in spec.config.items():
        if key in ("decay_steps", "first_decay_steps") and not (is_number(value) and value >= 1):
            raise InputError(f"{where}.config.{key}: expected a number of steps from 1, found {value!r}")
    if spec.class_name in SCHEDULES:
        _check_types(SCHEDULES[spec.class_name], spec.config, f"{where}.config")
    boundaries = spec.config.get("boundaries")
    if boundaries is not None and (sorted(set(boundaries)) != boundaries or any(step < 0 for step in boundaries)):
        raise InputError(f"{where}.config.boundaries: expected increasing steps from 0, found {boundaries!r}")
    if ("warmup_target" in spec.config) != bool(spec.config.get("warmup_steps")):
        raise InputError(f"{where}.config: warmup_steps and warmup_target have no effect without each other; set both")
    return build(spec, SCHEDULES, where)


def build_schedule(value: float | Spec, where: str, steps: int | None = None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Maps the step to a float32 weight: constant for a number, otherwise the named schedule.

    Raises:
        InputError: a weight is negative or not finite.
    """
    if isinstance(value, Spec):
        schedule = named_schedule(value, where)
        check_values(schedule, value, where, steps)
        return Weight(schedule)
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: expected 0 or more, found {value!r}")
    return Weight(value)


@keras.saving.register_keras_serializable("sr_gan_tf")
class ByStageStep(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule over the steps of the stage, independent of the optimizer's count.

    A discriminator that is updated twice per step, every other step, or not at all for some time has the learning rate
    of the stage's step.

    Args:
        schedule: step to learning rate.
        step: the trainer's counter of the stage's steps.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, step: keras.Variable):
        self.schedule = schedule
        self.step = step

    def __call__(self, iterations):
        return self.schedule(tf.convert_to_tensor(self.step))

    def get_config(self) -> dict:
        return {"schedule": keras.optimizers.schedules.serialize(self.schedule)}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """The wrapped schedule, because there is no step yet when it is loaded."""
        return keras.optimizers.schedules.deserialize(config["schedule"], custom_objects)
