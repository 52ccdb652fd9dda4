"""Batches of (lr, hr) for training and whole pictures for validation.

Sample i is a function of (seed, i) alone: which source and tile, where the crop lies, how it is turned and degraded.
A resumed run therefore starts counting at its first sample and sees what the undisturbed run would have seen.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sr_gan_tf import config
from sr_gan_tf.build import build
from sr_gan_tf.data.augmentation import build_augmentations
from sr_gan_tf.data.degradations import DEGRADATIONS, Degradation
from sr_gan_tf.data.sampling import Draws, Mixture, below, hashed, permuted
from sr_gan_tf.data.sources import SOURCES, Example, Source
from sr_gan_tf.errors import InputError


def training_batches(
    data: config.Data, scale: int, seed: int, first_sample: int = 0, shard: tuple[int, int] = (0, 1)
) -> tf.data.Dataset:
    """Endless batches (lr, hr), float32 in [0, 1].

    Args:
        data: the experiment's `data`; `batch_size` is the size of the batches that come out.
        scale: HR pixels an LR pixel.
        seed: equal seeds give equal samples.
        first_sample: number of the first sample, over all workers: `step * batch_size * workers` when resuming.
        shard: (worker, workers). Each step's `batch_size * workers` consecutive samples are dealt out to the
            workers, so no two see the same one.

    Raises:
        InputError: for sources or settings that cannot be used.
    """
    worker, workers = shard
    sampler = Sampler(data, scale, seed)
    batch, patch = data.batch_size, data.patch_size

    def read(number):
        first = first_sample + (number * workers + worker) * batch
        lr, hr = tf.numpy_function(lambda i: sampler.batch(int(i), batch), [first], [tf.uint8, tf.uint8])
        lr = tf.ensure_shape(lr, (batch, patch // scale, patch // scale, 3))
        hr = tf.ensure_shape(hr, (batch, patch, patch, 3))
        return tf.image.convert_image_dtype(lr, tf.float32), tf.image.convert_image_dtype(hr, tf.float32)

    numbers = tf.data.Dataset.range(np.iinfo(np.int64).max)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return numbers.map(read, num_parallel_calls=2, deterministic=True).prefetch(4).with_options(options)


class Sampler:
    """Training samples by number."""

    def __init__(self, data: config.Data, scale: int, seed: int):
        if data.patch_size % scale:
            near = max(1, round(data.patch_size / scale)) * scale
            raise InputError(f"data.patch_size {data.patch_size} is no multiple of the scale {scale}; use {near}")
        self.scale, self.seed, self.patch = scale, seed, data.patch_size
        self.degradation = build_degradation(data, scale)
        self.augmentations = build_augmentations(data, scale)
        self.pictures = []
        self.corners = []
        for source in build_sources(data.train, "data.train", scale):
            pictures = [_degraded(example, self.degradation, scale) for example in source.examples()]
            corners = [
                ((hr.shape[0] - self.patch) // scale + 1) * ((hr.shape[1] - self.patch) // scale + 1)
                for hr, _ in pictures
            ]
            self.pictures.append(pictures)
            self.corners.append(np.cumsum(np.maximum(corners, 0) // (self.patch // scale) ** 2 + 1))
        self.mixture = Mixture([source.weight for source in data.train], seed)

    def batch(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples first to first + count: uint8 (lr, hr)."""
        pairs = [self.sample(first + number) for number in range(count)]
        return np.stack([lr for lr, _ in pairs]), np.stack([hr for _, hr in pairs])

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """One uint8 (lr, hr)."""
        lr, hr = self._crop(index)
        for number, augmentation in enumerate(self.augmentations):
            lr, hr = augmentation(lr, hr, Draws(self.seed, index, 2 + number), lambda: self._crop(2**40 + index))
        return lr, hr

    def _crop(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        source, number = (int(value[0]) for value in self.mixture.places(np.array([index])))
        ends = self.corners[source]
        epoch, place = divmod(number, int(ends[-1]))
        place = permuted(np.array([place]), int(ends[-1]), self.seed, source, epoch)
        hr, lr = self.pictures[source][int(np.searchsorted(ends, place, side="right")[0])]
        low = self.patch // self.scale
        y = int(below(hashed(self.seed, index, 0), lr.shape[0] - low + 1))
        x = int(below(hashed(self.seed, index, 1), lr.shape[1] - low + 1))
        top, left = y * self.scale, x * self.scale
        return lr[y : y + low, x : x + low], hr[top : top + self.patch, left : left + self.patch]


@dataclasses.dataclass(frozen=True)
class ValidationPicture:
    """One whole picture, read when `lr` and `hr` are asked for: `lr, hr = picture.pair()` reads it once."""

    name: str
    example: Example
    degradation: Degradation

    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        hr, lr = _degraded(self.example, self.degradation, self.degradation.scale)
        return lr, hr

    @property
    def lr(self) -> np.ndarray:
        """uint8 (H / scale, W / scale, 3)."""
        return self.pair()[0]

    @property
    def hr(self) -> np.ndarray:
        """uint8 (H, W, 3), cropped to a multiple of the scale."""
        return self.example.read(self.degradation.scale)[0]


def validation_pictures(data: config.Data, scale: int) -> Sequence[ValidationPicture]:
    """The validation pictures of all its sources in order, at most `validation_limit`."""
    degradation = build_degradation(data, scale)
    examples = [
        example for source in build_sources(data.validation, "data.validation", scale) for example in source.examples()
    ]
    return [ValidationPicture(example.name, example, degradation) for example in examples[: data.validation_limit]]


def build_degradation(data: config.Data, scale: int) -> Degradation:
    return build(data.degradation, DEGRADATIONS, "data.degradation", scale=scale)


def build_sources(specs: Sequence[config.Source], where: str, scale: int) -> list[Source]:
    return [build(spec, SOURCES, f"{where}.{number}", scale=scale) for number, spec in enumerate(specs)]


def _degraded(example: Example, degradation: Degradation, scale: int) -> tuple[np.ndarray, np.ndarray]:
    hr, lr = example.read(scale)
    return hr, degradation.degrade(hr, Draws(0)) if lr is None else lr
