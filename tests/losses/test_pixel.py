"""Pixel losses against values worked out by hand."""

import numpy as np
import pytest

from sr_gan_tf.losses.pixel import (
    Charbonnier,
    Huber,
    LogMeanSquaredError,
    MeanAbsoluteError,
    MeanSquaredError,
    TotalVariation,
    charbonnier,
    huber,
)

# Differences 0, 0.1, -0.2, 0.5 at the four pixels, alike in all channels.
HR = np.full((1, 2, 2, 3), 0.5, "float32")
SR = HR - np.array([0, 0.1, -0.2, 0.5], "float32").reshape(1, 2, 2, 1)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (MeanAbsoluteError(), 0.8 / 4),
        (MeanSquaredError(), (0.01 + 0.04 + 0.25) / 4),
        # ln(1 + 0.075 / 0.025)
        (LogMeanSquaredError(floor=0.025), 1.386294),
        # sqrt(0.01 + 0.01) = 0.141421, sqrt(0.04 + 0.01) = 0.223607, sqrt(0.25 + 0.01) = 0.509902, each less 0.1
        (Charbonnier(epsilon=0.1), (0.041421 + 0.123607 + 0.409902) / 4),
        # 0.1^2 / 2 = 0.005; beyond 0.1: 0.1 * (0.2 - 0.05) = 0.015 and 0.1 * (0.5 - 0.05) = 0.045
        (Huber(delta=0.1), (0.005 + 0.015 + 0.045) / 4),
    ],
)
def test_by_hand(loss, expected):
    assert float(loss(HR, SR)) == pytest.approx(expected, abs=1e-6)
    assert float(loss(HR, HR)) == 0


def test_total_variation_by_hand():
    image = np.array([[0, 1, 0], [0.5, 0.5, 0.5]], "float32").reshape(1, 2, 3, 1)
    # Down: 0.5, 0.5, 0.5, mean 0.5. Right: 1, 1, 0, 0, mean 0.5.
    assert float(TotalVariation()(image, image)) == pytest.approx(1.0)
    assert float(TotalVariation()(image, np.full_like(image, 0.3))) == 0


def test_charbonnier_is_exact_for_tiny_differences():
    # d^2 / (2 epsilon); a subtraction of two roots would give 0 in float32.
    hr = np.zeros((1, 1, 1, 1), "float32")
    assert float(charbonnier(hr, hr + 1e-6, 1e-3)) == pytest.approx(5e-10, rel=1e-4)


def test_huber_meets_its_two_halves():
    hr = np.zeros((1, 1, 1, 1))
    assert float(huber(hr, hr + 0.05, 0.05)) == pytest.approx(0.05**2 / 2)
    assert float(huber(hr, hr + 0.05 + 1e-9, 0.05)) == pytest.approx(0.05**2 / 2 + 0.05e-9, rel=1e-9)


def test_an_easy_picture_counts_as_much_as_a_hard_one():
    hr = np.zeros((2, 4, 4, 3), "float32")
    sr = hr + np.array([0.1, 0.2], "float32").reshape(2, 1, 1, 1)
    expected = (np.log1p(100.0) + np.log1p(400.0)) / 2
    assert float(LogMeanSquaredError()(hr, sr)) == pytest.approx(expected, rel=1e-5)
