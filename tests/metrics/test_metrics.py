"""Metrics: every published figure of bicubic on Set5 and Set14, hand-worked values, independent implementations."""

import math
import re

import keras
import numpy as np
import pytest
import scipy
import skimage.metrics
import tensorflow as tf
from PIL import Image

from sr_gan_tf.errors import InputError
from sr_gan_tf.metrics import (
    GROUPS,
    METRICS,
    PSNR,
    SSIM,
    checkerboard_ratio,
    detail_ratio,
    expand,
    flat_noise,
    gmsd,
    luma,
    mean_color,
    measure,
    ms_ssim,
    ms_ssim_y,
    psnr,
    psnr_rgb,
    psnr_y,
    ssim,
    ssim_y,
)  # fmt: skip
from sr_gan_tf.resampling import imresize

RANDOM = np.random.default_rng(11)


def read(path):
    return np.asarray(Image.open(path))


def photograph(side=200):
    """A textured picture: smooth color, edges, noise."""
    y, x = np.mgrid[:side, :side] / side
    waves = np.sin(40 * x * y)[..., None] + np.stack([x, y, 1 - x], -1) + RANDOM.normal(0, 0.08, (side, side, 3))
    return np.clip(127 + 60 * waves, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def published(benchmarks):
    """{("Set5", 4, "img001"): (psnr, ssim)} of the table that came with the pictures."""
    figures, place = {}, None
    for line in (benchmarks / "README.md").read_text().splitlines():
        if heading := re.match(r"### (\w+) x(\d)", line):
            place = (heading[1], int(heading[2]))
        if row := re.match(r"(img\d+)\t([\d.]+)\t([\d.]+)", line):
            figures[(*place, row[1])] = (float(row[2]), float(row[3]))
    assert len(figures) == 38
    return figures


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_bicubic_has_the_published_figures(benchmarks, published, name, scale):
    folder = benchmarks / name / f"x{scale}"
    for path in sorted((folder / "HR").iterdir()):
        hr, lr = read(path), read(folder / "LR" / path.name)
        sr = imresize(lr, scale)
        expected = published[name, scale, path.stem]
        ours = round(psnr_y(hr, sr, scale), 4), round(ssim_y(hr, sr, scale), 4)
        assert ours == expected, path.name


def test_float_luma_has_the_other_protocols_figures(benchmarks):
    # A gray picture counts as three equal channels there.
    for name, expected in (("Set5", (28.43, 0.8111)), ("Set14", (26.09, 0.7048))):
        rows = []
        for path in sorted((benchmarks / name / "x4" / "HR").iterdir()):
            hr, lr = (np.asarray(Image.open(p).convert("RGB")) for p in (path, benchmarks / name / "x4/LR" / path.name))
            rows.append((psnr_y(hr, imresize(lr, 4), 4, rounded=False), ssim_y(hr, imresize(lr, 4), 4, rounded=False)))
        means = np.mean(rows, axis=0)
        assert (round(means[0], 2), round(means[1], 4)) == expected


def test_luma_by_hand():
    colors = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]], np.uint8)
    np.testing.assert_array_equal(luma(colors)[0], [16, 235, 81, 145, 41, 32])  # the last: 31.588
    assert luma(colors, rounded=False)[0, 5] == pytest.approx(16 + (654.81 + 2571.06 + 748.98) / 255)
    np.testing.assert_array_equal(luma(np.array([[7, 200]], np.uint8)), [[7, 200]])


def test_psnr_by_hand():
    hr = np.zeros((4, 4), np.uint8)
    sr = hr.copy()
    assert psnr(hr, sr) == math.inf
    sr[1, 1] = 4  # mean squared error 16 / 16 = 1
    assert psnr(hr, sr) == pytest.approx(10 * math.log10(65025))
    assert psnr_y(hr, sr, 1) == pytest.approx(10 * math.log10(65025 / 4))  # 4 pixels left
    assert psnr_y(hr, sr, 0) == pytest.approx(48.1308, abs=1e-4)
    color = np.zeros((2, 2, 3), np.uint8)
    other = color.copy()
    other[..., 0] = 3  # all pixels, one channel of three: 3
    assert psnr_rgb(color, other, 0) == pytest.approx(10 * math.log10(65025 / 3))
    # Luma 16 + 3 * 65.481 / 255 = 16.77 rounds to 17.
    assert psnr_y(color, other, 0) == pytest.approx(10 * math.log10(65025))
    assert psnr_y(color, other, 0, rounded=False) == pytest.approx(-20 * math.log10(3 * 65.481 / 255 / 255))


