"""The tool that measures a network with some of its frequencies left out."""

import numpy as np
import pytest
from scripts import load_script
from skimage import data
from tiny import tiny_generator

from sr_gan_tf.losses.package_weights import INSTALL_LPIPS, lpips_file
from sr_gan_tf.pictures.reading import write_image


@pytest.fixture(name="tool", scope="module")
def _tool():
    return load_script("tools/band_gains.py")


def test_gains_of_one_and_zero_are_the_two_networks(tool):
    sharp, smooth = np.random.default_rng(0).integers(0, 256, (2, 40, 33, 3)).astype(np.uint8)
    np.testing.assert_array_equal(tool.with_gains(sharp, smooth, (1, 1, 1, 1)), sharp)
    np.testing.assert_array_equal(tool.with_gains(sharp, smooth, (0, 0, 0, 0)), smooth)


@pytest.mark.parametrize(("cycles", "band"), [(0.1, 0), (0.25, 1), (0.35, 2), (0.5, 3)])
def test_each_band_has_a_gain_of_its_own(tool, cycles, band):
    smooth = np.full((40, 120, 3), 100, np.uint8)
    waves = 50 * np.cos(2 * np.pi * cycles * np.arange(120))
    sharp = np.rint(smooth + waves[None, :, None]).astype(np.uint8)
    gains = [1.0] * 4
    gains[band] = 0.5
    half = tool.with_gains(sharp, smooth, gains).astype(int)
    # Near its ends the mirrored wave has other frequencies, too.
    inside = (slice(None), slice(40, -40))
    np.testing.assert_allclose(half[inside] - 100, 0.5 * (sharp[inside].astype(int) - 100), atol=2)


def test_a_limit_halves_the_difference_that_it_names(tool):
    smooth = np.full((40, 40, 3), 100, np.uint8)
    assert np.all(tool.with_gains(smooth + np.uint8(20), smooth, (2, 2, 2, 2), 20.0) == 120)
    assert np.all(tool.with_gains(smooth + np.uint8(60), smooth, (1, 1, 1, 1), 20.0) == 115)


@pytest.mark.skipif(lpips_file("alexnet") is None, reason=INSTALL_LPIPS)
def test_the_table(tool, tmp_path, capsys):
    names = [str(tmp_path / f"{name}.keras") for name in ("sharp", "smooth")]
    for name in names:
        tiny_generator("Compact", scale=4).save(name)
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "cat.png", data.chelsea()[:96, :96])
    words = ["--data", f"cat={tmp_path / 'images'}", "--gains", "1,1,1,1", "--gains", "1,1,1,0:20"]
    assert tool.main([*names, *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| gains | cat: PSNR-Y, LPIPS |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 1, 1, 1, 1", "| 1, 1, 1, 0; limit 20"]
    for wrong in ("1,1", "1,1,1,1:", "1,1,1,1:0"):
        assert tool.main([*names, *words[:2], "--gains", wrong]) == 2
        assert f"error: --gains {wrong}: expected four numbers" in capsys.readouterr().err
