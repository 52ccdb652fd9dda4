"""Downscaling consistency by hand and against the data's own reduction."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.consistency import Consistency
from sr_gan_tf.resampling import imresize


def test_by_hand():
    # Reduction keeps a flat picture flat.
    sr, lr = np.full((2, 16, 24, 3), 0.5, "float32"), np.full((2, 4, 6, 3), 0.3, "float32")
    assert float(Consistency()(sr, sr, lr)) == pytest.approx(0.2)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_data_own_reduction_costs_nothing(scale):
    hr = np.random.default_rng(1).uniform(size=(1, 24, 48, 3)).astype("float32")
    assert float(Consistency()(hr, hr, imresize(hr, 1 / scale))) == pytest.approx(0, abs=1e-6)


def test_detail_that_the_reduction_removes_is_free():
    hr = np.full((1, 32, 32, 3), 0.5, "float32")
    checks = (np.indices((32, 32)).sum(0) % 2 * 2 - 1).astype("float32")[None, :, :, None]
    # The border, where the edge is repeated, keeps a little of it.
    assert float(Consistency()(hr, hr + 0.4 * checks, imresize(hr, 1 / 4))) < 0.02


def test_sizes_may_be_unknown():
    loss = Consistency()

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, None, None, 3))])
    def run(sr, lr):
        return loss(sr, sr, lr)

    hr = np.random.default_rng(2).uniform(size=(1, 16, 16, 3)).astype("float32")
    assert float(run(hr, imresize(hr, 1 / 2))) == pytest.approx(0, abs=1e-6)


def test_needs_the_lr_picture():
    hr = np.zeros((1, 8, 8, 3), "float32")
    with pytest.raises(InputError, match="LR picture"):
        Consistency()(hr, hr)
