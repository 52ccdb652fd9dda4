"""A gray picture stored as RGB stays gray, whatever a network does to colors."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data
from tiny import TINY, tiny_generator

from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.upscale import upscale


@pytest.fixture(scope="module")
def camera() -> np.ndarray:
    """A real photograph in gray, (40, 48) uint8."""
    return np.ascontiguousarray(data.camera()[180:220, 190:238])


@pytest.mark.parametrize("name", sorted(TINY))
def test_gray_stays_gray_through_every_network(camera, name):
    network = tiny_generator(name)
    alone = upscale(camera, model=network)
    assert np.array_equal(
        upscale(np.repeat(camera[..., None], 3, axis=2), model=network), np.repeat(alone[..., None], 3, 2)
    )


@pytest.mark.parametrize("settings", [Settings(match_color=True), Settings(seamless=True), Settings(scale=1.5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_with_every_depth_and_setting(camera, dtype, settings):
    values = {"u1": camera, "u2": camera.astype(np.uint16) * 257, "f4": camera.astype(np.float32) / 255}
    gray = values[np.dtype(dtype).str[1:]]
    result = upscale(np.repeat(gray[..., None], 3, axis=2), model=tiny_generator("Compact", scale=2), settings=settings)
    assert result.dtype == dtype
    assert result.shape[2] == 3
    assert np.ptp(result, axis=2).max() == 0


def test_lossy_gray_is_gray_and_color_is_color(camera):
    network = tiny_generator("Compact", scale=2)
    file = io.BytesIO()
    rgb = np.repeat(camera[..., None], 3, axis=2)
    Image.fromarray(rgb).save(file, "WEBP", quality=70)
    lossy = np.asarray(Image.open(file))
    assert np.ptp(lossy, axis=2).max() == 1
    assert np.ptp(upscale(lossy, model=network), axis=2).max() == 0
    rgb[5, 5] += np.array([3, 0, 0], np.uint8)
    assert np.ptp(upscale(rgb, model=network), axis=2).max() > 0
