"""AutoGraph writes functions that it converts to the temporary folder, where Python may leave their bytecode."""

import tempfile

import numpy as np
from tiny_experiments import experiment

from sr_gan_tf.config import parse_experiment
from sr_gan_tf.training.run import fit
from sr_gan_tf.upscale import upscale


def test_training_and_upscaling_leave_nothing(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    raw = experiment(discriminator="TinyDiscriminator")
    raw["data"] |= {"cache_dir": str(tmp_path / "cache"), "validation_limit": 1}
    raw["stages"][0] |= {"steps": 1}
    fit(parse_experiment(raw, "x.json"), tmp_path / "run", say=lambda line: None)
    assert upscale(np.zeros((8, 8, 3), np.uint8), model=tmp_path / "run").shape == (16, 16, 3)
    assert not list(temporary.iterdir())
