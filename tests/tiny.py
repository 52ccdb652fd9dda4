"""Tiny networks for tests of what runs them: every generator, small enough to run in milliseconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from network_checks import stir
from seeding import start_from
from skimage import data

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
    start_from(seed)
    return stir(GENERATORS[name](**{**TINY[name], **config}), 0.02)


def faithful_generator(seed: int, **config) -> Generator:
    """A tiny network whose pictures look like their originals, as a trained one's do."""
    generator = tiny_generator("Compact", seed, **config)
    picture = data.chelsea()[None, 90:130, 130:170].astype(np.float32) / 255
    drawn = generator(picture).numpy() - picture.repeat(generator.scale, 1).repeat(generator.scale, 2)
    last = generator.get_layer("last_conv")
    last.set_weights([0.03 / drawn.std() * weight for weight in last.get_weights()])
    return generator


def mirrored(picture: np.ndarray, border: int) -> np.ndarray:
    """(..., H, W, C), continued by `border` mirrored pixels on every side."""
    sides = [(0, 0)] * (picture.ndim - 3)
    return np.pad(picture, [*sides, (border, border), (border, border), (0, 0)], mode="symmetric")


def whole(run: Callable, picture: np.ndarray, border: int, scale: int) -> np.ndarray:
    """A picture, or a batch, enlarged in one piece by `run`, with the mirrored pixels that exact tiling adds."""
    result, cut = np.asarray(run(mirrored(picture, border))), border * scale
    return result[..., cut : result.shape[-3] - cut, cut : result.shape[-2] - cut, :]


def names_in(folder: Path) -> list[str]:
    """Relative paths of all files below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
