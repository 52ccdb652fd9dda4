"""A run folder and settings that change: what was trained stays as it is, what comes may be mended."""

import json
import os
import signal

import numpy as np
import pytest
from PIL import Image
from trials import ADAM, PLAIN

from sr_gan_tf.runs.history import History
from sr_gan_tf.training import run as training


@pytest.fixture
def trial(trial):
    trial.experiment["generator"] = PLAIN
    return trial


def later(trial, **changes) -> None:
    """A second stage, with its own settings."""
    stage = trial.experiment["stages"][0]
    trial.experiment["stages"] = [stage | {"steps": 4}, stage | {"steps": 4, "name": "second"} | changes]


def settings(run) -> dict:
    return json.loads((run / "experiment.json").read_text())


def test_before_the_first_checkpoint_all_may_be_mended(trial, tmp_path):
    run, missing = tmp_path / "run", tmp_path / "missing"
    missing.write_text("a file where the tiles should go")
    said = trial.refused(run, "--set", f"data.cache_dir={json.dumps(str(missing / 'cache'))}")
    assert "set data.cache_dir" in said
    assert trial.fit(run, "--set", "seed=7", "--set", "stages.0.steps=2")[0] == 0
    assert settings(run)["seed"] == 7
    assert "belongs to another experiment" in trial.refused(run, "--set", "seed=8", "--set", "stages.0.steps=2")
    assert settings(run)["seed"] == 7


def test_a_mistake_in_a_later_stage_shows_before_the_first_step(trial, tmp_path):
    later(trial, patch_size=2048)
    assert "2048 x 2048 pixels" in trial.refused(tmp_path / "run")
    later(trial, initial_weights="nowhere", partial=True)
    assert "nowhere" in trial.refused(tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
    later(trial)
    assert trial.fit(tmp_path / "run")[0] == 0


def test_stages_to_come_may_be_changed_and_added(trial, tmp_path):
    run = tmp_path / "run"
    later(trial)
    assert trial.fit(run)[0] == 0
    second = trial.experiment["stages"][1]
    trial.experiment["stages"].append(second | {"name": "third", "steps": 2})
    trial.experiment["note"] = "longer"
    assert "resuming" not in trial.fit(run)[1]
    assert History(run / "history.csv").steps[-1] == 10
    assert settings(run)["stages"][2]["name"] == "third"
    assert settings(run)["note"] == "longer"
    trial.experiment["stages"][1] = second | {"steps": 5}
    assert "stages.1.steps (4 -> 5)" in trial.refused(run)


def test_a_stage_that_ends_early_keeps_its_values_to_itself(trial, tmp_path):
    """The last steps before the patience is out are logged with their own stage, not with the next one's."""
    wild = {"class_name": "Adam", "config": {"learning_rate": 0.5}}
    stage = trial.experiment["stages"][0]
    trial.experiment |= {"patience": 1, "validate_every": 6, "log_every": 4, "checkpoint_every": 100}
    trial.experiment["stages"] = [
        stage | {"steps": 60, "generator_optimizer": wild},
        stage | {"steps": 4, "name": "second", "generator_optimizer": ADAM},
    ]
    assert trial.fit(tmp_path / "run")[0] == 0
    history = History(tmp_path / "run" / "history.csv")
    rates = {stage: history.series("generator_learning_rate", stage) for stage in ("pretraining", "second")}
    assert rates["pretraining"][0][-1] < 60  # it did end early
    assert set(rates["pretraining"][1]) == {0.5}
    assert rates["second"][1] == pytest.approx([1e-3] * len(rates["second"][1]))
    ended = rates["pretraining"][0][-1]
    assert ended % 6 == 0
    assert history.series("validation/psnr_y", "pretraining")[0][-1] == ended


@pytest.mark.long
def test_a_metric_that_cannot_choose_is_refused(trial, tmp_path):
    said = trial.refused(tmp_path / "run", "--set", 'best_metric="ms_ssim_y"')
    assert "best_metric: ms_ssim_y is not defined for any of the 1 validation pictures" in said
    assert trial.fit(tmp_path / "run")[0] == 0


@pytest.mark.long
def test_a_validation_picture_of_a_few_pixels_is_left_out(trial, tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "valid" / "a_dot.png")
    assert trial.fit(tmp_path / "run")[0] == 0
    with_dot = History(tmp_path / "run" / "history.csv").last("validation/bicubic_psnr_y")
    (tmp_path / "valid" / "a_dot.png").unlink()
    assert trial.fit(tmp_path / "other")[0] == 0
    assert History(tmp_path / "other" / "history.csv").last("validation/bicubic_psnr_y") == with_dot


@pytest.mark.long
def test_other_validation_pictures_are_said_and_choose_anew(trial, tmp_path):
    run = tmp_path / "run"
    assert trial.fit(run, "--set", "stages.0.steps=4")[0] == 0
    later(trial)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)).save(
        tmp_path / "valid" / "rocket.png"
    )
    before = (run / "best.keras").read_bytes()
    code, said = trial.fit(run)
    assert code == 0
    assert "the validation pictures have changed since this run began; from step 4 on" in said
    history = History(run / "history.csv")
    steps, values = history.series("validation/bicubic_psnr_y")
    assert steps == [0, 4]
    assert values[1] < values[0] - 5
    assert (run / "best.keras").read_bytes() != before


@pytest.mark.long
def test_a_lost_history_is_said(trial, tmp_path):
    run = tmp_path / "run"
    assert trial.fit(run, "--set", "stages.0.steps=4")[0] == 0
    later(trial)
    (run / "history.csv").write_text("")
    code, said = trial.fit(run)
    assert code == 0
    assert "has 0 rows up to step 4, where 5 were written" in said


@pytest.mark.long
def test_asked_to_stop_before_the_first_step(trial, tmp_path, monkeypatch):
    """Nothing is to be saved then: the signal is obeyed at once."""

    def slowly(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on after the signal")

    monkeypatch.setattr(training, "training_batches", slowly)
    code, said = trial.fit(tmp_path / "run")
    assert code == 130
    assert "stopped: between two steps" in said
    monkeypatch.undo()
    trial.goes_on(tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('stages.0.discriminator_initial_weights="x.keras"', "has no effect without `adversarial`"),
        pytest.param("generator.config.filters=300000", "not enough memory", marks=pytest.mark.long),
    ],
)
def test_settings_that_ended_in_a_traceback(trial, tmp_path, setting, said):
    assert said in trial.refused(tmp_path / "run", "--set", setting)


def test_run_folders_that_cannot_be(trial, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write" in trial.refused(tmp_path / "file" / "run")
    assert "File name too long" in trial.refused(tmp_path / ("n" * 300))


def test_a_replay_buffer_smaller_than_half_a_batch(trial, tmp_path):
    trial.adversarial()
    trial.experiment["stages"][1]["balance"] = {"replay_buffer": 1}
    trial.experiment["data"]["batch_size"] = 4
    assert "stages.1.balance.replay_buffer: 1 pictures cannot supply half of a batch, 2" in trial.refused(
        tmp_path / "run"
    )
