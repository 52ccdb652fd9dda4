"""Adversarial training works for every network.

Each generator is trained against TinyDiscriminator, each discriminator against Compact. On one fixed batch the content
loss falls by 20 %, and the discriminator tells a fixed pair apart.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses.adversarial import BinaryCrossentropy
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.losses.pixel import MeanAbsoluteError
from sr_gan_tf.training.gan import GAN
from sr_gan_tf.training.terms import constant

SIZE = 64
MOST_STEPS = 300

GENERATOR_CONFIGS = {
    "SRResNet": {"filters": 8, "num_blocks": 1},
    "SmallResidual": {"scale": 4, "filters": 8, "num_blocks": 2},
    "SharedResidual": {"filters": 8, "num_uses": 2},
    "SPAN": {"filters": 8, "num_blocks": 2, "input_gain": 5.0, "initial_gain": 2.5},
    "UNet": {"scale": 4, "filters": 8, "num_downs": 3},
    "RRDBNet": {"filters": 8, "num_blocks": 1, "growth": 4},
    "MSRResNet": {"filters": 8, "num_blocks": 2},
    "Compact": {"filters": 8, "num_convs": 2},
}
DISCRIMINATOR_CONFIGS = {
    "SRGANDiscriminator": {"image_size": SIZE, "filters": 4, "units": 8},
    "TinyDiscriminator": {"filters": 8},
    "ConvDiscriminator": {"filters": 4},
    "PatchGAN": {"filters": 4, "num_layers": 2},
    "UNetDiscriminator": {"filters": 4},
    "DUnet": {"filters": 4},
    "MetaGAN": {"filters": (16, 16, 32), "blocks": (1, 1, 1), "reductions": (2, 2, 2)},
    "VGGDiscriminator": {"image_size": SIZE, "filters": 4},
    "FeatureDiscriminator": {
        "network": "vgg16",
        "trunk_weights": "lpips",
        "taps": ("block1_conv2", "block2_conv2"),
        "filters": 4,
    },
}


def batch() -> tuple[tf.Tensor, tf.Tensor]:
    """Two pictures of soft blobs with hard edges, and their means over 4x4 pixels."""
    generator = np.random.default_rng(3)
    blobs = tf.image.resize(generator.random((2, 8, 8, 3), np.float32), (SIZE, SIZE), "bicubic").numpy()
    blobs[:, :, 21:40] = 1 - blobs[:, :, 21:40]
    hr = np.clip(blobs, 0, 1)
    return tf.constant(hr.reshape(2, SIZE // 4, 4, SIZE // 4, 4, 3).mean((2, 4))), tf.constant(hr)


def train(generator, discriminator) -> None:
    """Both networks until the content loss has fallen, then the discriminator alone on the pair that this leaves."""
    lr, hr = batch()
    gan = GAN(generator, discriminator)
    gan.compile(
        keras.optimizers.Adam(2e-3, beta_2=0.99),
        keras.optimizers.Adam(5e-3, beta_1=0.5),
        [constant("mae", MeanAbsoluteError())],
        constant("adversarial", BinaryCrossentropy(), 1e-3),
        jit_compile=False,
    )
    step = tf.function(lambda: gan.train_step((lr, hr)))
    first = step()["mae"]
    reach(step, lambda logs: logs["mae"] < 0.8 * first, "mae")
    gan.generator_optimizer.learning_rate = 0.0
    # 0.693 is what a guess costs. The tiny one judges each pixel by its 3x3 surroundings, of which few tell.
    bound = 0.69 if isinstance(discriminator, TinyDiscriminator) else 0.6
    reach(step, lambda logs: logs["discriminator_loss"] < bound and logs["pair_share"] == 1, "discriminator_loss")


def reach(step, aim, name: str) -> None:
    """Steps until `aim` of the logs is true; fails after MOST_STEPS."""
    history = []
    for _ in range(MOST_STEPS):
        logs = step()
        history.append(float(logs[name]))
        if aim(logs):
            return
    raise AssertionError(f"{name} after 1, 10, ... steps: {[round(value, 4) for value in history[::10]]}")


def test_every_network_is_here():
    assert set(GENERATOR_CONFIGS) == set(GENERATORS)
    assert set(DISCRIMINATOR_CONFIGS) == set(DISCRIMINATORS)


def cases(names, short: str):
    return [name if name == short else pytest.param(name, marks=pytest.mark.long) for name in names]


@pytest.mark.parametrize("name", cases(GENERATOR_CONFIGS, short="MSRResNet"))
def test_generator_against_tiny_discriminator(name):
    keras.utils.set_random_seed(1)
    train(GENERATORS[name](**GENERATOR_CONFIGS[name]), DISCRIMINATORS["TinyDiscriminator"](filters=8))


@pytest.mark.parametrize("name", cases(DISCRIMINATOR_CONFIGS, short="PatchGAN"))
def test_discriminator_against_compact(name):
    if name == "FeatureDiscriminator" and lpips_file("vgg16") is None:
        pytest.skip(INSTALL_LPIPS)
    keras.utils.set_random_seed(1)
    compact = GENERATORS["Compact"](**GENERATOR_CONFIGS["Compact"])
    train(compact, DISCRIMINATORS[name](**DISCRIMINATOR_CONFIGS[name]))