def test_ssim_by_hand():
    flat, other = np.full((12, 15), 100.0), np.full((12, 15), 150.0)
    c1 = 2.55**2
    assert ssim(flat, flat) == 1
    assert ssim(flat, other) == pytest.approx((2 * 15000 + c1) / (10000 + 22500 + c1), abs=1e-12)
    noise = RANDOM.normal(0, 30, (64, 64))
    assert ssim(128 + noise, 128 - noise) < -0.9
    assert math.isnan(ssim(flat[:10], flat[:10]))


def test_a_gray_picture_is_compared_in_its_own_values():
    hr = photograph(40)[..., 0]
    sr = np.stack([hr, hr, np.minimum(hr, 252) + 3], axis=-1)  # the mean is one level more
    changed = hr[4:-4, 4:-4] <= 252
    assert changed.all()
    assert psnr_y(hr, sr, 4) == pytest.approx(10 * math.log10(65025))
    assert psnr_y(hr[..., None], sr, 4) == psnr_y(hr, sr, 4)
    assert psnr_rgb(hr, sr, 4) == pytest.approx(10 * math.log10(65025 / 3))


def test_agrees_with_scikit_image():
    for _ in range(4):
        hr = photograph(67)
        sr = np.clip(hr + RANDOM.normal(0, 12, hr.shape), 0, 255).astype(np.uint8)
        y_hr, y_sr = luma(hr)[3:-3, 3:-3], luma(sr)[3:-3, 3:-3]
        assert psnr_y(hr, sr, 3) == pytest.approx(
            skimage.metrics.peak_signal_noise_ratio(y_hr, y_sr, data_range=255), abs=1e-4
        )
        theirs = skimage.metrics.structural_similarity(
            y_hr, y_sr, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert ssim_y(hr, sr, 3) == pytest.approx(theirs, abs=1e-9)


def test_ms_ssim_agrees_with_tensorflow_and_survives_the_negative():
    hr = photograph(211)
    sr = imresize(imresize(hr, 0.25), size=(211, 211))
    y_hr, y_sr = (plane.astype(np.float32)[None, ..., None] for plane in (luma(hr), luma(sr)))
    assert ms_ssim_y(hr, sr, 0) == pytest.approx(float(tf.image.ssim_multiscale(y_hr, y_sr, 255)[0]), abs=2e-5)
    assert ms_ssim(luma(hr), luma(hr)) == pytest.approx(1)
    assert ms_ssim(luma(hr), 255 - luma(hr)) == 0
    assert math.isnan(ms_ssim(luma(hr)[:160], luma(sr)[:160]))
    assert ms_ssim(luma(hr)[:161], luma(sr)[:161]) > 0


def test_spectral_ratios():
    hr = photograph(160)
    assert detail_ratio(hr, hr, 4) == pytest.approx(1) == checkerboard_ratio(hr, hr, 4, 4)
    blurred = imresize(imresize(hr, 0.5), 2)
    assert detail_ratio(hr, blurred, 4) < 0.2
    grid = blurred.astype(int)
    grid[::4, ::4] += 12
    grid = np.clip(grid, 0, 255).astype(np.uint8)
    assert checkerboard_ratio(hr, grid, 4, 4) > 10 * checkerboard_ratio(hr, blurred, 4, 4)
    assert checkerboard_ratio(hr, grid, 4, 4) > 2
    # A cosine at 3/8 of the sampling rate with twice the amplitude has four times the power.
    x = np.arange(96)
    wave = np.cos(2 * np.pi * x * 3 / 8)[None].repeat(96, 0)
    quiet, loud = (np.round(128 + a * wave).astype(np.uint8) for a in (30, 60))
    assert detail_ratio(quiet, loud, 0) == pytest.approx(4, rel=0.01)
    assert detail_ratio(quiet.T, loud.T, 0) == pytest.approx(4, rel=0.01)
    assert checkerboard_ratio(quiet, loud, 0, 8) == pytest.approx(4, rel=0.01)
    assert math.isnan(checkerboard_ratio(hr, hr, 4, 5))
    assert math.isnan(detail_ratio(hr[:50], hr[:50], 4))


def test_mean_color_and_gmsd():
    hr = photograph(64) // 2
    assert mean_color(hr, hr, 2) == 0 == gmsd(hr, hr, 2)
    assert mean_color(hr, hr + np.array([1, 0, 3], np.uint8), 2) == pytest.approx(3)
    assert gmsd(hr, hr + np.uint8(9), 0) < 0.02  # a constant changes gradients only at the zero border
    hr = np.kron(RANDOM.integers(0, 256, (16, 16)), np.ones((4, 4))).astype(np.uint8)  # hard edges
    blurred = imresize(imresize(hr, 0.5), 2)
    assert 0.02 < gmsd(hr, blurred, 2) < gmsd(hr, imresize(imresize(hr, 0.25), 4), 2)


def test_gmsd_is_the_published_code_line_by_line():
    hr = np.kron(RANDOM.integers(0, 256, (13, 14)), np.ones((4, 4))).astype(np.uint8)
    sr = imresize(imresize(hr, 0.5), 2)

    def magnitude(plane):
        halved = scipy.signal.convolve2d(plane, np.full((2, 2), 0.25))[1::2, 1::2]  # MATLAB's 'same', every second
        prewitt = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(
            scipy.signal.convolve2d(halved, prewitt, mode="same"),
            scipy.signal.convolve2d(halved, prewitt.T, mode="same"),
        )

    first, second = magnitude(hr.astype(float)), magnitude(sr.astype(float))
    similarity = (2 * first * second + 170) / (first**2 + second**2 + 170)
    assert gmsd(hr, sr, 0) == pytest.approx(similarity.std(), abs=1e-12)


def test_names_carry_the_protocol():
    hr = photograph(64)
    figures = measure(hr, hr[..., ::-1], 4, ["psnr_y", "ssim_yfloat", "mean_color"])
    assert list(figures) == ["psnr_y_crop4", "ssim_yfloat_crop4", "mean_color_crop4"]
    assert figures["psnr_y_crop4"] == psnr_y(hr, hr[..., ::-1], 4)
    assert list(measure(hr, hr, 4, ["gmsd"], crop=0)) == ["gmsd_crop0"]
    everything = measure(textured(3, 200), textured(4, 200), 2, METRICS)
    assert all(math.isfinite(value) for value in everything.values())
    assert len(everything) == len(METRICS)
    with pytest.raises(InputError, match="no metric 'psnr'; did you mean 'psnr_y'"):
        measure(hr, hr, 4, ["psnr"])


@pytest.mark.parametrize(
    ("sr", "crop", "message"),
    [
        (np.zeros((30, 31, 3), np.uint8), 4, "SR has 31x30 pixels, HR has 30x30"),
        (np.zeros((30, 30, 3), np.float32), 4, "SR is float32"),
        (np.zeros((30, 30, 4), np.uint8), 4, r"SR is uint8 \(30, 30, 4\)"),
        (np.zeros((30, 30, 3), np.uint8), 15, "nothing is left of 30x30"),
    ],
)
def test_what_cannot_be_compared(sr, crop, message):
    with pytest.raises(ValueError, match=message):
        psnr_y(np.zeros((30, 30, 3), np.uint8), sr, crop)


def test_keras_shells_equal_the_functions():
    hr = np.stack([photograph(60), photograph(60)])
    sr = np.clip(hr + RANDOM.normal(0, 9, hr.shape), 0, 255).astype(np.uint8)
    cases = [
        (PSNR(4), psnr_y, {}, "psnr_y_crop4"),
        (PSNR(3, "rgb"), psnr_rgb, {}, "psnr_rgb_crop3"),
        (PSNR(4, "yfloat"), psnr_y, {"rounded": False}, "psnr_yfloat_crop4"),
        (SSIM(4), ssim_y, {}, "ssim_y_crop4"),
        (SSIM(2, "yfloat"), ssim_y, {"rounded": False}, "ssim_yfloat_crop2"),
    ]
    for metric, function, arguments, name in cases:
        for compiled in (False, True):
            metric.reset_state()
            update = tf.function(metric.update_state, jit_compile=True) if compiled else metric.update_state
            update(tf.constant(hr / 255.0, tf.float32), tf.constant(sr / 255.0, tf.float32))
            expected = np.mean([function(a, b, metric.crop, **arguments) for a, b in zip(hr, sr, strict=True)])
            assert float(metric.result()) == pytest.approx(expected, abs=1e-5)
        assert metric.name == name
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert again.get_config() == metric.get_config()
    with pytest.raises(ValueError, match="no channels 'luma'"):
        PSNR(4, "luma")


def textured(seed=3, size=160):
    """Noise over a coarse structure, with a flat corner."""
    random = np.random.default_rng(seed)
    coarse = imresize(random.integers(0, 256, (size // 8, size // 8, 3), np.uint8), size=(size, size))
    picture = np.clip(coarse + random.normal(0, 8, (size, size, 3)), 0, 255).astype(np.uint8)
    picture[:48, :48] = 120
    return picture


def test_flat_noise_is_the_noise_in_flat_places_in_gray_levels():
    hr = textured()
    for deviation in (0.0, 2.0, 6.0):
        sr = hr.copy()
        noise = np.random.default_rng(1).normal(0, deviation, (48, 48, 1))
        sr[:48, :48] = np.clip(np.round(120 + noise), 0, 255)
        expected = deviation * math.sqrt(1 - 1 / 25)  # the 5 x 5 mean takes its share along
        assert flat_noise(hr, sr, 4) == pytest.approx(expected, abs=0.35)
    # Noise elsewhere does not count, and smoothing below HR's own grain counts below zero.
    elsewhere = hr.copy()
    elsewhere[60:, 60:] = np.random.default_rng(2).integers(0, 256, elsewhere[60:, 60:].shape)
    assert flat_noise(hr, elsewhere, 4) == 0
    grain = np.full((64, 64, 3), 100, np.uint8) + np.random.default_rng(4).integers(0, 3, (64, 64, 1), np.uint8)
    assert flat_noise(grain, np.full_like(grain, 101), 0) == pytest.approx(-np.std(grain), abs=0.1)
    assert math.isnan(flat_noise(photograph(64), photograph(64), 0))


@pytest.mark.parametrize(
    ("name", "frequency"), [("spectrum_10", 7 / 48), ("spectrum_20", 12 / 48), ("spectrum_40", 22 / 48)]
)
def test_each_band_sees_its_own_frequencies(name, frequency):
    hr = textured(size=192)
    wave = 30 * np.cos(2 * np.pi * frequency * np.arange(192))
    sr = np.clip(hr + wave[:, None], 0, 255).astype(np.uint8)
    flat = {one: METRICS[one].function(hr, hr, 4, 4) for one in GROUPS["spectrum"]}
    assert flat == dict.fromkeys(GROUPS["spectrum"], 1.0)
    figures = {one: METRICS[one].function(hr, sr, 4, 4) for one in GROUPS["spectrum"]}
    assert max(figures, key=figures.get) == name
    assert figures[name] > 1.5
    blurred = imresize(imresize(hr, 0.25), 4)
    bands = [METRICS[one].function(hr, blurred, 4, 4) for one in GROUPS["spectrum"]]
    assert bands[1] < bands[0] < 1
    assert bands[3] < 0.1


def test_groups_stand_for_their_members():
    assert expand(["psnr_y", "spectrum", "psnr_y"]) == ["psnr_y", *GROUPS["spectrum"]]
    assert set(expand(GROUPS)) <= set(METRICS)
