"""Color losses by hand, and against an exact earth mover's distance."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.losses.color import ColorHistogram, LowPassColor, MeanColor, color_histogram, soft_histogram


def flat(*colors, size=12):
    return np.array(colors, "float32").reshape(len(colors), 1, 1, 3) * np.ones((1, size, size, 1), "float32")


def test_mean_color_by_hand():
    hr, sr = flat((0.1, 0.2, 0.3), (0.5, 0.5, 0.5)), flat((0.2, 0.2, 0.0), (0.5, 0.5, 0.5))
    assert float(MeanColor()(hr, sr)) == pytest.approx((0.1 + 0 + 0.3 + 0) / 6)
    # Only the mean counts.
    noise = np.tile(np.float32([0.1, -0.1]), 12 * 6).reshape(1, 12, 12, 1)
    assert float(MeanColor()(hr, hr + noise)) == pytest.approx(0, abs=1e-6)


def test_soft_histogram_by_hand():
    # Bins at 0, 0.5, 1: 0.25 is shared by the first two, 0.9 falls 0.2 / 0.8 on the last two.
    image = np.array([0.25, 0.9, 0.5, 1.0], "float32").reshape(1, 2, 2, 1)
    expected = np.array([0.5, 0.5 + 0.2 + 1, 0.8 + 1]) / 4
    np.testing.assert_allclose(soft_histogram(image, 3)[0, 0], expected, atol=1e-6)


def test_each_picture_and_channel_has_its_own_histogram():
    image = np.random.default_rng(1).uniform(size=(2, 5, 4, 3))
    whole = soft_histogram(tf.constant(image), 8).numpy()
    assert whole.shape == (2, 3, 8)
    np.testing.assert_allclose(whole.sum(-1), 1)
    for n in range(2):
        for c in range(3):
            alone = soft_histogram(tf.constant(image[n : n + 1, :, :, c : c + 1]), 8).numpy()[0, 0]
            np.testing.assert_allclose(whole[n, c], alone)


def test_histogram_distance_by_hand():
    # All of a channel moves by 0.3: that is the earth mover's distance, wherever the bins are.
    hr, sr = flat((0.2, 0.4, 0.6)), flat((0.5, 0.4, 0.6))
    assert float(ColorHistogram()(hr, sr)) == pytest.approx(0.3 / 3, abs=1e-6)


def test_histogram_distance_is_the_mean_difference_of_sorted_values():
    random = np.random.default_rng(2)
    x, y = random.uniform(size=(2, 1, 30, 30, 1)) ** [[[[[1]]]], [[[[2]]]]]
    exact = np.abs(np.sort(x.ravel()) - np.sort(y.ravel())).mean()
    assert float(color_histogram(tf.constant(x), tf.constant(y), bins=256)) == pytest.approx(exact, rel=0.01)


def test_histogram_ignores_places_but_not_values_beyond_the_range():
    random = np.random.default_rng(3)
    x = random.uniform(size=(1, 8, 8, 3)).astype("float32")
    assert float(ColorHistogram()(x, x[:, ::-1, ::-1])) == pytest.approx(0, abs=1e-6)
    beyond = tf.constant(flat((1.2, 1.2, 1.2)))
    with tf.GradientTape() as tape:
        tape.watch(beyond)
        value = ColorHistogram()(flat((1.0, 1.0, 1.0)), beyond)
    assert float(value) == pytest.approx(0.2, abs=1e-5)
    assert float(tf.reduce_min(tape.gradient(value, beyond))) > 0


def test_low_pass_color_by_hand():
    hr, sr = flat((0.5, 0.5, 0.5), size=40), flat((0.6, 0.5, 0.5), size=40)
    assert float(LowPassColor()(hr, sr)) == pytest.approx(0.1 / 3, abs=1e-6)
    # A checkered pattern is detail: sigma 3 lets almost nothing of it through.
    checks = (np.indices((40, 40)).sum(0) % 2 * 2 - 1).astype("float32")[None, :, :, None]
    assert float(LowPassColor()(hr, hr + 0.4 * checks)) < 1e-3
