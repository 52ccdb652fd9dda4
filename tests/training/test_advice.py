"""Warnings before a training begins."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from tiny_experiments import SMALLEST

from sr_gan_tf import fit
from sr_gan_tf.config import load_experiment
from sr_gan_tf.models import shipped_models
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.runs.history import History
from sr_gan_tf.training import advice
from sr_gan_tf.training.assembly import build_networks
from sr_gan_tf.training.session import Session


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
    stage = experiment.stages[-1]
    assert stage.adversarial is not None
    assert advice.cold_start(stage, 1) == []
    assert advice.cold_start(dataclasses.replace(stage, initial_weights="span_x4"), 0) == []
    (line,) = advice.cold_start(stage, 0)
    assert "starts adversarial training from an untrained generator" in line


SPECTRAL = {"class_name": "PatchGAN", "config": {"filters": 4, "num_layers": 1, "normalization": "spectral"}}
BATCH = {"class_name": "PatchGAN", "config": {"filters": 4, "num_layers": 1, "normalization": "batch"}}
PARTLY_SPECTRAL = {"class_name": "UNetDiscriminator", "config": {"filters": 4}}
PENALTY = [{"class_name": "GradientPenalty", "weight": 5.0}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"stages.1.adversarial.class_name": "Wasserstein"}, "Wasserstein without a penalty"),
        ({"stages.1.adversarial.class_name": "Wasserstein", "discriminator": PARTLY_SPECTRAL}, "without a penalty"),
        ({"stages.1.adversarial.class_name": "Wasserstein", "discriminator": SPECTRAL}, None),
        ({"stages.1.adversarial.class_name": "Wasserstein", "stages.1.penalties": PENALTY}, None),
        ({"stages.1.penalties": [{"class_name": "R1"}], "discriminator": BATCH}, "penalty R1 on the gradient of each"),
        ({"stages.1.penalties": [{"class_name": "R1"}], "discriminator": SPECTRAL}, None),
        ({"discriminator": BATCH}, None),
    ],
)
def test_a_discriminator_that_nothing_bounds_or_that_mixes_pictures(experiment, tmp_path, capsys, changes, said):
    changed = experiment.override(changes)
    discriminator = build_networks(changed).discriminator
    assert advice.warnings_of_stage(changed, 0, discriminator) == []
    lines = advice.warnings_of_stage(changed, 1, discriminator)
    assert len(lines) == (said is not None)
    if said is not None:
        assert said in lines[0]


def test_a_distribution_to_one_device(experiment, monkeypatch):
    mirrored = experiment.override({"distribution": "mirrored"})
    (line,) = advice.warnings_of_run(mirrored)
    assert "only CPU:0, which trains alone" in line
    devices = advice.tf.config.list_logical_devices("CPU")
    monkeypatch.setattr(advice.tf.config, "list_logical_devices", lambda kind: devices * 2)
    assert advice.warnings_of_run(mirrored) == []


def test_pairs_of_equal_images(experiment, tmp_path):
    same = experiment.override({"scale": 1})
    (line,) = advice.warnings_of_run(same)
    assert "at scale 1, Bicubic leaves images as they are" in line
    assert advice.warnings_of_run(experiment) == []
    assert advice.warnings_of_run(same.override({"data.degradation": {"class_name": "NoiseJPEG"}})) == []
    for name in ("hr", "lr"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / name / "0.png")
    pairs = {"path": str(tmp_path / "hr"), "lr_path": str(tmp_path / "lr")}
    own = {"class_name": "Folder", "config": pairs}
    assert advice.warnings_of_run(same.override({"data.train": [own]})) == []


def test_a_start_and_a_dry_run_say_what_a_stage_risks(repository, tmp_path, capsys):
    path = str(repository / "experiments" / "tiny.json")
    settings = ['stages.1.adversarial.class_name="Wasserstein"', "stages.0.steps=1", "stages.1.steps=1"]
    settings += [f"{key}={json.dumps(value)}" for key, value in SMALLEST.items()]
    settings = [word for setting in settings for word in ("--set", setting)]
    for further in (["--dry-run"], ["--run-dir", str(tmp_path / "run")]):
        assert fit.main([path, *settings, *further]) == 0
        said = capsys.readouterr()
        assert (said.out + said.err).count("Wasserstein without a penalty") == 1


def test_an_adversarial_base_without_a_discriminator(experiment, tmp_path):
    """Shipped models, as their cards say; run folders and their files; files of a GAN's `save`."""
    folder = RunFolder(tmp_path / "gan")
    with folder.claim(experiment):
        pass
    plain = RunFolder(tmp_path / "plain")
    with plain.claim(dataclasses.replace(experiment, stages=experiment.stages[:1], discriminator=None)):
        pass
    for name, kind in (("trainer", "GAN"), ("generator", "SPAN")):
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            archive.writestr("config.json", json.dumps({"class_name": kind}))
    bases = {
        "span_x4": False, "span_x4_gan": True, "span_x4_photo": True, str(folder.path): True, str(folder.last): True,
        str(plain.path): False, str(plain.best): False, str(tmp_path / "trainer.keras"): True,
        str(tmp_path / "generator.keras"): False,
    }  # fmt: skip
    for base, expected in bases.items():
        said = []
        for stages in (experiment.stages[:1], experiment.stages):
            first = dataclasses.replace(stages[0], initial_weights=base)
            said += advice.lost_texture(dataclasses.replace(experiment, stages=(first, *stages[1:])), 0)
        assert len(said) == expected, base
        assert all("add stages.0.adversarial" in line for line in said)


