"""Fourier amplitude loss by hand, against NumPy, and its half spectrum against the whole."""

import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.frequency import Checkerboard, FourierAmplitude, FrequencyBand, band_error, fourier_amplitude


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), (1, 7, 9, 2), (1, 5, 4, 1)])
@pytest.mark.parametrize(("focus", "phase"), [(0.0, False), (1.0, False), (1.0, True), (0.5, False)])
def test_by_its_definition(shape, focus, phase):
    x, y = np.random.default_rng(1).uniform(size=(2, *shape))
    real, fake = (np.fft.fft2(image, axes=(1, 2), norm="ortho") for image in (x, y))
    distance = np.abs(real - fake) if phase else np.abs(np.abs(real) - np.abs(fake))
    weight = (distance / distance.max(axis=(1, 2), keepdims=True)) ** focus
    ours = fourier_amplitude(tf.constant(x), tf.constant(y), focus, phase)
    assert float(ours) == pytest.approx((weight * distance**2).mean(), rel=1e-9)


def test_by_hand():
    # Flat pictures of 4 x 4: one frequency, amplitude 4 * value; (4 * 0.5 - 4 * 0.25)^2 / 16 positions.
    hr, sr = np.full((1, 4, 4, 3), 0.5, "float32"), np.full((1, 4, 4, 3), 0.25, "float32")
    assert float(FourierAmplitude()(hr, sr)) == pytest.approx(1 / 16)


def test_a_shifted_texture_costs_nothing_unless_phase_counts():
    x = np.random.default_rng(2).uniform(size=(1, 16, 16, 3)).astype("float32")
    shifted = np.roll(x, 3, axis=1)
    assert float(FourierAmplitude()(x, shifted)) < 1e-9
    assert float(FourierAmplitude(phase=True)(x, shifted)) > 1e-2


def test_without_focus_the_phase_form_is_the_mean_squared_error():
    x, y = np.random.default_rng(3).uniform(size=(2, 1, 10, 12, 3)).astype("float32")
    assert float(FourierAmplitude(focus=0, phase=True)(x, y)) == pytest.approx(np.square(x - y).mean(), rel=1e-5)


def test_the_focus_weights_get_no_gradient():
    """With constant weights w = |d| / max|d| the gradient of w d^2 is 2 w d; with live ones it would be another."""
    x, y = (tf.constant(image) for image in np.random.default_rng(4).uniform(size=(2, 1, 6, 6, 1)))
    with tf.GradientTape() as tape:
        tape.watch(y)
        value = fourier_amplitude(x, y, focus=1.0, phase=True)
    difference = np.fft.fft2((y - x).numpy()[0, :, :, 0], norm="ortho")
    weight = np.abs(difference) / np.abs(difference).max()
    expected = 2 * np.fft.ifft2(weight * difference, norm="ortho").real / 36
    np.testing.assert_allclose(tape.gradient(value, y)[0, :, :, 0], expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 14, 15, 3), (1, 15, 14, 1), (1, 16, 16, 2)])
@pytest.mark.parametrize("amplitude", [False, True])
def test_the_band_by_its_definition(shape, amplitude):
    x, y = np.random.default_rng(5).uniform(size=(2, *shape))
    real, fake = (np.fft.fft2(image, axes=(1, 2), norm="ortho") for image in (x, y))
    distance = np.abs(np.abs(real) - np.abs(fake)) if amplitude else np.abs(real - fake)
    radius = np.hypot(np.fft.fftfreq(shape[1])[:, None], np.fft.fftfreq(shape[2]))
    expected = distance[:, (radius >= 0.3) & (radius < 0.55)].mean()
    assert float(band_error(tf.constant(x), tf.constant(y), 0.3, 0.55, amplitude)) == pytest.approx(expected, rel=1e-6)


def test_only_frequencies_of_the_band_count():
    x = np.random.default_rng(6).uniform(size=(1, 32, 32, 3)).astype("float32")
    position = np.arange(32)[None, None, :, None]
    for cycles, inside in ((0.25, False), (0.375, False), (0.4375, True), (0.5, True)):
        stripes = 0.1 * np.cos(2 * np.pi * cycles * position + 0.5).astype("float32")
        error = float(FrequencyBand(start=0.4)(x, x + stripes))
        assert (error > 1e-3) == inside, cycles
        assert error > 1e-3 or error < 3e-5


def test_a_band_that_contains_nothing_is_refused():
    assert FrequencyBand(start=0.6).smallest_size == 6  # 0.71 at 2 and 4 pixels, none at 3 and 5
    for start, end, message in (
        (0.4, 0.4, "expected 0 <= start < end"),
        (-0.1, 0.4, "expected 0 <= start < end"),
        (0.75, 1.0, "no frequency from 0.75 to 1.0; widen the band"),
        (0.4 + 1e-9, 0.4 + 2e-9, "widen the band"),
    ):
        with pytest.raises(ValueError, match=message):
            FrequencyBand(start=start, end=end)


def test_the_grid_by_hand_and_nothing_else():
    hr = np.random.default_rng(3).uniform(size=(2, 24, 48, 3)).astype("float32")
    lr = hr[:, ::4, ::4]
    grid = np.zeros((4, 4), "float32")
    grid[0, 0] = 1.6  # one phase of sixteen: mean 0.1, so 1.5 there and -0.1 at fifteen
    with_grid = hr + np.tile(grid, (6, 12))[None, :, :, None]
    assert float(Checkerboard()(hr, with_grid, lr)) == pytest.approx(2 * 1.5 / 16, rel=1e-4)
    assert float(Checkerboard()(hr, hr + 0.3, lr)) == pytest.approx(0, abs=1e-6)  # a color is no grid
    stripes = hr + 0.1 * np.cos(np.pi * np.arange(48) / 12).astype("float32")[None, None, :, None]  # period 24
    assert float(Checkerboard()(hr, stripes, lr)) < 0.01
    with pytest.raises(InputError, match="scale from the LR"):
        Checkerboard()(hr, hr)


def test_a_grid_in_one_place_is_seen_by_small_windows():
    hr = np.zeros((1, 96, 96, 3), "float32")
    sr = hr.copy()
    sr[:, :24:4, :24:4] = 1.6
    local, whole = (float(Checkerboard(window)(hr, sr, hr[:, ::4, ::4])) for window in (24, 96))
    assert local == pytest.approx(whole, rel=1e-5)  # of a lone grid the means are alike
    sr[:, 24:48:4, :24:4] = -1.6
    assert float(Checkerboard(24)(hr, sr, hr[:, ::4, ::4])) == pytest.approx(2 * local, rel=1e-5)
    assert float(Checkerboard(96)(hr, sr, hr[:, ::4, ::4])) == pytest.approx(0, abs=1e-6)
