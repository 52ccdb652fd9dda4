"""Faults during training: the same command resumes from the last checkpoint, or says what is wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from trials import PLAIN, Trial, damage

from sr_gan_tf.errors import InputError
from sr_gan_tf.runs.checkpoints import checkpoint_files, read_checkpoint, save_checkpoint
from sr_gan_tf.training import run as training

# SIGTERM in the midst of things is the short form.
SIGNALS = [
    pytest.param(number, step, marks=() if (number, step) == (signal.SIGTERM, 5) else pytest.mark.long)
    for number in (signal.SIGINT, signal.SIGTERM)
    for step in range(1, 8)
]


def kill(trial, tmp_path, count: int, seed: int) -> str:
    """So many SIGKILLs at random moments of a training; what was said of them."""
    (tmp_path / "trial.json").write_text(json.dumps(trial.experiment))
    command = [sys.executable, Path(__file__).parent / "killing.py", tmp_path / "trial.json", tmp_path, count, seed]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


def test_a_kill(trial, tmp_path):
    trial.experiment["generator"] = PLAIN
    assert "of 1 killed before their end" in kill(trial, tmp_path, 1, 0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_fifty_kills(trial, tmp_path, seed):
    """Five at random moments in each of ten batches."""
    trial.adversarial()
    print(kill(trial, tmp_path, 5, seed))


@pytest.mark.parametrize(("number", "step"), SIGNALS)
def test_asked_to_stop(trial, tmp_path, number, step):
    run = tmp_path / "run"
    trial.at_step(step, lambda trainer: os.kill(os.getpid(), number))
    code, said = trial.fit(run)
    assert code == 130
    assert f"stopped: at step {step}, saved in {run / 'checkpoints'}; the same command resumes" in said
    assert checkpoint_files(run / "checkpoints")[0].name == f"step_{step:09d}.safetensors"
    assert f"resuming at step {step}" not in said
    trial.goes_on(run)


@pytest.mark.long
def test_told_twice_to_stop(trial, tmp_path):
    def twice(trainer):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    trial.at_step(5, twice)
    code, said = trial.fit(tmp_path / "run")
    assert code == 130
    assert "stopped: immediately; the last checkpoint is intact" in said
    trial.goes_on(tmp_path / "run")


def sizes(count: int) -> list[int]:
    return [int(size) for size in np.linspace(40, 1400, count)]


@pytest.mark.parametrize(
    "kilobytes",
    [pytest.param(size, marks=() if index == 17 else pytest.mark.long) for index, size in enumerate(sizes(40))],
)
def test_full_disk(trial, mount, kilobytes):
    """The disk is full at one moment or another; with space again, the same command ends as if nothing had been."""
    trial.experiment["trackers"] = ["tensorboard"]
    disk = mount(kilobytes)
    run = disk.path / "run"
    code, said = trial.fit(run)
    if code:
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert (code, len(lines)) == (2, 1), said
        assert "no space left to write" in lines[0], said
    disk.change("size=50m")
    trial.goes_on(run)


@pytest.fixture
def frozen():
    """`frozen(path)` lets nothing be written below a folder any more, whoever asks; `frozen(path, False)` again."""
    paths = set()

    def change(path, state: bool = True):
        command = ["chattr", "-R", "+i" if state else "-i", str(path)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("making files immutable takes root's rights and a file system that knows it")
        (paths.add if state else paths.discard)(path)

    yield change
    for path in list(paths):
        change(path, False)


@pytest.mark.long
@pytest.mark.parametrize("step", range(1, 8))
def test_run_folder_can_no_longer_be_written(trial, tmp_path, frozen, step):
    run = tmp_path / "run"
    trial.experiment["trackers"] = ["tensorboard"]
    trial.at_step(step, lambda trainer: frozen(run))
    said = "Operation not permitted; choose a writable folder"
    assert said in trial.refused(run)
    assert said in trial.refused(run)
    frozen(run, False)
    trial.goes_on(run)


@pytest.mark.long
def test_read_only_file_system(trial, mount):
    trial.experiment["trackers"] = ["tensorboard"]
    disk = mount(20_000)
    disk.change("ro")
    assert "Read-only file system; choose a writable folder" in trial.refused(disk.path / "run")
    disk.change("rw")
    trial.goes_on(disk.path / "run")


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def stopped(shared, monkeypatch, capsys) -> tuple[Trial, Path]:
    """A trial and a run folder of it, stopped at step 7; each is a copy of one, so that it is trained once."""
    trial, original, run = Trial(shared, monkeypatch, capsys), shared / "original", shared / "run"
    if not original.exists():
        trial.at_step(7, lambda trainer: os.kill(os.getpid(), signal.SIGINT))
        assert trial.fit(original)[0] == 130
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(original, run)
    return trial, run


DAMAGES = [pytest.param(seed, marks=() if seed < 1 else pytest.mark.long) for seed in range(60)]


@pytest.mark.parametrize("seed", DAMAGES)
def test_damaged_checkpoint(stopped, seed):
    """Cut short or one bit turned over anywhere: the one before is used, and it is said."""
    trial, run = stopped
    newest, _ = checkpoint_files(run / "checkpoints")
    newest.write_bytes(damage(newest.read_bytes(), np.random.default_rng(seed)))
    said = trial.goes_on(run)
    assert f"warning: {newest} is damaged" in said
    assert "trying the checkpoint before it" in said
    for path in checkpoint_files(run / "checkpoints"):
        path.write_bytes(path.read_bytes()[:-1])
    line = trial.refused(run)
    assert "no checkpoint can be read" in line
    assert checkpoint_files(run / "checkpoints")  # nothing was begun afresh


def test_every_bit_of_a_checkpoint_counts(tmp_path):
    """No bit can be turned over anywhere in the file without being noticed, in its notes neither."""
    path = save_checkpoint(tmp_path, 1, {"part": [np.arange(6, dtype=np.float32)]}, {"stage_step": 12, "best": 30.5})
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            with pytest.raises(InputError, match="is damaged"):
                read_checkpoint(path)


@pytest.mark.long
def test_two_processes_on_one_run_folder(trial, tmp_path):
    run, said = tmp_path / "run", []
    command = [sys.executable, "-m", "sr_gan_tf.fit", str(tmp_path / "trial.json"), "--run-dir", str(run)]

    def second(trainer):
        said.append(subprocess.run(command, capture_output=True, text=True))

    trial.at_step(5, second)
    assert trial.fit(run)[0] == 0
    assert said[0].returncode == 2
    assert "in use by another training" in said[0].stderr
    trial.goes_on(run)


@pytest.mark.long
def test_training_picture_deleted_or_replaced(trial, tmp_path):
    """The tiles were cut before, so that a stage doesn't notice; the next stage, or a resumed one, says it."""
    trial.adversarial()
    expected, run = trial.undisturbed().splitlines(), tmp_path / "run"

    def meddle(trainer):
        (trial.photos / "coffee.png").unlink()
        (trial.photos / "chelsea.png").write_bytes((trial.photos / "astronaut.png").read_bytes())

    trial.at_step(2, meddle)
    code, said = trial.fit(run)
    assert code == 0
    assert said.count("warning: the training pictures have changed since this run began") == 1
    history = (run / "history.csv").read_text().splitlines()
    assert history[:10] == expected[:10]
    assert len(history) == len(expected)


