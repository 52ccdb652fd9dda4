"""SSIM and its relatives against hand-worked values, tf.image and scikit-image."""

import math

import numpy as np
import pytest
import skimage.data
import skimage.metrics
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import structural
from sr_gan_tf.losses.structural import MSSSIM, MSSSIML1, SSIM, ms_ssim, ms_ssim_l1, ssim
from sr_gan_tf.resampling import imresize


@pytest.fixture(scope="module")
def photograph():
    """A photograph and its bicubic reconstruction from a quarter of the size, (1, 192, 200, 3)."""
    hr = skimage.data.chelsea()[60:252, 100:300].astype("float32")[None] / 255
    return hr, imresize(imresize(hr, 1 / 4), 4)


def test_ssim_agrees_with_tf_image_and_scikit_image(photograph):
    hr, sr = photograph
    ours = float(ssim(tf.constant(hr), tf.constant(sr)))
    assert ours == pytest.approx(float(tf.image.ssim(hr, sr, max_val=1.0)[0]), abs=1e-5)
    reference = skimage.metrics.structural_similarity(
        hr[0], sr[0], gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=2
    )
    assert ours == pytest.approx(reference, abs=1e-5)
    assert 0.5 < ours < 0.9
    assert float(SSIM()(hr, sr)) == pytest.approx(1 - ours)


@pytest.mark.parametrize("size", [192, 177, 161])
def test_ms_ssim_agrees_with_tf_image(photograph, size):
    # 161 is odd at every scale, where both average the last row with itself.
    hr, sr = (tf.constant(image[:, :size, :size]) for image in photograph)
    reference = tf.image.ssim_multiscale(hr, sr, max_val=1.0, power_factors=structural.MS_SSIM_WEIGHTS)[0]
    ours = float(ms_ssim(hr, sr))
    assert ours == pytest.approx(float(reference), abs=1e-5)
    assert 0.8 < ours < 1
    assert float(MSSSIM()(hr, sr)) == pytest.approx(1 - ours)


def test_ms_ssim_of_three_scales_agrees_with_tf_image(photograph):
    hr, sr = photograph
    weights = np.array(structural.MS_SSIM_WEIGHTS[:3]) / sum(structural.MS_SSIM_WEIGHTS[:3])
    reference = tf.image.ssim_multiscale(hr, sr, max_val=1.0, power_factors=tuple(weights))[0]
    assert float(ms_ssim(hr, sr, scales=3)) == pytest.approx(float(reference), abs=1e-5)


def test_flat_pictures_by_hand():
    """Without contrast only the luminance term is left: (2 * 0.2 * 0.6 + C1) / (0.2^2 + 0.6^2 + C1)."""
    hr, sr = (
        tf.fill((1, 41, 41, 3), tf.constant(0.2, tf.float64)),
        tf.fill((1, 41, 41, 3), tf.constant(0.6, tf.float64)),
    )
    luminance = (0.24 + 1e-4) / (0.40 + 1e-4)
    # The last of three scales holds the luminance; its weight is .3001 of .0448 + .2856 + .3001.
    expected = {
        SSIM(): 1 - luminance,
        MSSSIM(scales=3): 1 - luminance ** (0.3001 / 0.6305),
        MSSSIML1(alpha=0.1): 0.1 * (1 - luminance) + 0.9 * 0.4,
    }
    for loss, value in expected.items():
        assert float(loss.compute(hr, sr, None)) == pytest.approx(value, abs=1e-9)
        # In float32 a variance of pictures is known to 1e-7, which is seen beside C2 = 9e-4.
        assert float(loss(hr, sr)) == pytest.approx(value, abs=2e-4)


def test_a_single_window_by_hand():
    """Window 3 on a 3 x 3 picture: SSIM from weighted moments, computed with plain sums."""
    random = np.random.default_rng(1)
    x, y = random.uniform(size=(2, 3, 3))
    line = np.exp([-1 / (2 * 1.5**2), 0, -1 / (2 * 1.5**2)])
    w = np.outer(line, line) / line.sum() ** 2
    mx, my = (w * x).sum(), (w * y).sum()
    vx, vy, cov = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum(), (w * (x - mx) * (y - my)).sum()
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    ours = ssim(tf.constant(x[None, :, :, None]), tf.constant(y[None, :, :, None]), window=3)
    assert float(ours) == pytest.approx(expected, abs=1e-12)


