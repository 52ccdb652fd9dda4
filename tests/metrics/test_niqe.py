"""NIQE: its parts by hand, and its order on photographs that were damaged."""

import math

import numpy as np
import pytest
import scipy
from PIL import Image

from sr_gan_tf.data.sources import SamplePhotographs
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.metric_choice import choose_metrics
from sr_gan_tf.metrics.fit_niqe import main as fit_niqe
from sr_gan_tf.metrics.niqe import Naturalness, _fit_distribution
from sr_gan_tf.resampling import imresize

RANDOM = np.random.default_rng(9)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_naturalness_prefers_photographs_to_damaged_ones(tmp_path, capsys):
    photographs, held_out = SamplePhotographs("train"), SamplePhotographs("validation")
    for number in (0, 1, 3, 4, 5, 6):
        write(tmp_path / "sharp" / f"{number}.png", photographs[number].read(1)[0][:576, :576])
    file = tmp_path / "mine.npz"
    assert fit_niqe([str(tmp_path / "sharp"), "-o", str(file)]) == 0
    assert "fitted to 6 photographs" in capsys.readouterr().out
    assert fit_niqe([str(tmp_path / "sharp"), "-o", str(file)]) == 2
    assert "already exists; pass --overwrite or choose another name" in capsys.readouterr().err
    assert fit_niqe([str(tmp_path / "sharp"), "-o", str(file / "x.npz")]) == 2
    assert "cannot write" in capsys.readouterr().err
    metrics = choose_metrics(["psnr_y"], niqe=str(file))
    assert list(metrics) == ["psnr_y", "niqe_mine"]

    def niqe(image):
        return metrics["niqe_mine"].function(image, image, 0, 4)

    hr = held_out[0].read(1)[0]
    damaged = {
        "enlarged": imresize(imresize(hr, 0.25), size=hr.shape[:2]),
        "blocks": imresize(imresize(hr, 0.25), size=hr.shape[:2], kernel="nearest"),
        "noisy": np.clip(hr + RANDOM.normal(0, 30, hr.shape), 0, 255).astype(np.uint8),
    }
    original = niqe(hr)
    assert all(niqe(image) > 1.1 * original for image in damaged.values()), (original, damaged)
    # The same parameters from a MATLAB file; too small a picture has no figure.
    arrays = dict(np.load(file))
    scipy.io.savemat(tmp_path / "theirs.mat", arrays)
    assert Naturalness(tmp_path / "theirs.mat")(hr, 4) == Naturalness(file)(hr, 4)
    assert math.isnan(niqe(hr[:100, :100]))


def test_files_that_hold_no_parameters(tmp_path):
    for name, content, said in (
        ("text.jpg", b"x", "expected a name that ends in .mat or .npz"),
        ("garbage.npz", b"text", "it is no whole .npz file"),
        ("half.npz", b"PK\x03\x04half", "it is no whole .npz file"),
        ("garbage.mat", b"text", "it is no MATLAB file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=said) as caught:
            Naturalness(tmp_path / name)
        assert "pickle" not in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"no file nosuch.mat"):
        Naturalness("nosuch.mat")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(InputError, match=r"no whole .npz"):
        Naturalness(tmp_path / "one.npz")


def test_shape_of_a_distribution_is_found():
    values = RANDOM.normal(0, 2, (400, 400))
    shape, left, right = _fit_distribution(values)
    assert shape == pytest.approx(2, abs=0.05)  # a Gaussian; its scale is sigma * sqrt(2)
    assert left == pytest.approx(2 * 2**0.5, rel=0.02)
    assert right == pytest.approx(left, rel=0.02)
    shape, left, right = _fit_distribution(np.where(values < 0, values * 3, values))
    assert left == pytest.approx(3 * right, rel=0.03)
    assert math.isnan(_fit_distribution(np.ones((8, 8)))[0])