@pytest.mark.long
def test_resumed_with_other_pictures(trial, tmp_path):
    run = tmp_path / "run"
    trial.at_step(5, lambda trainer: os.kill(os.getpid(), signal.SIGINT))
    assert trial.fit(run)[0] == 130
    (trial.photos / "coffee.png").unlink()
    code, said = trial.fit(run)
    assert code == 0
    assert "warning: the training pictures have changed" in said
    assert "from step 5 on" in said


@pytest.mark.long
def test_validation_picture_deleted(trial, tmp_path):
    run, picture = tmp_path / "run", tmp_path / "valid" / "rocket.png"
    content = picture.read_bytes()
    trial.at_step(5, lambda trainer: picture.unlink())
    assert f"{picture}" in trial.refused(run)
    picture.write_bytes(content)
    trial.goes_on(run)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [-3600, -86400 * 365, 86400 * 365])
def test_clock_is_set(trial, tmp_path, seconds):
    real = time.time
    trial.at_step(5, lambda trainer: trial.monkeypatch.setattr(time, "time", lambda: real() + seconds))
    assert trial.fit(tmp_path / "run")[0] == 0
    trial.goes_on(tmp_path / "run")


@pytest.mark.long
def test_nan_in_a_batch(trial, tmp_path, monkeypatch):
    """The step is left out and counted, and leaves no trace in the statistics either."""
    original = training.training_batches

    @tf.autograph.experimental.do_not_convert
    def spoil(number, pair):
        return tf.where(number == 2, np.nan, pair[0]), pair[1]

    def poisoned(*arguments):
        return original(*arguments).enumerate().map(spoil)

    monkeypatch.setattr(training, "training_batches", poisoned)
    run = tmp_path / "run"
    assert trial.fit(run)[0] == 0
    last = (run / "history.csv").read_text().splitlines()
    column = last[0].split(",").index("skipped_steps")
    assert [line.split(",")[column] for line in last[2:]] == ["0", "0", *["1"] * 6]
    _, tensors = read_checkpoint(checkpoint_files(run / "checkpoints")[0])
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.long
def test_nan_in_the_weights(trial, tmp_path):
    """The run stops, the last good checkpoint stands, and the run goes on from it."""
    trial.experiment["max_bad_steps"] = 4
    run = tmp_path / "run"
    trial.at_step(3, lambda trainer: trainer.generator.trainable_variables[0].assign(
        np.full(trainer.generator.trainable_variables[0].shape, np.nan)))  # fmt: skip
    line = trial.refused(run)
    good = checkpoint_files(run / "checkpoints")[0]
    assert "4 consecutive steps were not finite" in line
    assert f"the last good checkpoint is {good}" in line
    assert good.name == "step_000000002.safetensors"
    trial.goes_on(run)
