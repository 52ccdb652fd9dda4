"""Warnings before a training begins."""

import dataclasses

import pytest

from sr_gan_tf import fit
from sr_gan_tf.config import load_experiment
from sr_gan_tf.training import advice


@pytest.fixture
def experiment(repository):
    return load_experiment(repository / "experiments" / "tiny.json")


def test_bfloat16_on_a_machine_that_emulates_it(experiment, monkeypatch):
    half = dataclasses.replace(experiment, precision="mixed_bfloat16")
    monkeypatch.setattr(advice, "has_fast_bfloat16", lambda: False)
    assert advice.slow_bfloat16(experiment) == []
    (line,) = advice.slow_bfloat16(half)
    assert line.startswith("warning: ")
    assert "--set 'precision=\"float32\"'" in line
    monkeypatch.setattr(advice, "has_fast_bfloat16", lambda: True)
    assert advice.slow_bfloat16(half) == []


def test_a_dry_run_says_it(repository, monkeypatch, capsys):
    monkeypatch.setattr(advice, "has_fast_bfloat16", lambda: False)
    path = str(repository / "experiments" / "tiny.json")
    assert fit.main([path, "--dry-run", "--set", 'precision="mixed_bfloat16"']) == 0
    assert "no bfloat16 arithmetic" in capsys.readouterr().out


def test_a_cold_start(experiment):
    said = []
    stage = experiment.stages[-1]
    assert stage.adversarial is not None
    advice.warn_of_a_cold_start(stage, 1, said.append)
    advice.warn_of_a_cold_start(dataclasses.replace(stage, initial_weights="span_x4"), 0, said.append)
    assert said == []
    advice.warn_of_a_cold_start(stage, 0, said.append)
    assert len(said) == 1
    assert "starts its GAN from an untrained generator" in said[0]
