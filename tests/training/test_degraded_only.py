"""The content term for degraded pictures alone."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.config import load_experiment
from sr_gan_tf.data.realistic import Realistic
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.artifacts import LDL
from sr_gan_tf.resampling import imresize
from sr_gan_tf.training.checks import check_settings
from sr_gan_tf.training.degraded_only import DegradedOnly

ABSOLUTE = {"class_name": "MeanAbsoluteError"}


@pytest.fixture
def pictures():
    """HR, SR and the LR pictures: a clean one, one with a pixel of noise everywhere, a clean one cropped from more."""
    random = np.random.default_rng(0)
    large = random.integers(0, 256, (3, 96, 96, 3), np.uint8)
    hr = large[:, 16:80, 16:80]
    lr = np.stack([imresize(hr[0], 1 / 4), imresize(hr[1], 1 / 4), imresize(large[2], 1 / 4)[4:20, 4:20]])
    lr[1] = np.clip(lr[1] + random.integers(-2, 3, lr[1].shape), 0, 255)
    hr, lr = (tf.constant(item / 255, tf.float32) for item in (hr, lr))
    return hr, tf.constant(random.random(hr.shape), tf.float32), lr


def test_only_degraded_pictures_have_a_loss_and_a_gradient(pictures):
    hr, sr, lr = pictures
    loss = DegradedOnly(ABSOLUTE)
    assert loss.degraded(hr, lr).numpy().tolist() == [False, True, False]
    with tf.GradientTape() as tape:
        tape.watch(sr)
        value = loss(hr, sr, lr)
    assert float(value) == pytest.approx(float(tf.reduce_mean(tf.abs(hr[1] - sr[1]))) / 3, rel=1e-5)
    gradient = tape.gradient(value, sr).numpy()
    assert np.abs(gradient).sum(axis=(1, 2, 3)).astype(bool).tolist() == [False, True, False]
    again = DegradedOnly.from_config(json.loads(json.dumps(loss.get_config())))
    assert float(again(hr, sr, lr)) == float(value)


def test_its_clean_pictures_are_those_of_the_realistic_degradation():
    """`clean` of `Realistic`: none counts as degraded, and no degraded picture of detail counts as clean."""
    random = np.random.default_rng(1)
    hr = random.integers(0, 256, (64, 64, 3), np.uint8)
    batch = tf.constant(hr[None] / 255, tf.float32)
    loss = DegradedOnly(ABSOLUTE)
    for clean, expected in ((1.0, False), (0.0, True)):
        degradation = Realistic(4, clean=clean)
        for index in range(8):
            lr = degradation.degrade(hr, Draws(index))
            assert bool(loss.degraded(batch, tf.constant(lr[None] / 255, tf.float32))[0]) is expected


def test_the_loss_inside_sees_the_averages_pictures(pictures):
    hr, sr, lr = pictures
    config = {"class_name": "LDL", "config": {"refined": True}}
    loss = DegradedOnly(config)
    assert loss.needs_average
    average = 0.5 * (hr + sr)
    expected = float(LDL(refined=True)(hr[1:2], sr[1:2], lr[1:2], average[1:2])) / 3
    assert float(loss(hr, sr, lr, average)) == pytest.approx(expected, rel=1e-4)


def test_small_pictures_are_compared_whole():
    hr = tf.zeros((1, 4, 4, 3))
    assert DegradedOnly(ABSOLUTE).degraded(hr, tf.fill((1, 1, 1, 3), 0.1)).numpy().tolist() == [True]


def test_mistakes_are_named(pictures):
    with pytest.raises(InputError, match=r"^loss: expected .*of a content loss, found 'mae'"):
        DegradedOnly("mae")
    with pytest.raises(InputError, match=r"^tolerance: expected gray levels of 0 or more, found -1"):
        DegradedOnly(ABSOLUTE, tolerance=-1)
    with pytest.raises(InputError, match="none was given; pass lr"):
        DegradedOnly(ABSOLUTE)(*pictures[:2])


def test_on_clean_data_it_has_no_effect(repository):
    content = [ABSOLUTE, {"class_name": "DegradedOnly", "config": {"loss": ABSOLUTE}}]
    overrides = [f"stages.0.content={json.dumps(content)}"]
    experiment = load_experiment(repository / "experiments" / "quickstart.json", overrides)
    with pytest.raises(InputError, match=r"^stages\.0\.content\.1: DegradedOnly has no effect, because .*Bicubic"):
        check_settings(experiment)
