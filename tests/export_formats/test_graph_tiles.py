"""Tiles inside a graph: the whole picture's values, for every family, any size and batch."""

import numpy as np
import pytest
import tensorflow as tf
from exporting import calm, noise
from tiny import tiny_generator, whole

from sr_gan_tf.errors import InputError
from sr_gan_tf.export_formats.graph_tiles import GraphTiles, fixed_tiling, rounded
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.inference.keras_enlarger import KerasEnlarger
from sr_gan_tf.inference.tiling import enlarged_rows

# Fits a window several times, needs tiles on both axes, on one.
SIZES = ((5, 9, 14), (1, 97, 61), (2, 12, 90))


def _made(name, dtype=tf.float32, tile=16, halo=None, **config):
    enlarger = KerasEnlarger(calm(tiny_generator(name, **config)))
    tiling = fixed_tiling(enlarger, tile, halo)

    def function(window):
        values = tf.cast(window, tf.float32)
        return enlarger.generator(values if dtype.is_floating else values / dtype.max, training=False)

    tiles = GraphTiles(function, rounded(dtype), 3, enlarger.scale, tiling)
    compiled = tf.function(tiles, autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3), dtype)])
    return enlarger, tiling, lambda pictures: compiled(pictures).numpy()


def _whole(enlarger, pictures):
    return whole(enlarger.generator, pictures, enlarger.border, enlarger.scale)


def _check_exact(name, sizes):
    enlarger, tiling, run = _made(name)
    assert tiling.exact
    assert not tiling.note
    for size in sizes:
        pictures = noise(*size, 3, seed=size[1])
        expected = _whole(enlarger, pictures)
        assert np.abs(run(pictures) - expected).max() < 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", ["SPAN"])
def test_tiles_equal_the_whole(name):
    _check_exact(name, SIZES)


@pytest.mark.parametrize("name", ["UNet", pytest.param("RRDBNet", marks=pytest.mark.long)])
def test_tiles_start_at_multiples_of_the_largest_stride(name):
    # Their exact halo more than doubles the work at any tile, so it is asked for.
    enlarger, tiling, run = _made(name, halo="exact")
    assert tiling.alignment > 1
    assert tiling.exact
    side = tiling.tile[0] + 2 * tiling.halo
    pictures = noise(1, side + 43, 21, 3)
    assert np.abs(run(pictures) - _whole(enlarger, pictures)).max() < 1e-5


@pytest.mark.long
@pytest.mark.parametrize("name", GENERATORS)
def test_tiles_equal_the_whole_for_many_sizes(name):
    enlarger, _, run = _made(name, halo="exact")
    generator = np.random.default_rng(1)
    for _ in range(40):
        size = (int(generator.integers(1, 4)), *map(int, generator.integers(1, 260, 2)))
        pictures = noise(*size, 3, seed=size[1])
        expected = _whole(enlarger, pictures)
        assert np.abs(run(pictures) - expected).max() < 1e-5 * max(1, np.abs(expected).max()), size


def test_a_halo_one_pixel_short_shows():
    # The tests above could not fail if any halo would do.
    enlarger, tiling, run = _made("SPAN", halo=KerasEnlarger(tiny_generator("SPAN")).field.halo - 1)
    assert "tiles may show" in tiling.note
    pictures = noise(1, 97, 61, 3)
    assert np.abs(run(pictures) - _whole(enlarger, pictures)).max() > 1e-6


def test_networks_that_look_everywhere_are_blended_as_by_the_upscale_command():
    enlarger, tiling, run = _made("UNet", tile=64, normalization="instance")
    assert not tiling.exact
    assert "blended" in tiling.note
    picture = noise(150, 201, 3)
    wanted = np.concatenate(list(enlarged_rows(enlarger, picture, tiling)))
    assert np.abs(run(picture[None])[0] - wanted).max() < 1e-5
    expected = _whole(enlarger, picture[None])[0]
    assert np.abs(wanted - expected).max() > 1e-4  # it is an approximation
    small = noise(1, 100, 128, 3)
    assert np.abs(run(small) - _whole(enlarger, small)).max() < 1e-6


def test_integers_are_rounded_as_by_the_upscale_command():
    enlarger, tiling, run = _made("Compact", tf.uint8)
    pictures = noise(2, 70, 41, 3, dtype=np.uint8)
    found = run(pictures)
    assert found.dtype == np.uint8
    for picture, one in zip(pictures, found, strict=True):
        wanted = np.concatenate(list(enlarged_rows(enlarger, picture, tiling)))
        levels = np.abs(one.astype(int) - wanted)
        assert levels.max() <= 1
        assert (levels > 0).sum() <= 3


def test_no_pictures_and_pictures_without_pixels():
    _, _, run = _made("Compact", scale=3)
    for shape in ((0, 7, 9, 3), (2, 0, 9, 3)):
        assert run(np.zeros(shape, np.float32)).shape == (shape[0], 3 * shape[1], 3 * shape[2], 3)


def test_tiles_are_as_large_as_a_gigabyte_allows():
    enlarger = KerasEnlarger(tiny_generator("SRResNet", filters=64, num_blocks=16, scale=4))
    tiling = fixed_tiling(enlarger)
    side = tiling.tile[0] + 2 * tiling.halo
    assert 2**28 < side**2 * enlarger.bytes_per_pixel <= 2**30


@pytest.mark.long
def test_a_network_that_looks_far_gets_a_measured_halo_and_it_is_said():
    tiling = fixed_tiling(KerasEnlarger(calm(tiny_generator("RRDBNet"))), tile=16)
    assert tiling.halo < KerasEnlarger(tiny_generator("RRDBNet")).field.halo
    assert "--halo exact" in tiling.note


@pytest.mark.parametrize(("tile", "halo"), [(8, None), (64, -1)])
def test_refused_sizes(tile, halo):
    with pytest.raises(InputError, match="expected"):
        fixed_tiling(KerasEnlarger(tiny_generator("Compact")), tile, halo)
