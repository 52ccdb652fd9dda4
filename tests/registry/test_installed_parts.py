"""A package of somebody's, installed by pip, whose entry points name parts: they need no --import anywhere."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from sr_gan_tf import fit, upscale
from sr_gan_tf.config import Experiment
from sr_gan_tf.models import load

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "their-parts"
version = "0.1"
[project.entry-points."sr_gan_tf.parts"]
TheirGenerator = "their_parts.networks:TheirGenerator"
losses = "their_parts.losses"
[tool.setuptools]
packages = ["their_parts"]
"""
NETWORKS = """
import keras

class TheirGenerator(keras.Model):
    def __init__(self, scale: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.conv = keras.layers.Conv2D(4, 3, padding="same")
        self.up = keras.layers.Conv2DTranspose(3, 2 * scale, strides=scale, padding="same")

    def call(self, lr):
        return self.up(self.conv(lr))

    def get_config(self):
        return super().get_config() | {"scale": self.scale}
"""
LOSSES = """
import keras
import sr_gan_tf

@sr_gan_tf.register
class TheirLoss(keras.losses.Loss):
    def call(self, hr, sr):
        return keras.ops.mean((hr - sr) ** 2, axis=-1)
"""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """The project's files in a folder of packages, as pip puts them there."""
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    project = tmp_path / "project"
    (project / "their_parts").mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    for name, text in (("__init__", ""), ("networks", NETWORKS), ("losses", LOSSES)):
        (project / "their_parts" / f"{name}.py").write_text(text)
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", str(site), str(project)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.syspath_prepend(str(site))


def test_training_loading_and_upscaling(installed, new_process, repository, tmp_path, capsys):
    experiment = Experiment.load(repository / "experiments" / "tiny.json").to_dict()
    experiment |= {"generator": {"class_name": "TheirGenerator"}, "discriminator": None, "deterministic": False}
    experiment |= {"trackers": []}
    stage = experiment["stages"][0] | {"steps": 2, "content": [{"class_name": "TheirLoss"}]}
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(experiment | {"stages": [stage]}))
    assert fit.main([str(path), "--run-dir", "run"]) == 0, capsys.readouterr().err
    new_process()
    assert load("run").title == "TheirGenerator"
    new_process()
    keras.utils.save_img("picture.png", np.zeros((12, 16, 3)), scale=False)
    assert upscale.main(["picture.png", "-o", "large.png", "--model", "run"]) == 0, capsys.readouterr().err
    assert Experiment.load("run").imports == ()
