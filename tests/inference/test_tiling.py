"""Tiles: equal to the whole picture where the network allows it, blended where it does not, within memory."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from tiny import TINY, mirrored, tiny_generator, whole

from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.inference.enlarger import as_samples
from sr_gan_tf.inference.halo import measured_halo
from sr_gan_tf.inference.keras_enlarger import KerasEnlarger, bytes_per_pixel, enlarger_of
from sr_gan_tf.inference.memory import free_memory
from sr_gan_tf.inference.tiling import enlarged_rows, plan, spans, upscale_array
from sr_gan_tf.networks import Generator

_ENLARGERS: dict[str, KerasEnlarger] = {}
_CHANGED: dict[str, np.ndarray] = {}


def _enlarger(name: str) -> KerasEnlarger:
    """One for the whole file: compiling is what takes time."""
    if name not in _ENLARGERS:
        # At some widths oneDNN adds the products of a 9x9 convolution to few channels in another order.
        generator = tiny_generator(name, **({"filters": 64} if name == "SharedResidual" else {}))
        # Values as a trained network's have them: rounding errors grow with them, and with those the changed levels.
        last = [layer for layer in generator.layers if layer.get_weights()][-1]
        spread = float(np.std(generator(_noise(40, 40)[None])))
        last.set_weights([weight * min(1.0, 0.3 / spread) for weight in last.get_weights()])
        _ENLARGERS[name] = KerasEnlarger(generator)
    return _ENLARGERS[name]


def _tiled(enlarger: KerasEnlarger, picture: np.ndarray, tile: int, halo="exact") -> np.ndarray:
    return np.concatenate(list(enlarged_rows(enlarger, picture, plan(enlarger, picture.shape, tile, halo))))


def _whole(enlarger: KerasEnlarger, picture: np.ndarray) -> np.ndarray:
    return whole(enlarger, picture, enlarger.border, enlarger.scale)


def _noise(height: int, width: int, channels: int = 3, dtype=np.float32, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((height, width, channels))
    return values.astype(dtype) if dtype == np.float32 else (values * np.iinfo(dtype).max).astype(dtype)


@given(st.integers(1, 700), st.integers(1, 90), st.integers(0, 60), st.sampled_from([1, 2, 8, 64]))
def test_spans_cover_an_axis_once(length, tile, halo, alignment):
    parts = spans(length, tile, halo, alignment)
    assert parts[0].first == 0
    assert parts[-1].last == length
    for part, following in itertools.pairwise(parts):
        assert part.last == following.first
    for part in parts:
        assert part.start % alignment == 0
        assert (length - part.stop) % alignment == 0
        assert part.start <= max(0, part.first - halo)
        assert part.stop >= min(length, part.last + halo)
        assert part.last > part.first
    assert len({part.stop - part.start for part in parts}) == 1


def _check_tiles(name: str, height: int, width: int, tile: int) -> None:
    enlarger = _enlarger(name)
    picture = _noise(height, width, seed=height * 1000 + width)
    expected = _whole(enlarger, picture)
    difference = np.abs(_tiled(enlarger, picture, tile) - expected)
    assert difference.max() < 1e-5 * max(1.0, float(np.abs(expected).max()))
    eight = _noise(height, width, dtype=np.uint8, seed=height)
    levels = np.abs(_tiled(enlarger, eight, tile).astype(int) - _whole(enlarger, eight))
    assert levels.max() <= 1
    # A value next to a rounding border may fall to either side, no more than one in 100,000: counted over all the
    # pictures of a network, since in a small one two such values may meet.
    counts = _CHANGED.setdefault(name, np.zeros(2))
    counts += (levels > 0).sum(), levels.size
    assert counts[0] <= 3 + counts[1] / 100_000


@pytest.mark.parametrize("name", GENERATORS)
@settings(max_examples=4, deadline=None)
@given(height=st.integers(1, 100), width=st.integers(1, 100), tile=st.integers(8, 50))
def test_tiles_equal_the_whole(name, height, width, tile):
    _check_tiles(name, height, width, tile)


@pytest.mark.long
@pytest.mark.parametrize("name", GENERATORS)
@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), tile=st.integers(8, 200))
def test_tiles_equal_the_whole_many(name, height, width, tile):
    _check_tiles(name, height, width, tile)


@pytest.mark.parametrize("name", ["SPAN", "UNet"])
def test_a_halo_one_pixel_short_shows(name):
    # The tests above could not fail if any halo would do.
    enlarger = _enlarger(name)
    picture = _noise(97, 61)
    unit = enlarger.field.alignment
    tiling = plan(enlarger, picture.shape, 16, (enlarger.field.halo - 1) // unit * unit // 2)
    assert "tiles may show" in tiling.note
    assert (
        np.abs(np.concatenate(list(enlarged_rows(enlarger, picture, tiling))) - _whole(enlarger, picture)).max() > 1e-6
    )


def test_one_trace_for_every_size_and_tile():
    enlarger = KerasEnlarger(tiny_generator("Compact"))
    for height, width in ((9, 70), (80, 33), (41, 41)):
        for tile in (8, 20, 100):
            _tiled(enlarger, _noise(height, width), tile)
    assert enlarger.traces == 1
    _tiled(enlarger, _noise(30, 30, dtype=np.uint8), 10)
    assert enlarger.traces == 2


def test_gray_pictures_and_sample_types():
    generator = tiny_generator("Compact")
    gray = _noise(20, 31, 1, np.uint8)
    color = upscale_array(generator, np.repeat(gray, 3, axis=2))
    expected = upscale_array(generator, np.repeat(gray, 3, axis=2).astype(np.float32) / 255).mean(axis=2)
    assert np.abs(upscale_array(generator, gray)[..., 0] - np.clip(expected * 255, 0, 255)).max() <= 0.51
    assert upscale_array(generator, gray[..., 0]).shape == (80, 124)
    sixteen = upscale_array(generator, gray.astype(np.uint16) * 257)
    assert sixteen.dtype == np.uint16
    assert np.abs(sixteen[..., 0] - np.clip(expected, 0, 1) * 65535).max() <= 1
    assert color.dtype == np.uint8
    for shape in ((3,), (4, 4, 2), (0, 4, 3)):
        with pytest.raises(InputError, match="shape"):
            upscale_array(generator, np.zeros(shape, np.uint8))


def test_training_goes_on_under_the_compiled_function():
    generator = tiny_generator("Compact")
    picture = _noise(9, 9)
    before = upscale_array(generator, picture)
    generator.set_weights([2 * weight for weight in generator.get_weights()])
    after = upscale_array(generator, picture)
    assert np.abs(after - before).max() > 0.1
    expected = whole(lambda wide: generator(wide[None])[0], picture, enlarger_of(generator).border, generator.scale)
    np.testing.assert_allclose(after, expected, atol=1e-5)
    np.testing.assert_allclose(upscale_array(generator, picture, border=False), generator(picture[None])[0], atol=1e-5)


@pytest.mark.parametrize("name", ["Compact", "UNet"])
def test_ensemble_of_tiles_equals_ensemble_of_the_whole(name):
    generator = _enlarger(name).generator
    enlarger = KerasEnlarger(generator, ensemble=True)
    picture = _noise(45, 38)
    wide = mirrored(picture, enlarger.border)
    expected = 0.0
    for turns in range(4):
        for flipped in (False, True):
            x = np.rot90(wide[:, ::-1] if flipped else wide, turns)
            y = np.rot90(generator(x[None].copy(), training=False).numpy()[0], -turns)
            expected = expected + (y[:, ::-1] if flipped else y) / 8
    np.testing.assert_allclose(enlarger(wide), expected, atol=2e-5)
    cut = enlarger.border * enlarger.scale
    expected = expected[cut:-cut, cut:-cut] if cut else expected
    np.testing.assert_allclose(_tiled(enlarger, picture, 8), expected, atol=2e-5)


@keras.saving.register_keras_serializable("tests")
class _Normed(Generator):
    """A generator that looks at the whole picture, through instance normalization."""

    def __init__(self, name: str | None = "normed"):
        inputs = keras.Input((None, None, 3))
        x = layers.Conv2D(8, 3, padding="same")(inputs)
        x = layers.GroupNormalization(-1, name="norm")(x)
        x = layers.Conv2D(3, 3, padding="same")(x)
        super().__init__(inputs, layers.UpSampling2D(2)(x), name=name)
        self.scale = 2


def test_networks_that_see_everything_are_blended_and_say_so():
    keras.utils.set_random_seed(0)
    enlarger = KerasEnlarger(_Normed())
    rows, columns = np.mgrid[0:150, 0:170]
    waves = (np.sin(rows / 3) + np.sin(columns / 4 + rows / 9)) / 4 + 0.5
    picture = np.stack([waves, waves[::-1], waves**2], axis=2).astype(np.float32)
    tiling = plan(enlarger, picture.shape)
    expected = np.concatenate(list(enlarged_rows(enlarger, picture, tiling)))
    assert np.array_equal(expected, _whole(enlarger, picture))
    assert not tiling.note
    tiling = plan(enlarger, picture.shape, 40)
    assert not tiling.exact
    assert "blended" in tiling.note
    assert "norm" in tiling.note
    result = np.concatenate(list(enlarged_rows(enlarger, picture, tiling)))
    assert result.shape == expected.shape
    assert 0 < np.abs(result - expected).mean() < 0.05 * expected.std()
    # No step between neighbors that the whole picture doesn't have.
    for axis in (0, 1):
        assert np.abs(np.diff(result, axis=axis)).max() < 1.1 * np.abs(np.diff(expected, axis=axis)).max()
    eight = as_samples(picture, np.uint8)
    blended = np.concatenate(list(enlarged_rows(enlarger, eight, tiling)))
    assert blended.dtype == np.uint8
    assert np.abs(blended / 255 - np.clip(result, 0, 1)).max() < 0.05


def test_blending_weights_add_up():
    keras.utils.set_random_seed(0)
    enlarger = KerasEnlarger(_Normed())
    enlarger.__class__ = type("Constant", (KerasEnlarger,), {"__call__": _constant})
    for shape in ((150, 170, 3), (33, 400, 1), (200, 7, 3)):
        picture = np.zeros(shape, np.float32)
        for tile in (1, 64, 70):
            result = np.concatenate(list(enlarged_rows(enlarger, picture, plan(enlarger, shape, tile))))
            assert result.shape == (2 * shape[0], 2 * shape[1], shape[2])
            np.testing.assert_allclose(result, 0.5, atol=1e-6)


def _constant(self, window, rounded=True):
    return np.full((2 * window.shape[0], 2 * window.shape[1], window.shape[2]), 0.5, np.float32)


class _Cramped(KerasEnlarger):
    """Runs out of memory on windows above a size."""

    limit = 0

    def _compiled(self, *kind):
        function = super()._compiled(*kind)

        def cramped(window):
            if window.shape[0] * window.shape[1] > self.limit:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return function(window)

        return cramped


@pytest.mark.parametrize("name", ["Compact", "UNet"])
def test_a_tile_that_runs_out_of_memory_is_halved(name):
    enlarger = _Cramped(tiny_generator(name))
    picture = _noise(90, 75)
    enlarger.limit = 10**9
    expected = _whole(enlarger, picture)
    enlarger.limit = (5 if name == "UNet" else 2) * picture.shape[0] * picture.shape[1] // 6
    np.testing.assert_allclose(_tiled(enlarger, picture, 100), expected, atol=1e-5)
    enlarger.limit = 100
    with pytest.raises(InputError, match="not enough memory for a tile"):
        _tiled(enlarger, picture, 100)


def test_tiles_follow_the_memory():
    enlarger = _enlarger("SPAN")
    need = bytes_per_pixel(enlarger.generator)
    # At the network's end 9 * 3 float32 values a pixel, and the maps of 8 channels before.
    assert 9 * 3 * 4 < need < 100 * 9 * 3 * 4
    areas = []
    for megabytes in (10, 100, 1000):
        tiling = plan(enlarger, (4000, 6000, 3), memory=megabytes * 1e6)
        height, width = (side + 2 * tiling.halo for side in tiling.tile)
        rows = 3 * tiling.tile[0] * 6000 * 9 * 3  # of the enlarged picture, made, waiting and encoded
        assert height * width * need + rows <= megabytes * 1e6
        areas.append(height * width)
    assert areas[0] < areas[1] / 5
    assert areas[1] < areas[2] / 5
    assert plan(enlarger, (100, 120, 3), memory=1e9).tile == (100, 120)
    for shape in ((1, 1), (1, 50000), (50000, 3), (17, 4000)):
        tiling = plan(enlarger, shape, memory=1e6)
        assert all(side >= min(16, length) for side, length in zip(tiling.tile, shape, strict=True))
    assert 1e6 < free_memory() < 1e14


def test_a_measured_halo_where_the_exact_one_is_dear():
    enlarger = _enlarger("RRDBNet")
    exact = enlarger.field.halo
    need = enlarger.bytes_per_pixel
    tiling = plan(enlarger, (500, 500, 3), memory=need * (exact * 3) ** 2)
    halo, error = measured_halo(enlarger, exact)
    assert tiling.halo == halo < exact
    assert 0 <= error < 0.5
    assert f"{halo} pixels" in tiling.note
    assert plan(enlarger, (500, 500, 3), halo="exact", memory=need * (exact * 3) ** 2).halo == exact
    picture = _noise(150, 150, dtype=np.uint8)
    levels = np.abs(_tiled(enlarger, picture, 40, halo).astype(int) - _whole(enlarger, picture))
    assert levels.max() <= 1


def test_every_generator_is_tested():
    assert set(TINY) == set(GENERATORS)
