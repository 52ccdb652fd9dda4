"""Tiny networks for tests of what runs them: every generator, small enough to run in milliseconds."""

import keras
from network_checks import stir

from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.networks import Generator

TINY = {
    "SRResNet": {"filters": 8, "num_blocks": 1, "scale": 2},
    "SmallResidual": {"filters": 8, "num_blocks": 2, "upsampling": "bilinear"},
    "SharedResidual": {"filters": 8, "num_uses": 2, "scale": 2},
    "SPAN": {"filters": 8, "num_blocks": 2, "scale": 3, "input_gain": 20.0, "merged": True},
    "UNet": {"filters": 8, "num_downs": 3, "scale": 2},
    "RRDBNet": {"filters": 8, "num_blocks": 1, "growth": 4, "scale": 2},
    "MSRResNet": {"filters": 8, "num_blocks": 2, "scale": 2},
    "Compact": {"filters": 8, "num_convs": 2, "scale": 4},
}


def tiny_generator(name: str, seed: int = 5, **config) -> Generator:
    """The generator `name` with few filters, its weights moved off their start."""
    keras.utils.set_random_seed(seed)
    return stir(GENERATORS[name](**{**TINY[name], **config}), 0.02)
