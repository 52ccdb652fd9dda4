"""Optimizers and schedules by name: a learning rate or a loss weight is a number or a schedule over the steps."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.parts import Catalogue
from sr_gan_tf.training.adam import Adam
from sr_gan_tf.training.muon import Muon
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


OPTIMIZERS = Catalogue(
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

SCHEDULES = Catalogue(
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
        schedule = config["learning_rate"] = _build_schedule(_as_spec(rate, place), place)
        _check_rates(schedule, _as_spec(rate, place), place, steps)
    elif isinstance(rate, int):
        config["learning_rate"] = float(rate)
    optimizer = _build_plain(Spec(spec.class_name, config), where)
    _check_decay(optimizer, where, steps)
    return optimizer


def _check_decay(optimizer: keras.optimizers.Optimizer, where: str, steps: int | None) -> None:
    """Weights shrink by learning rate * weight decay per step, which must leave something of them."""
    decay, rate = optimizer.weight_decay, optimizer._learning_rate
    if not decay:
        return
    schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
    marks = range(0, steps or 1000, max(1, (steps or 1000) // 100))
    highest = max(float(rate(step)) for step in marks) if schedule else float(rate)
    if highest * decay > 1 - 1e-6:
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
    if name in (*_ABOVE_ZERO, *_BELOW_ONE, "weight_decay") and not _is_number(value):
        expected = "a number"
    elif name in _ABOVE_ZERO and value <= 0:
        expected = "a number above 0"
    elif name in _BELOW_ONE and not 0 <= value < 1:
        expected = "a number from 0 to below 1"
    elif name == "weight_decay" and value < 0:
        expected = "a number from 0"
    elif name == "gradient_accumulation_steps" and (not isinstance(value, int) or value < 2):
        expected = "a whole number from 2"
    if expected:
        schedule = " or a schedule" if name == "learning_rate" else ""
        raise InputError(f"{where}: expected {expected}{schedule}, found {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_rates(schedule: Callable, spec: Spec, where: str, steps: int | None) -> None:
    """Checks that a learning rate is never negative, and still above 0 near the end of the stage."""
    _check_values(schedule, spec, where, steps)
    late = steps - 1 - steps // 50 if steps else 0
    if steps and float(schedule(late)) <= 0:
        raise InputError(
            f"{where}: is 0 at step {late:,} of the stage's {steps:,}, so nothing is learned after it; let "
            "the schedule end with the stage or above 0, or train fewer steps"
        )


def _check_values(schedule: Callable, spec: Spec, where: str, steps: int | None) -> None:
    """Checks that a schedule is finite and not negative at its boundaries, those of the stage, and in between."""
    numbers = [value for key, value in spec.config.items() if "steps" in key and _is_number(value)]
    marks = {0, 1, *numbers, sum(numbers), *spec.config.get("boundaries", ()), (steps or 1) - 1}
    marks |= {mark + 1 for mark in marks} | {round(max(marks) * share / 16) for share in range(17)}
    for mark in sorted(marks):
        value = float(schedule(int(mark)))
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{where}: is {value:g} at step {mark:,}; expected 0 or more at every step")


def _build_schedule(spec: Spec, where: str) -> keras.optimizers.schedules.LearningRateSchedule:
    """Builds the named schedule and checks the arguments that Keras does not check."""
    if "name" in spec.config:
        raise InputError(f"{where}.config.name: has no effect, because it is never shown; remove it")
    for key, value in spec.config.items():
        if key in ("decay_steps", "first_decay_steps") and not (_is_number(value) and value >= 1):
            raise InputError(f"{where}.config.{key}: expected a number of steps from 1, found {value!r}")
    boundaries = spec.config.get("boundaries")
    if isinstance(boundaries, list):
        increasing = all(_is_number(step) for step in boundaries) and sorted(set(boundaries)) == boundaries
        if not increasing or any(step < 0 for step in boundaries):
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
        schedule = _build_schedule(value, where)
        _check_values(schedule, value, where, steps)
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
