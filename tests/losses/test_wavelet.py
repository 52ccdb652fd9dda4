"""Wavelet: its bands are those of a perfect-reconstruction filter bank, and each weight reaches its own band."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.losses.wavelet import _SYMLET_7, Wavelet, wavelet_bands


def test_the_filter_is_an_orthogonal_wavelets():
    taps = np.array(_SYMLET_7)
    assert taps.sum() == pytest.approx(2**0.5)
    for shift in range(0, len(taps), 2):
        assert taps[shift:] @ taps[: len(taps) - shift] == pytest.approx(float(shift == 0), abs=1e-9)
    # Seven vanishing moments: the high-pass filter sees no polynomial below degree seven.
    high = taps[::-1] * (-1.0) ** np.arange(len(taps))
    for degree in range(4):
        assert high @ np.arange(len(taps)) ** degree == pytest.approx(0, abs=1e-6)


def test_energy_of_the_bands_is_that_of_the_picture():
    """With filters of unit gain the four bands of the undecimated transform share the picture's energy."""
    random = np.random.default_rng(1)
    picture = np.zeros((1, 64, 64, 1))
    picture[:, 20:44, 20:44] = random.normal(size=(1, 24, 24, 1))
    low, high = wavelet_bands(tf.constant(picture))
    energy = float(tf.reduce_sum(tf.square(low)) + tf.reduce_sum(tf.square(high)))
    assert energy == pytest.approx(float(np.square(picture).sum()), rel=1e-6)


@pytest.mark.parametrize("axis", [1, 2])
def test_smooth_errors_lie_in_the_low_band_and_fine_ones_in_the_high_bands(axis):
    hr = np.full((1, 48, 48, 3), 0.5)
    index = np.arange(48).reshape((1, 48, 1, 1) if axis == 1 else (1, 1, 48, 1))
    smooth, fine = (hr + 0.1 * np.cos(2 * np.pi * frequency * (index + 0.5)) for frequency in (1 / 48, 0.5 - 1 / 48))
    low, high = Wavelet(), Wavelet(low=0.0, high=1.0)
    assert float(low(hr, smooth)) > 100 * float(high(hr, smooth))
    assert float(high(hr, fine)) > 10 * float(low(hr, fine))


def test_weights_that_make_no_sense_are_refused():
    for weights in ({"low": 0.0}, {"low": -1.0}, {"high": -0.1}):
        with pytest.raises(ValueError, match="low and high must be 0 or more"):
            Wavelet(**weights)
