"""Optimizers and schedules by name: a learning rate or a loss weight is a number or a schedule over the steps."""

from collections.abc import Callable

import keras
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.parts import Catalogue


@keras.saving.register_keras_serializable("sr_gan_tf")
class Adam(keras.optimizers.Adam):
    """Keras's Adam, whose update of a variable is one operation where the variable is a plain float32 one.

    Keras's own is some fifteen passes over all weights, of which a discriminator with dense layers has many.
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        handles = [_handle(each) for each in (variable, self._momentums[index], self._velocities[index])]
        if self.amsgrad or None in handles:
            super().update_step(gradient, variable, learning_rate)
            return
        weight, first, second = handles
        step = tf.cast(tf.convert_to_tensor(self.iterations), tf.float32) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=weight, m=first, v=second, beta1_power=self.beta_1**step, beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, tf.float32), beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )  # fmt: skip


def _handle(variable) -> tf.Tensor | None:
    """What operations on a variable take; None for one that is spread over replicas or not in float32."""
    value = variable.value if isinstance(variable, keras.Variable) else variable
    plain = isinstance(value, tf.Variable) and not isinstance(value, tf.distribute.DistributedValues)
    return value.handle if plain and value.dtype == tf.float32 else None


OPTIMIZERS = Catalogue(
    "optimizer",
    {
        "Adam": Adam,
        "AdamW": keras.optimizers.AdamW,
        "Adamax": keras.optimizers.Adamax,
        "Lion": keras.optimizers.Lion,
        "Nadam": keras.optimizers.Nadam,
        "RMSprop": keras.optimizers.RMSprop,
        "SGD": keras.optimizers.SGD,
    },
    (keras.optimizers.Optimizer,),
)

SCHEDULES = Catalogue(
    "schedule",
    {
        "CosineDecay": keras.optimizers.schedules.CosineDecay,
        "CosineDecayRestarts": keras.optimizers.schedules.CosineDecayRestarts,
        "ExponentialDecay": keras.optimizers.schedules.ExponentialDecay,
        "InverseTimeDecay": keras.optimizers.schedules.InverseTimeDecay,
        "PiecewiseConstantDecay": keras.optimizers.schedules.PiecewiseConstantDecay,
        "PolynomialDecay": keras.optimizers.schedules.PolynomialDecay,
    },
    (keras.optimizers.schedules.LearningRateSchedule,),
)


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


@keras.saving.register_keras_serializable("sr_gan_tf")
class ByStageStep(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule over the stage's steps, whatever its optimizer counts.

    A discriminator that is updated twice per step, every other step, or not at all for a while keeps to the rates of
    the generator's steps.

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
        """The plain schedule: whoever loads it has no step yet."""
        return keras.optimizers.schedules.deserialize(config["schedule"], custom_objects)


def follow(optimizer: keras.optimizers.Optimizer, step: keras.Variable) -> None:
    """Makes a schedule in the optimizer count the stage's steps instead of the optimizer's updates."""
    rate = optimizer._learning_rate
    if isinstance(rate, ByStageStep):
        rate = rate.schedule
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        optimizer._learning_rate = ByStageStep(rate, step)


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
