"""Balance: what an experiment's `balance` is for `GAN.compile`, with a schedule built from its description.

Salimans et al. 2016 (arXiv:1606.03498) and Shrivastava et al. 2017 (arXiv:1612.07828).
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
@dataclasses.dataclass(frozen=True)
class Balance:
    """Settings that keep the two networks in balance; all are off by default.

    Args:
        discriminator_steps: discriminator updates per step, all on the pictures of the step.
        discriminator_every: update the discriminator only on every n-th step.
        accuracy_bound: skip its updates while it classifies more than this share of the pictures correctly.
        adaptive_d: skip its updates while the moving average of that share is above this.
        discriminator_warm_up: steps at the start of a stage in which only the discriminator trains.
        instance_noise: function from the step to the standard deviation of noise on its inputs, in units of [0, 1].
        replay_buffer: number of generated pictures to keep; half of each batch of fakes is drawn from them.
        historical_averaging: weight of the squared distance of both networks from their average weights.
    """

    discriminator_steps: int = 1
    discriminator_every: int = 1
    accuracy_bound: float | None = None
    adaptive_d: float | None = None
    discriminator_warm_up: int = 0
    instance_noise: Callable[[tf.Tensor], tf.Tensor] | None = None
    replay_buffer: int = 0
    historical_averaging: float = 0.0

    def get_config(self) -> dict:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: keras.saving.serialize_keras_object(value) for name, value in fields.items()}

    @classmethod
    def from_config(cls, config: dict) -> "Balance":
        return cls(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})


# What files of earlier versions call it.
_FORMER_NAMES = ("Stabilizers", "Stabilisers")
keras.saving.get_custom_objects().update({f"sr_gan_tf>{name}": Balance for name in _FORMER_NAMES})


def in_present_names(arguments: dict) -> dict:
    """The arguments of `GAN.compile` in a file, also of an earlier version."""
    former = [name.lower() for name in _FORMER_NAMES]
    return {"balance" if name in former else name: value for name, value in arguments.items()}