def test_mix_by_its_definition(photograph):
    """MS-SSIM-L1 in NumPy: five full Gaussian windows of 33 pixels over the mirrored picture."""
    hr, sr = (image[0, :40, :48].astype("float64") for image in photograph)

    def smooth(image, sigma):
        g = np.exp(-0.5 * (np.arange(-16, 17) / sigma) ** 2)
        g /= g.sum()
        padded = np.pad(image, ((16, 16), (16, 16), (0, 0)), mode="reflect")
        padded = np.stack([np.tensordot(g, padded[i : i + 33], 1) for i in range(image.shape[0])])
        return np.stack([np.tensordot(g, padded[:, i : i + 33], (0, 1)) for i in range(image.shape[1])], axis=1)

    product = 1.0
    for sigma in (0.5, 1, 2, 4, 8):
        mx, my = smooth(hr, sigma), smooth(sr, sigma)
        vx, vy, cov = smooth(hr * hr, sigma) - mx**2, smooth(sr * sr, sigma) - my**2, smooth(hr * sr, sigma) - mx * my
        product = product * np.maximum((2 * cov + 9e-4) / (vx + vy + 9e-4), 0)
    product *= (2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4)
    expected = 0.1 * (1 - product.mean()) + 0.9 * smooth(np.abs(hr - sr), 8).mean()
    # Our smaller windows for small sigmas leave out 4-sigma tails.
    assert float(ms_ssim_l1(tf.constant(hr[None]), tf.constant(sr[None]))) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("shape", "size", "mirror"), [((2, 17, 40, 3), 33, True), ((1, 90, 33, 1), 33, True), ((2, 17, 40, 3), 11, False)]
)
def test_both_ways_to_blur_agree(shape, size, mirror, monkeypatch):
    image = tf.constant(np.random.default_rng(2).uniform(size=shape))
    assert structural._matrices_pay(image, size)
    matrices = structural.blur(image, size, size / 4, mirror)
    monkeypatch.setattr(structural, "_matrices_pay", lambda *arguments: False)
    np.testing.assert_allclose(structural.blur(image, size, size / 4, mirror), matrices, atol=1e-12)
    with_unknown_size = tf.function(
        lambda x: structural.blur(x, size, size / 4, mirror),
        input_signature=[tf.TensorSpec((None, None, None, shape[-1]), tf.float64)],
    )
    np.testing.assert_allclose(with_unknown_size(image), matrices, atol=1e-12)


def test_one_channel_is_blurred_in_a_graph():
    """TensorFlow's graph optimizer crashed the process on products between transpositions of one channel."""
    plane = tf.constant(np.random.default_rng(2).uniform(size=(8, 96, 96, 1)), tf.float32)
    compiled = tf.function(lambda x: structural.blur(x, 25, 4.0, mirror=True))
    for _ in range(3):
        np.testing.assert_allclose(compiled(plane), structural.blur(plane, 25, 4.0, mirror=True), atol=1e-6)


def _tensor_float(x):
    """float32 rounded to TensorFloat-32's 10 bits of mantissa."""
    bits = tf.bitcast(tf.cast(x, tf.float32), tf.uint32)
    return tf.bitcast(tf.bitwise.bitwise_and(bits + tf.constant(0x1000, tf.uint32), 0xFFFFE000), tf.float32)


@pytest.mark.parametrize("loss", [SSIM(), MSSSIM(scales=3), MSSSIML1()])
def test_tensor_float_32_does_not_reach_the_variances(photograph, loss, monkeypatch):
    """As on an Ampere GPU, where products and convolutions round their factors; smooth skies lose most."""
    hr, sr = (image[:, :96, :96] for image in photograph)
    sky = np.full((1, 96, 96, 3), 0.93, np.float32) + np.linspace(0, 0.02, 96, dtype=np.float32)[None, None, :, None]
    noisy = sky + np.random.default_rng(0).normal(0, 0.004, sky.shape).astype("float32")
    exact = [float(loss(*(tf.constant(image) for image in pair))) for pair in ((hr, sr), (sky, noisy))]
    for name in ("depthwise_conv2d", "conv2d"):
        original = getattr(tf.nn, name)
        rounded = lambda x, kernel, *args, original=original, **options: original(  # noqa: E731
            _tensor_float(x), _tensor_float(kernel), *args, **options
        )
        monkeypatch.setattr(tf.nn, name, rounded)
    product = tf.matmul
    monkeypatch.setattr(tf, "matmul", lambda a, b, **options: product(_tensor_float(a), _tensor_float(b), **options))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    for pair, value in zip(((hr, sr), (sky, noisy)), exact, strict=True):
        assert float(loss(*(tf.constant(image) for image in pair))) == pytest.approx(value, abs=1e-4)
    _, contrast = structural.similarity_maps(tf.constant(sky), tf.constant(noisy), 11, 1.5)
    assert float(tf.reduce_max(contrast)) <= 1 + 1e-4


@pytest.mark.parametrize("pair", ["negative", "black and white", "equal"])
def test_full_ms_ssim_and_its_gradient_are_finite(photograph, pair):
    x = tf.constant(photograph[0][:, :161, :161])
    hr, sr = {"negative": (x, 1 - x), "black and white": (0 * x, 0 * x + 1), "equal": (x, x)}[pair]
    for loss in (MSSSIM(), MSSSIML1()):
        with tf.GradientTape() as tape:
            tape.watch(sr)
            value = loss(hr, sr)
        assert math.isfinite(float(value))
        assert 0 <= float(value) <= 1
        assert np.isfinite(tape.gradient(value, sr).numpy()).all()


def test_too_small_for_five_scales_names_the_smallest_size():
    small = np.zeros((1, 160, 300, 3), "float32")
    with pytest.raises(
        InputError, match=r"MSSSIM needs pictures of at least 161 x 161 pixels, found 160 x 300; .*fewer"
    ):
        MSSSIM()(small, small)


def test_the_largest_number_of_scales_that_fits_is_named():
    assert MSSSIM().remedy(96) == ", or set scales to 4"
    assert MSSSIM(scales=4).smallest_size <= 96
    assert MSSSIM().remedy(48) == ", or set scales to 3"
    assert MSSSIM().remedy(8) == ", or set a smaller window"
