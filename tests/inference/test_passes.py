"""Several passes, matched colors and transparency: what happens between two networks."""

import numpy as np
import pytest
from skimage import data
from tiny import faithful_generator

from sr_gan_tf.inference.alpha import extended_colors
from sr_gan_tf.inference.passes import Settings
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
