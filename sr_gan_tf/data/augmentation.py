"""Changes of a training pair (lr, hr) that keep it a pair."""

import inspect
from collections.abc import Callable

import numpy as np

from sr_gan_tf import config
from sr_gan_tf.build import build
from sr_gan_tf.data.sampling import Draws

Pair = tuple[np.ndarray, np.ndarray]


class Augmentation:
    """Maps a uint8 pair (lr, hr), (h, w, 3) and (H, W, 3), to another one of the same shapes.

    `draws` gives the sample's random numbers, `partner()` a second pair to mix with.
    """

    def __call__(self, lr: np.ndarray, hr: np.ndarray, draws: Draws, partner: Callable[[], Pair]) -> Pair:
        raise NotImplementedError

    def get_config(self) -> dict:
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name not in ("self", "args", "kwargs")}


class Flip(Augmentation):
    """Mirrors left and right in half of the samples."""

    def __call__(self, lr, hr, draws, partner):
        return (lr[:, ::-1], hr[:, ::-1]) if draws.chance(0.5) else (lr, hr)


class Turn(Augmentation):
    """Turns by 0, 1, 2 or 3 quarters, each as likely as the others."""

    def __call__(self, lr, hr, draws, partner):
        quarters = draws.integer(4)
        return np.rot90(lr, quarters), np.rot90(hr, quarters)


AUGMENTATIONS = {"flip": Flip, "turn": Turn}


def build_augmentations(data: config.Data, scale: int) -> list[Augmentation]:
    """The experiment's augmentations; a bare name stands for one with its defaults."""
    specs = [config.Spec(item) if isinstance(item, str) else item for item in data.augmentations]
    return [
        build(spec, AUGMENTATIONS, f"data.augmentations.{number}", scale=scale) for number, spec in enumerate(specs)
    ]
