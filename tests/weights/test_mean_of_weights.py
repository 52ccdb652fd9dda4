"""The tool that takes the mean of the weights of unmerged networks."""

import keras
import numpy as np
import pytest
from scripts import load_script
from tiny import tiny_generator


@pytest.fixture(name="tool", scope="module")
def _tool():
    return load_script("tools/mean_of_weights.py")


def test_each_weight_is_the_mean(tool, tmp_path):
    networks = [tiny_generator("SPAN", merged=False, num_blocks=1) for _ in range(2)]
    networks[1].set_weights([weight + 0.5 for weight in networks[0].get_weights()])
    for number, network in enumerate(networks):
        network.save(tmp_path / f"{number}.keras")
    paths = [str(tmp_path / f"{number}.keras") for number in range(2)]
    assert tool.main([*paths, str(tmp_path / "mean.keras")]) == 0
    found = keras.saving.load_model(tmp_path / "mean.keras", compile=False).get_weights()
    assert found
    for mean, first in zip(found, networks[0].get_weights(), strict=True):
        np.testing.assert_allclose(mean, first + 0.25, rtol=1e-6, atol=1e-6)
    assert tool.main([*paths, str(tmp_path / "mean.keras")]) == 2, "an existing file stays"


def test_networks_that_differ_are_refused(tool, tmp_path, capsys):
    tiny_generator("SPAN", merged=False, num_blocks=1).save(tmp_path / "a.keras")
    tiny_generator("SPAN", merged=False, num_blocks=2).save(tmp_path / "b.keras")
    assert tool.main([str(tmp_path / "a.keras"), str(tmp_path / "b.keras"), str(tmp_path / "out.keras")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "b.keras: its weights differ" in said
    assert not (tmp_path / "out.keras").exists()
