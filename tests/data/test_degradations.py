"""Degradations: right, the same eagerly and in tf.data, and random where they say so."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sr_gan_tf import config
from sr_gan_tf.data import kernels
from sr_gan_tf.data.catalog import build_degradation
from sr_gan_tf.data.noise import through_jpeg, with_gaussian_noise, with_poisson_noise
from sr_gan_tf.data.realistic import Realistic, Round, SecondRound, _beta, odd_size
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.errors import InputError
from sr_gan_tf.resampling import imresize

CASES = [
    ("Bicubic", {}),
    ("Resize", {"kernel": "bilinear"}),
    ("Resize", {"kernel": "area"}),
    ("Resize", {"kernel": "lanczos3"}),
    ("Resize", {"kernel": "nearest"}),
    ("BlurResize", {}),
    ("BlurResize", {"order": "blur_resize", "kernel": "bicubic", "sigma": [1.0, 3.0], "taps": 13}),
    ("NoiseJPEG", {}),
    ("NoiseJPEG", {"sigma": [0.0, 0.0], "jpeg": [90, 90]}),
    ("NoiseJPEG", {"jpeg": None}),
    ("Realistic", {}),
]


@pytest.fixture(scope="module")
def hr():
    y, x = np.mgrid[:72, :80]
    waves = np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x * y) / 300)], -1) * 90 + 128
    return (waves + np.random.default_rng(0).normal(0, 8, waves.shape)).clip(0, 255).astype(np.uint8)


def make(name, options, scale=4):
    data = config.Data(
        train=(config.SourceSpec("SamplePhotographs"),), degradation=config.Spec(name, {"scale": scale, **options})
    )
    return build_degradation(data, scale)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_same_eagerly_and_in_tf_data(name, options, hr):
    degradation = make(name, options)
    eager = degradation(hr, seed=5)
    assert isinstance(eager, np.ndarray)
    assert eager.dtype == np.uint8
    assert eager.shape == (18, 20, 3)
    np.testing.assert_array_equal(degradation(tf.constant(hr), tf.constant(5)), eager)
    dataset = tf.data.Dataset.from_tensors(hr).map(lambda picture: degradation(picture, tf.constant(5)))
    assert dataset.element_spec.shape == (18, 20, 3)
    np.testing.assert_array_equal(next(dataset.as_numpy_iterator()), eager)
    batch = degradation(np.stack([hr, hr[::-1]]), seed=5)
    np.testing.assert_array_equal(batch[0], eager)
    batches = tf.data.Dataset.from_tensors(np.stack([hr, hr[::-1]])).map(lambda pictures: degradation(pictures, 5))
    np.testing.assert_array_equal(next(batches.as_numpy_iterator()), batch)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_random_ones_follow_the_seed_and_configurations_make_twins(name, options, hr):
    degradation = make(name, options)
    first, again, other = (degradation(hr, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    moves = degradation.is_random
    assert (first != other).any() == moves
    twin = make(name, degradation.get_config())
    np.testing.assert_array_equal(twin(hr, 1), first)
    # LR stays a picture of HR: no shift, no change of color.
    bicubic = imresize(hr, 0.25).astype(float)
    assert np.corrcoef(bicubic.ravel(), first.astype(float).ravel())[0, 1] > 0.6
    assert degradation.margin % 4 == 0


def test_bicubic_and_resize_are_imresize(hr):
    np.testing.assert_array_equal(make("Bicubic", {})(hr), imresize(hr, 0.25))
    np.testing.assert_array_equal(
        make("Resize", {"kernel": "area"})(hr[:64, :64]), imresize(hr[:64, :64], 0.25, kernel="area")
    )
    blocks = hr.reshape(18, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(make("Resize", {"kernel": "area"})(hr) - blocks).max() <= 1.01


def test_bicubic_equals_the_published_lr_pictures(benchmarks):
    for scale in (2, 4):
        folder = benchmarks / f"Set5/x{scale}"
        for path in sorted((folder / "HR").iterdir())[:2]:
            lr = np.asarray(Image.open(folder / "LR" / path.name))
            np.testing.assert_array_equal(make("Bicubic", {}, scale)(np.asarray(Image.open(path))), lr)


def test_the_celeba_recipe(hr):
    """Reduced by bilinear, then blurred with 25 taps of a known width."""
    degradation = make("BlurResize", {"sigma": [1.5, 1.5]})
    small = imresize(hr.astype(np.float32) / 255, 0.25, kernel="bilinear")
    line = np.exp(-(np.arange(-12, 13) ** 2) / (2 * 1.5**2))
    line /= line.sum()
    padded = np.pad(small, ((12, 12), (12, 12), (0, 0)), "reflect")
    expected = sum(line[i] * line[j] * padded[i : i + 18, j : j + 20] for i in range(25) for j in range(25))
    assert np.abs(degradation(hr) - expected * 255).max() < 0.51


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("BlurResize", {"taps": 24}, "odd"),
        ("BlurResize", {"sigma": [2.0, 1.0]}, "sigma"),
        ("NoiseJPEG", {"jpeg": [0, 95]}, "jpeg"),
        ("Realistic", {"first": {"sigmas": [0.1, 1.0]}}, "config.first.sigmas"),
        ("Realistic", {"first": {"resize": [1.5, 0.2]}}, "resize"),
        ("Realistic", {"second": {"shapes": {"round": 1.0}}}, "shapes: expected weights of iso"),
        ("Realistic", {"resizers": ["lanczos"]}, "resizers"),
        ("Realistic", {"clean": 1.5}, "clean: expected a probability"),
        ("Realistic", {"clean": 1.0, "margin": 32}, "clean: 1 leaves the other arguments without effect"),
        ("Realistic", {"first": {"blur": 0.0, "sigma": [0.2, 1.0]}}, "sigma: has no effect, since blur is 0"),
        ("Realistic", {"first": {"sinc": 1.0, "shapes": {"iso": 1.0}}}, "shapes: has no effect, since sinc is 1"),
        ("Realistic", {"second": {"gaussian": 1.0, "poisson_scale": [0.1, 1.0]}}, "poisson_scale: has no effect"),
        ("Realistic", {"second": {"gaussian": 0.0, "gaussian_sigma": [0.1, 1.0]}}, "gaussian_sigma: has no effect"),
        ("Realistic", {"first": {"shapes": {"iso": 1.0}, "plateau_beta": [1.0, 3.0]}}, "no shape is a plateau"),
        ("Realistic", {"first": {"up": 0.0, "down": 0.0, "resize": [0.5, 1.0]}}, "resize: has no effect"),
        ("Realistic", {"first": {"shapes": {"iso": -1.0, "aniso": 2.0}}}, "shapes: expected weights"),
        ("Realistic", {"final_sinc": 0.0, "final_kernel_size": [3, 5]}, "final_kernel_size: has no effect"),
        ("Resize", {"kernel": "area", "antialias": False}, "antialias: has no effect"),
        ("Resize", {"kernel": "nearest", "border": "symmetric"}, "border: has no effect"),
        ("BlurResize", {"taps": 1}, "taps: expected an odd number from 3"),
        ("NoiseJPEG", {"sigma": [0.0, 0.0], "jpeg": None}, "use Bicubic"),
        ("NoiseJPEG", {"sigma": [0.0, 0.0], "gray": 1.0}, "gray: has no effect, since sigma is 0"),
        ("NoiseJPEG", {"grey": 1.0}, "config.grey: NoiseJPEG takes no such argument; did you mean 'gray'"),
        ("Realistic", {"first": {"grey": 0.2}}, "config.first.grey: unknown key; did you mean 'gray'"),
        ("Bicubik", {}, "did you mean 'Bicubic'"),
        ("Resize", {"kernel": "cubic"}, "kernel"),
        ("Bicubic", {"scale": 2}, "but that of the experiment is 4"),
    ],
)
def test_bad_configurations(name, options, message):
    with pytest.raises(InputError, match=f"data.degradation.*{message}"):
        make(name, options)


def test_kernels_are_what_they_are_called():
    plain = kernels.gaussian(21, (2.0, 2.0))
    y, x = np.mgrid[-10:11, -10:11]
    np.testing.assert_allclose(plain, np.exp(-(x**2 + y**2) / 8) / np.exp(-(x**2 + y**2) / 8).sum(), rtol=1e-5)
    stretched = kernels.gaussian(21, (3.0, 1.0), angle=0.0)
    assert np.sqrt((stretched * x**2).sum()) > 2 * np.sqrt((stretched * y**2).sum())
    np.testing.assert_allclose(kernels.gaussian(21, (3.0, 1.0), np.pi / 2), stretched.T, atol=1e-6)
    flat = kernels.gaussian(21, (3.0, 3.0), beta=4.0)
    assert flat[10, 12] / flat[10, 10] > plain[10, 12] / plain[10, 10]
    tails = kernels.plateau(21, (1.0, 1.0))
    assert tails[10, 20] > kernels.gaussian(21, (1.0, 1.0))[10, 20] * 100
    for kernel in (plain, stretched, flat, tails, kernels.sinc(21, 2.0)):
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert kernel.dtype == np.float32
        np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-7)


def test_sinc_keeps_what_lies_below_the_cutoff():
    spectrum = np.abs(np.fft.fft2(kernels.sinc(101, np.pi / 2), (256, 256)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256))) * 2 * np.pi
    assert spectrum[frequency < 1.2].min() > 0.85
    assert spectrum[(frequency > 2) & (frequency < 3)].max() < 0.15


def test_blurring_by_fft_is_the_sum_over_taps():
    image = np.random.default_rng(1).random((13, 17, 3)).astype(np.float32)
    kernel = kernels.gaussian(7, (2.0, 0.7), 0.4)
    padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), "reflect")
    # Kernels are symmetric about their center, so convolution and correlation are one.
    expected = sum(kernel[i, j] * padded[i : i + 13, j : j + 17] for i in range(7) for j in range(7))
    np.testing.assert_allclose(kernels.blurred(image, kernel), expected, atol=1e-5)


def test_noise_has_the_size_it_is_given():
    gray = np.full((200, 200, 3), 0.5, np.float32)
    random = np.random.default_rng(0)
    noise = with_gaussian_noise(gray, 10.0, False, random) - gray
    assert noise.std() * 255 == pytest.approx(10, rel=0.02)
    assert noise[..., 0].std() == pytest.approx(noise[..., 1].std(), rel=0.05)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02
    same = with_gaussian_noise(gray, 10.0, True, random)
    assert (same[..., 0] == same[..., 2]).all()
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32)[None, :, None], (400, 1, 3))
    shot = with_poisson_noise(ramp, 1.0, False, random) - np.rint(ramp * 255) / 255
    # 256 levels: the variance of a Poisson count over 256 is value / 256.
    assert shot[:, 128].var() == pytest.approx(128 / 255 / 256, rel=0.1)
    assert shot[:, 64].var() == pytest.approx(64 / 255 / 256, rel=0.1)
    same = with_poisson_noise(ramp, 1.0, True, random) - ramp
    np.testing.assert_allclose(same[:, 100, 0], same[:, 100, 1], atol=1e-6)


def test_jpeg_hurts_more_at_lower_quality_and_moves_with_its_phase(hr):
    image = hr.astype(np.float32) / 255
    errors = [np.abs(through_jpeg(image, quality) - image).mean() for quality in (95, 60, 20)]
    assert errors == sorted(errors)
    assert errors[2] > 1.4 * errors[0]
    moved = through_jpeg(image, 20, (3, 5))
    assert moved.shape == image.shape
    assert np.abs(moved - through_jpeg(image, 20)).max() > 0.02


def test_rounds_draw_within_their_ranges():
    draws, one = Draws(3), Round(kernel_size=(8, 12), resize=(0.5, 2.0))
    assert {odd_size((8, 12), draws) for _ in range(100)} == {9, 11}
    assert {one.kernel(draws).shape for _ in range(50)} == {(9, 9), (11, 11)}
    factors = [one.factor(draws) for _ in range(300)]
    assert min(factors) >= 0.5
    assert max(factors) <= 2
    assert 1.0 in factors
    assert np.mean(np.array(factors) < 1) == pytest.approx(0.7, abs=0.1)
    assert SecondRound().blur == 0.8
    assert Round().resize == (0.15, 1.5)


@pytest.mark.parametrize(
    ("limits", "below", "exact"), [((0.5, 4.0), 0.5, 0.0), ((1.0, 2.0), 0.0, 0.5), ((1.2, 2.0), 0.0, 0.0)]
)
def test_half_of_the_exponents_lie_on_each_side_of_one(limits, below, exact):
    """As in the published chain, whose plateaus of 1 to 2 have exactly 1 in half of the cases."""
    values = np.array([_beta(limits, Draws(1, number)) for number in range(2000)])
    assert (values < 1).mean() == pytest.approx(below, abs=0.05)
    assert (values == 1).mean() == pytest.approx(exact, abs=0.05)
    assert limits[0] <= values.min()
    assert values.max() <= limits[1]


def test_a_share_of_the_crops_is_clean(hr):
    plain = imresize(hr, 1 / 4)
    assert np.array_equal(Realistic(4, clean=1.0).degrade(hr, Draws(0)), plain)
    degradation, never = Realistic(4, clean=0.3), Realistic(4)
    clean = [np.array_equal(degradation.degrade(hr, Draws(7, number)), plain) for number in range(100)]
    assert 18 <= sum(clean) <= 42
    assert not any(np.array_equal(never.degrade(hr, Draws(7, number)), plain) for number in range(5))


def test_a_mild_chain_is_nearly_the_plain_reduction(hr):
    """With every step switched off or at its mildest only the resize is left."""
    off = {
        "blur": 0.0,
        "up": 0.0,
        "down": 0.0,
        "keep": 1.0,
        "gaussian": 1.0,
        "gaussian_sigma": (0.0, 0.0),
        "jpeg": None,
    }
    degradation = Realistic(4, Round(**off), SecondRound(**off), final_sinc=0.0, resizers=["area"])
    np.testing.assert_array_equal(
        degradation(hr), imresize(hr.astype(np.float32) / 255, 0.25, kernel="area").__mul__(255).round()
    )
