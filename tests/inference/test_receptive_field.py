"""Receptive fields from the graph: by hand for single layers, by spoiling one pixel for every generator."""

import keras
import numpy as np
import pytest
from keras import layers
from tiny import tiny_generator

from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.inference.receptive_field import receptive_field
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle


def _model(*stack):
    inputs = x = keras.Input((None, None, 3))
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("stack", "size", "halo", "alignment"),
    [
        ([layers.Conv2D(4, 3, padding="same")], 3, 1, 1),
        ([layers.Conv2D(4, (1, 5), padding="same")], 5, 2, 1),
        ([layers.Conv2D(4, 3, padding="same", dilation_rate=4)], 9, 4, 1),
        ([layers.Conv2D(4, 9, padding="same"), layers.ReLU(), layers.Conv2D(4, 3, padding="same")], 11, 5, 1),
        ([layers.SeparableConv2D(4, 5, padding="same"), layers.DepthwiseConv2D(3, padding="same")], 7, 3, 1),
        ([layers.Conv2D(4, 3, padding="same"), PixelShuffle(2)], 3, 1, 1),
        # At twice the resolution a 3x3 convolution reaches half an input pixel.
        ([layers.UpSampling2D(2), layers.Conv2D(4, 3, padding="same")], 2, 1, 1),
        ([layers.UpSampling2D(4, interpolation="bilinear")], 2, 1, 1),
        ([layers.UpSampling2D(2, interpolation="bicubic")], 4, 2, 1),
        ([layers.Conv2DTranspose(4, 4, strides=2, padding="same")], 2, 1, 1),
        ([layers.ZeroPadding2D(1), layers.Conv2D(4, 3)], 3, 1, 1),
        ([PixelUnshuffle(2), layers.Conv2D(4, 3, padding="same"), PixelShuffle(2)], 6, 3, 2),
        ([layers.MaxPooling2D(2), layers.Conv2D(4, 3, padding="same"), layers.UpSampling2D(2)], 6, 3, 2),
    ],
)
def test_stacks_by_hand(stack, size, halo, alignment):
    field = receptive_field(_model(*stack))
    assert (field.finite, field.halo, field.alignment) == (True, halo, alignment)
    # An enlargement's pixels see different windows; the size is that of their union, at most one pixel more.
    assert size <= field.size <= size + 1


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.GroupNormalization(-1), "GroupNormalization"),
        (layers.GlobalAveragePooling2D(keepdims=True), "GlobalAveragePooling2D"),
        (layers.LayerNormalization(axis=[1, 2, 3]), "LayerNormalization"),
        (layers.PReLU(shared_axes=[1]), "PReLU"),
        (layers.Permute((2, 1, 3)), "Permute"),
    ],
)
def test_layers_that_see_everything_are_named(layer, name):
    inputs = keras.Input((8, 8, 4))
    field = receptive_field(keras.Model(inputs, layer(inputs)))
    assert not field.finite
    assert field.halo is None
    assert name in field.why


def test_branches_nested_models_and_operations():
    inner = _model(layers.Conv2D(3, 5, padding="same"))
    inputs = keras.Input((None, None, 3))
    x = layers.Add()([inputs, inner(inputs)])
    x = keras.ops.add(x, layers.Conv2D(3, 3, padding="same")(x))
    assert receptive_field(keras.Model(inputs, x)).halo == 3


def test_published_discriminators():
    assert receptive_field(DISCRIMINATORS["PatchGAN"]()).size == 70
    assert not receptive_field(DISCRIMINATORS["ConvDiscriminator"]()).finite


@pytest.mark.parametrize(
    ("name", "halo"),
    [("SPAN", 21), ("Compact", 18), ("SmallResidual", 18), pytest.param("RRDBNet", 349, marks=pytest.mark.long)],
)
def test_published_generators(name, halo):
    assert receptive_field(GENERATORS[name](filters=8)).halo == halo


@pytest.mark.parametrize("name", GENERATORS)
def test_one_pixel_changes_what_the_graph_says(name):
    generator = tiny_generator(name)
    field = receptive_field(generator)
    assert field.finite
    side = 2 * field.halo + 8 * field.alignment
    picture = np.random.default_rng(2).random((1, side, side, 3)).astype(np.float32)
    center = side // 2
    reached = 0
    for place in range(center, center + field.alignment):
        spoilt = picture.copy()
        spoilt[0, place, place] = np.nan  # goes wherever the pixel's value counts, however little
        rows = np.flatnonzero(np.isnan(generator(spoilt, training=False).numpy()).any(axis=(0, 2, 3)))
        first, last = rows.min() // generator.scale, rows.max() // generator.scale
        assert first >= place - field.halo
        assert last <= place + field.halo
        reached = max(reached, place - first, last - place)
    assert reached == field.halo
