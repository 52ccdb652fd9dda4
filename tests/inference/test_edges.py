"""The edges of pictures: continued by mirroring, so that no frame is drawn."""

import numpy as np
import pytest
from tiny import tiny_generator, whole

from sr_gan_tf.inference.enlarger import BORDER
from sr_gan_tf.inference.keras_enlarger import KerasEnlarger, enlarger_of
from sr_gan_tf.inference.tiling import enlarged_rows, plan
from sr_gan_tf.models import load

FLAT = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 255, 255),
    (0, 0, 0),
    (200, 30, 90),
    (128, 128, 128),
]


@pytest.mark.parametrize("name", ["span_x4", "span_x2", "span_x4_gan"])
def test_flat_pictures_stay_flat(name):
    # The zeros that convolutions pad with drew a frame of up to 35 levels.
    enlarger = enlarger_of(load(name).for_inference())
    assert enlarger.border == BORDER
    for color in FLAT:
        picture = np.empty((50, 41, 3), np.uint8)
        picture[:] = color
        for tile in (None, 16) if color in FLAT[:2] else (None,):  # tiles take six times as long
            blocks = list(enlarged_rows(enlarger, picture, plan(enlarger, picture.shape, tile)))
            result = np.concatenate(blocks).astype(int)
            middle = result[100 - 4 : 100 + 4, 80 - 4 : 80 + 4] if enlarger.scale == 4 else result[50:52, 40:42]
            # No frame: nowhere more than a level beyond the network's own texture in the middle.
            assert (result >= middle.min(axis=(0, 1)) - 1).all()
            assert (result <= middle.max(axis=(0, 1)) + 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 2), (9, 200)])
def test_pictures_smaller_than_the_border(shape):
    enlarger = KerasEnlarger(tiny_generator("SPAN"))
    picture = np.random.default_rng(0).random((*shape, 3), np.float32)
    found = np.concatenate(list(enlarged_rows(enlarger, picture, plan(enlarger, shape, 8))))
    np.testing.assert_allclose(found, whole(enlarger, picture, enlarger.border, enlarger.scale), atol=1e-5)


def test_networks_with_large_strides_get_no_border():
    assert KerasEnlarger(tiny_generator("UNet", num_downs=5)).border == 0
    assert KerasEnlarger(tiny_generator("UNet", num_downs=2)).border == BORDER
    assert KerasEnlarger(tiny_generator("UNet", num_downs=2, normalization="instance")).border == 0
