"""LDL: the published map of artifacts, recomputed in NumPy, and its refinement by the averaged generator."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.artifacts import LDL, artifact_map
from sr_gan_tf.losses.trunk_loss import content_values


def pictures(seed=1):
    random = np.random.default_rng(seed)
    hr = random.uniform(0.2, 0.8, (2, 12, 10, 3))
    return hr, hr + random.normal(0, 0.1, hr.shape)


def by_hand(hr, sr):
    residual = np.abs(hr - sr).sum(-1)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(residual, [(0, 0), (3, 3), (3, 3)], "reflect"), (7, 7), (1, 2)
    )
    return residual.var(axis=(1, 2), ddof=1)[:, None, None] ** 0.2 * windows.var(axis=(-1, -2), ddof=1)


def test_the_map_and_the_loss_by_hand():
    hr, sr = pictures()
    expected = by_hand(hr, sr)
    np.testing.assert_allclose(artifact_map(tf.constant(hr), tf.constant(sr))[..., 0], expected, rtol=1e-6)
    assert float(LDL()(hr, sr)) == pytest.approx((expected[..., None] * np.abs(hr - sr)).mean(), rel=1e-4)


def test_refined_leaves_out_where_the_generator_beats_its_average():
    hr, sr = pictures()
    average = hr + np.where(np.arange(10)[:, None] < 5, 10.0, 0.0) * (
        sr - hr
    )  # worse on the left, perfect on the right
    refined = artifact_map(*(tf.constant(one) for one in (hr, sr, average)))[..., 0]
    np.testing.assert_array_equal(refined[:, :, :5], 0)
    np.testing.assert_allclose(refined[:, :, 5:], by_hand(hr, sr)[:, :, 5:], rtol=1e-6)
    value = content_values([LDL(refined=True)], hr, sr, None, average)[0]
    assert 0 < float(value) < float(LDL()(hr, sr))
    with pytest.raises(InputError, match="none was given"):
        LDL(refined=True)(hr, sr)


def test_scattered_dots_cost_more_than_the_same_error_spread_out():
    hr = np.full((1, 32, 32, 3), 0.5)
    dots, spread = hr.copy(), hr + 0.4 / 64
    dots[:, ::8, ::8] += 0.4
    assert np.abs(dots - hr).mean() == pytest.approx(np.abs(spread - hr).mean())
    assert float(LDL()(hr, dots)) > 100 * float(LDL()(hr, spread))
