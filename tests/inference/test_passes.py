"""Several passes, matched colors and transparency: what happens between two networks."""

import numpy as np
import pytest
from skimage import data
from tiny import faithful_generator

from sr_gan_tf.inference.alpha import extended_colors
from sr_gan_tf.inference.chain import Chain
from sr_gan_tf.inference.keras_enlarger import KerasEnlarger
from sr_gan_tf.inference.passes import Settings, enlarge
from sr_gan_tf.inference.tile_plan import spans
from sr_gan_tf.upscale import upscale


@pytest.fixture(scope="module")
def network():
    return faithful_generator(3, scale=2)


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize("tile", [None, 33, 25])
def test_colors_are_matched_after_passes_in_any_tiles(network, tile, seamless):
    """Rows of tiles of the last network need not be multiples of the whole enlargement."""
    picture = np.ascontiguousarray(data.chelsea()[:75, :90])
    settings = Settings(match_color=True, tile=tile, seamless=seamless, halo=8)
    matched = upscale(picture, model=network, passes=2, settings=settings)
    assert matched.shape == (300, 360, 3)
    # The halo holds all that this network sees, so tiles make no difference.
    whole = upscale(picture, model=network, passes=2, settings=Settings(match_color=True, seamless=seamless))
    np.testing.assert_allclose(matched.astype(int), whole, atol=1)


@pytest.mark.parametrize(
    ("tile", "size"),
    [(None, (1080, 1920)), (None, (2000, 3000)), (None, (3025, 4031)), (33, (75, 90)), (25, (61, 47))],
)
@pytest.mark.parametrize("passes", [2, 3])
def test_tiles_of_later_passes_hold_whole_pixels_of_the_original(network, tile, size, passes):
    """With the default tiles, too, of which the number follows from the free memory."""
    chain = Chain("x2", (KerasEnlarger(network),) * passes)
    planned = enlarge(np.broadcast_to(np.uint8(0), (*size, 3)), chain, Settings(match_color=True, tile=tile))
    cut = 0
    for number, tiling in enumerate(planned.tilings):
        side = 2**number
        for length, largest in zip(size, tiling.tile, strict=True):
            parts = spans(length * side, largest, tiling.halo, tiling.alignment)
            assert {(part.last - part.first) % side for part in parts} == {0}
            cut += len(parts) - 1
    assert cut


def test_pixels_of_the_original_do_not_enlarge_small_tiles(network):
    chain = Chain("x2", (KerasEnlarger(network),) * 7)
    planned = enlarge(np.zeros((40, 40, 3), np.uint8), chain, Settings(tile=20))
    assert [tiling.alignment for tiling in planned.tilings] == [1, 2, 4, 8, 16, 1, 1]


def test_colors_behind_transparency_keep_their_type(network):
    picture = np.zeros((24, 24, 4), np.float32)
    picture[:, :12] = (0.4, 0.6, 0.2, 1.0)
    filled = extended_colors(picture[..., :3], picture[..., 3])
    np.testing.assert_allclose(filled, np.broadcast_to(np.float32((0.4, 0.6, 0.2)), filled.shape), atol=1e-6)
    levels = np.rint(picture * 255).astype(np.uint8)
    assert extended_colors(levels[..., :3], levels[..., 3])[5, 20].tolist() == [102, 153, 51]
    as_float, as_levels = upscale(picture, model=network), upscale(levels, model=network)
    visible = as_levels[..., 3] > 0
    np.testing.assert_allclose(as_float[visible], as_levels[visible] / 255, atol=0.02)
