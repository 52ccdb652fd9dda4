"""VGG trunks: input as keras.applications takes it, smallest pictures, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.losses.vgg import preprocess, smallest_size
from sr_gan_tf.losses.vgg_weights import load_trunk


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(1).integers(0, 256, (1, 36, 40, 3)).astype("float32")


def test_preprocess_is_keras_own(picture):
    for module in (keras.applications.vgg16, keras.applications.vgg19):
        expected = module.preprocess_input(picture.copy())
        np.testing.assert_allclose(preprocess(tf.constant(picture / 255)), expected, atol=1e-4)


def test_smallest_pictures():
    assert smallest_size(["block1_conv2"]) == 1
    assert smallest_size(["block1_conv1", "block5_conv1"]) == 16
    assert smallest_size(["block5_pool"]) == 32
    trunk = load_trunk("vgg16", "hed")
    assert trunk.features(tf.zeros((1, 16, 16, 3)), [("block5_conv3", False)])["block5_conv3", False].shape[1] == 1


def test_bfloat16_is_near(picture):
    image = tf.constant(picture / 255)
    tap = ("block3_conv3", False)
    exact = load_trunk("vgg16", "hed").features(image, [tap])[tap]
    near = load_trunk("vgg16", "hed", "bfloat16").features(image, [tap])[tap]
    assert near.dtype == tf.float32
    error = float(tf.norm(near - exact) / tf.norm(exact))
    assert 0 < error < 0.02
