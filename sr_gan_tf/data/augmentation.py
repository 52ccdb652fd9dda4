"""Augmentations of a training pair (lr, hr).

Mixup: arXiv:1710.09412. CutMix: arXiv:1905.04899. CutBlur: arXiv:2004.00448, which pastes HR into an LR picture
enlarged to the size of HR. The networks here use LR at its size, so bicubically reduced HR is pasted instead (at scale
1 this is the method of the paper). It teaches a network where not to sharpen, and needs an LR picture that differs from
bicubic.
"""

import abc
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from sr_gan_tf import config
from sr_gan_tf.build import build
from sr_gan_tf.data.degradations import Bicubic, Degradation
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.data.sources import Source
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.parts import Catalog
from sr_gan_tf.resampling import imresize

Pair = tuple[np.ndarray, np.ndarray]


class Augmentation:
    """Maps a uint8 pair (lr, hr), (h, w, 3) and (H, W, 3), to a pair of the same shapes.

    `draws` provides the random numbers of the sample, `partner()` a second pair to mix with.
    """

    @abc.abstractmethod
    def __call__(self, lr: np.ndarray, hr: np.ndarray, draws: Draws, partner: Callable[[], Pair]) -> Pair:
        raise NotImplementedError

    def get_config(self) -> dict:
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}


class Flip(Augmentation):
    """Flips half of the samples horizontally."""

    def __call__(self, lr, hr, draws, partner):
        return (lr[:, ::-1], hr[:, ::-1]) if draws.chance(0.5) else (lr, hr)


class Turn(Augmentation):
    """Rotates by 0, 90, 180 or 270 degrees with equal probability."""

    def __call__(self, lr, hr, draws, partner):
        quarters = draws.integer(4)
        return np.rot90(lr, quarters), np.rot90(hr, quarters)


class ChannelShuffle(Augmentation):
    """Shuffles the color channels.

    Args:
        probability: probability of a random order, which is the original one in a sixth of the cases.
    """

    def __init__(self, probability: float = 0.5):
        self.probability = _probability(probability)

    def __call__(self, lr, hr, draws, partner):
        if not draws.chance(self.probability):
            return lr, hr
        order = [0, 1, 2]
        for last in (2, 1):
            other = draws.integer(last + 1)
            order[last], order[other] = order[other], order[last]
        return np.take(lr, order, axis=-1), np.take(hr, order, axis=-1)


class Mixup(Augmentation):
    """A blend with another sample, rounded to 8 bits.

    Args:
        probability: probability of blending.
        alpha: the first picture's share is drawn from Beta(alpha, alpha).
    """

    def __init__(self, probability: float = 0.5, alpha: float = 1.2):
        if alpha <= 0:
            raise ValueError(f"alpha: expected a number above 0, found {alpha}")
        self.probability, self.alpha = _probability(probability), alpha

    def __call__(self, lr, hr, draws, partner):
        if not draws.chance(self.probability):
            return lr, hr
        share = np.float32(draws.generator().beta(self.alpha, self.alpha))
        return tuple(
            np.rint(one * share + other * (1 - share)).astype(np.uint8)
            for one, other in zip((lr, hr), partner(), strict=True)
        )


class CutMix(Augmentation):
    """Pastes a rectangle of another sample at the same position.

    Args:
        probability: probability of pasting.
        alpha: the rectangle's share of the area is drawn from Beta(alpha, alpha).
    """

    def __init__(self, probability: float = 0.5, alpha: float = 0.7):
        if alpha <= 0:
            raise ValueError(f"alpha: expected a number above 0, found {alpha}")
        self.probability, self.alpha = _probability(probability), alpha

    def __call__(self, lr, hr, draws, partner):
        if not draws.chance(self.probability):
            return lr, hr
        rectangle = _rectangle(lr.shape, draws.generator().beta(self.alpha, self.alpha) ** 0.5, draws)
        lr, hr, (other_lr, other_hr) = lr.copy(), hr.copy(), partner()
        lr[rectangle(1)] = other_lr[rectangle(1)]
        scale = hr.shape[0] // lr.shape[0]
        hr[rectangle(scale)] = other_hr[rectangle(scale)]
        return lr, hr


class CutBlur(Augmentation):
    """Replaces a rectangle of LR, or everything outside it, with bicubically reduced HR; HR is unchanged.

    Args:
        probability: probability of pasting.
        alpha: sides of the rectangle as a fraction of those of LR, within a tenth.
    """

    def __init__(self, probability: float = 0.5, alpha: float = 0.7):
        if not 0 < alpha < 1:
            raise ValueError(f"alpha: expected a number between 0 and 1, found {alpha}")
        self.probability, self.alpha = _probability(probability), alpha

    def __call__(self, lr, hr, draws, partner):
        if not draws.chance(self.probability):
            return lr, hr
        share = min(1.0, self.alpha * draws.uniform(0.9, 1.1))
        rectangle = _rectangle(lr.shape, share, draws)(1)
        clean = imresize(hr, size=lr.shape[:2])
        onto, piece = (lr, clean) if draws.chance(0.5) else (clean, lr)
        onto = onto.copy()
        onto[rectangle] = piece[rectangle]
        return onto, hr


AUGMENTATIONS = Catalog("augmentation", {
    "flip": Flip, "turn": Turn, "channel_shuffle": ChannelShuffle, "mixup": Mixup, "cutmix": CutMix,
    "cutblur": CutBlur,
}, (Augmentation,))  # fmt: skip


def build_augmentations(data: config.Data, scale: int) -> list[Augmentation]:
    """The experiment's augmentations in order; a plain name uses the defaults.

    Raises:
        InputError: there is no such augmentation, or one that never happens.
    """
    built = []
    for number, item in enumerate(data.augmentations):
        where, spec = f"data.augmentations.{number}", config.Spec(item) if isinstance(item, str) else item
        built.append(build(spec, AUGMENTATIONS, where, scale=scale))
        if getattr(built[-1], "probability", 1) == 0:
            raise InputError(f"{where}.config.probability: 0 has no effect; remove the augmentation, or raise it")
    return built


def check_cutblur(augmentations: Sequence[Augmentation], degradation: Degradation, sources: Sequence[Source]) -> None:
    """Raises InputError for a CutBlur that would paste the bicubic reduction into itself."""
    is_bicubic = isinstance(degradation, Bicubic) and not any(source.has_lr for source in sources)
    if is_bicubic and any(isinstance(one, CutBlur) for one in augmentations):
        raise InputError("data.augmentations: cutblur has no effect where LR is the bicubic reduction; remove it")


def _probability(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"probability: expected a number in [0, 1], found {value}")
    return value


def _rectangle(shape: tuple[int, ...], share: float, draws: Draws) -> Callable[[int], tuple[slice, slice]]:
    """A random rectangle with sides of `share` times those of the picture, as slices at a multiple of its size."""
    height, width = (max(1, round(side * share)) for side in shape[:2])
    top, left = draws.integer(shape[0] - height + 1), draws.integer(shape[1] - width + 1)
    return lambda scale: (
        slice(top * scale, (top + height) * scale),
        slice(left * scale, (left + width) * scale),
    )
