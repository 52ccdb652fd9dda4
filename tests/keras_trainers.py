"""Tiny trainers and data for the tests of Keras's calls."""

import keras
import numpy as np
import tensorflow as tf
from seeding import start_from

from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.generators.srresnet import SRResNet
from sr_gan_tf.training.gan import GAN
from sr_gan_tf.training.supervised import Supervised


def pictures(count: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(lr, hr) of smooth pictures."""
    random = np.random.default_rng(seed)
    lr = random.random((count, 8, 8, 3), np.float32)
    return lr, lr.repeat(2, 1).repeat(2, 2)


def dataset(count: int = 4, batch: int = 2, seed: int = 0) -> tf.data.Dataset:
    """Two steps, unless more pictures are asked for: a step without a graph takes a tenth of a second."""
    return tf.data.Dataset.from_tensor_slices(pictures(count, seed)).batch(batch)


def plain_generator() -> Compact:
    """Few weights, and no running statistics."""
    start_from(1)
    return Compact(scale=2, filters=4, num_convs=1)


def normalized_generator() -> SRResNet:
    """With running statistics; its steps take twice as long as those of the plain one."""
    start_from(1)
    return SRResNet.published(scale=2, filters=4, num_blocks=1)


def make(kind: str, discriminator=None, generator=None):
    start_from(1)
    generator = generator or plain_generator()
    return (
        Supervised(generator) if kind == "Supervised" else GAN(generator, discriminator or TinyDiscriminator(filters=4))
    )


def compiled(kind: str, run_eagerly: bool = True, generator=None):
    """A trainer that was compiled the Keras way; without a graph, whose tracing takes longer than most tests."""
    trainer = make(kind, generator=generator)
    metrics = ["psnr_y", keras.metrics.MeanSquaredError()]
    trainer.compile(keras.optimizers.Adam(1e-2), "mae", metrics=metrics, run_eagerly=run_eagerly)
    return trainer


def weights(trainer) -> list[np.ndarray]:
    return [np.asarray(value) for value in trainer.get_weights()]


def slots(trainer) -> list[np.ndarray]:
    optimizers = [getattr(trainer, f"{part}_optimizer", None) for part in ("generator", "discriminator")]
    return [np.asarray(v) for optimizer in optimizers if optimizer is not None for v in optimizer.variables]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