def test_which_shipped_models_were_trained_adversarially(repository):
    for name, path in shipped_models().items():
        names = json.loads(path.with_suffix(".json").read_text())["experiments"]
        trainings = [load_experiment(repository / each).stages for each in names]
        # A student has the texture of its teacher.
        while all(stage.content[0].class_name == "Teacher" for stage in trainings[-1]):
            trainings.pop()
        assert advice.was_adversarial(name) == (trainings[-1][-1].adversarial is not None)


def test_a_student_of_an_adversarial_teacher_keeps_its_texture(repository):
    experiment = load_experiment(repository / "experiments" / "distillation_x4.json")
    for teacher, base, warned in (("span_x4", "span_x4_gan", 1), ("span_x4_gan", "span_x4_gan", 0)):
        (stage,) = experiment.stages
        content = (dataclasses.replace(stage.content[1], config={"model": teacher}),)
        stage = dataclasses.replace(stage, initial_weights=base, content=content)
        assert len(advice.lost_texture(dataclasses.replace(experiment, stages=(stage,)), 0)) == warned


@pytest.fixture
def experiment_path(repository):
    return repository / "experiments" / "tiny.json"


@pytest.mark.parametrize(
    ("overrides", "skipped", "stage", "cause"),
    [
        ([], 50.0, 0, "50 steps were skipped"),
        ([], 0.0, 1, "lower stages.1.adversarial.weight"),
        (['stages.0.content=[{"class_name": "SSIM"}]'], 0.0, 0, "add MeanAbsoluteError to stages.0.content"),
        (['stages.0.content=[{"class_name": "mine:Loss"}]'], 0.0, 0, "remove bicubic_skip from"),
        ([], 0.0, 0, "remove bicubic_skip from generator.config"),
        (['generator.config={"filters": 8, "num_blocks": 1}'], 0.0, 0, "24 steps are few"),
        (['generator.config={"filters": 8}', "stages.0.steps=5000"], 0.0, 0, "learning rate may be too high"),
    ],
)
def test_a_stage_below_bicubic(experiment_path, tmp_path, capsys, overrides, skipped, stage, cause):
    def said(reached):
        experiment = load_experiment(experiment_path, overrides)
        session = Session(experiment, RunFolder(tmp_path), History(tmp_path / "history.csv"), stage_index=stage)
        session.stage_step = 24
        name = experiment.stages[stage].name
        session.history.add(24, name, {"validation/psnr_y": reached, "skipped_steps": skipped})
        advice.warn_below_bicubic(session, {"psnr_y": 30.0})
        return capsys.readouterr().err.splitlines()

    (line,) = said(27.0)
    assert "ended below bicubic (PSNR-Y 27.00, bicubic 30.00)" in line
    assert cause in line
    assert said(30.0) == []
    assert len(said(29.0)) == (stage == 0), "an adversarial stage may lose 1.5 dB"


def test_a_stage_that_began_below_bicubic(experiment, tmp_path, capsys):
    session = Session(experiment, RunFolder(tmp_path), History(tmp_path / "history.csv"), stage_index=1)
    session.history.add(24, experiment.stages[0].name, {"validation/psnr_y": 20.0, "validation/bicubic_psnr_y": 30.0})
    session.history.add(40, experiment.stages[1].name, {"validation/psnr_y": 21.0})
    advice.warn_below_bicubic(session, {"psnr_y": 30.0})
    assert "so did the previous stage" in capsys.readouterr().err


def test_a_run_without_validation_is_not_compared(experiment, tmp_path, capsys):
    session = Session(experiment, RunFolder(tmp_path), History(tmp_path / "history.csv"))
    advice.warn_below_bicubic(session, {})
    assert capsys.readouterr().err == ""
