"""Costs of generators: counts worked out by hand, and those of the published network."""

import keras
import tensorflow as tf

from sr_gan_tf.evaluation.costs import multiply_adds, parameters
from sr_gan_tf.evaluation.figures import amount
from sr_gan_tf.generators import GENERATORS


def test_costs_by_hand():
    # x2: a 3x3 convolution 3 -> 8 at LR, 8 -> 12 at LR, pixel shuffle: 640 * 360 * (216 + 864).
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.Conv2D(12, 3, padding="same", use_bias=False)(x)
    network = keras.Model(inputs, keras.layers.Lambda(lambda y: tf.nn.depth_to_space(y, 2))(x))
    assert parameters(network) == 3 * 8 * 9 + 8 + 8 * 12 * 9
    assert multiply_adds(network, 2) == 640 * 360 * (216 + 864)
    # Depthwise, transposed, pointwise as a matrix product.
    x = keras.layers.DepthwiseConv2D(5, padding="same")(inputs)  # 25 * 3 a position
    x = keras.layers.Dense(4)(x)  # 12
    x = keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same")(x)  # 4 * 4 * 4 * 3 an LR position
    assert multiply_adds(keras.Model(inputs, x), 2, width=64, height=32) == 32 * 16 * (75 + 12 + 192)
    # 1280 is no multiple of 3: the sum is brought to the exact number of pixels.
    x = keras.layers.Conv2D(27, 1)(inputs)
    shuffled = keras.layers.Lambda(lambda y: tf.nn.depth_to_space(y, 3))(x)
    assert multiply_adds(keras.Model(inputs, shuffled), 3) == 1280 * 720 // 9 * 81
    assert amount(1550659) == "1.55 M"
    assert amount(146_100_000_000) == "146.1 G"
    assert amount(None) == "-"


def test_costs_of_the_published_generator():
    generator = GENERATORS["SRResNet"](scale=4)
    assert parameters(generator) == 1550659
    # Per LR pixel: 9x9x3x64 + 33 convolutions 64 -> 64, up to x2 and x4 with 64 -> 256, then 9x9x64x3 at x4.
    expected = 320 * 180 * (15552 + 33 * 36864 + 147456 * (1 + 4) + 16 * 15552)
    assert multiply_adds(generator, 4) == expected
    # The same from scratch: the bicubic picture that it is added to counts as little as any other resize.
    assert multiply_adds(GENERATORS["SRResNet"].published(scale=4), 4) == expected


def test_a_saved_model_costs_what_its_network_costs(tmp_path):
    generator = GENERATORS["SRResNet"](scale=2, num_blocks=1, filters=8)
    archive = keras.export.ExportArchive()
    archive.track(generator)
    specification = [tf.TensorSpec((None, None, None, 3), tf.float32)]
    archive.add_endpoint("float", lambda lr: generator(lr, training=False), input_signature=specification)
    archive.write_out(str(tmp_path / "1"), verbose=False)
    inputs = keras.Input((None, None, 3))
    loaded = keras.Model(inputs, keras.layers.TFSMLayer(tmp_path / "1", call_endpoint="float")(inputs))
    assert parameters(loaded) == parameters(generator)
    assert multiply_adds(loaded, 2, 64, 32) == multiply_adds(generator, 2, 64, 32) > 0
