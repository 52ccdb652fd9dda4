"""A run that is killed and started again ends with the history of a run that was left alone.

The short forms are in reliability/test_faults.py, where every training is a fork of one process.
"""

import random
import shutil
import signal
import subprocess
import sys
import time

import pytest


def run(experiment, folder, *more, kill_after=None) -> str:
    """`python -m sr_gan_tf.fit` in a process of its own, killed after so many seconds; its standard output."""
    command = [sys.executable, "-m", "sr_gan_tf.fit", str(experiment), "--run-dir", str(folder), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return "killed"
    assert process.returncode == 0, err
    return out


def trial(repository, tmp_path, experiment: str, kills: int, *more) -> None:
    """Kills as many times, each time at a random moment of what is left to do; the histories must be equal."""
    path = repository / "experiments" / experiment
    begin = time.perf_counter()
    run(path, tmp_path / "undisturbed", *more)
    duration = time.perf_counter() - begin
    expected = (tmp_path / "undisturbed" / "history.csv").read_text()
    assert expected.count("\n") > 10
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown where the trial fails
    moments = random.Random(seed)
    for number in range(kills):
        folder, latest = tmp_path / f"killed_{number}", 1.0
        while run(path, folder, *more, kill_after=moments.uniform(0.3, 1.0) * latest * duration) != "killed":
            shutil.rmtree(folder)  # it was quicker than the first run; another moment
            latest *= 0.8
        run(path, folder, *more)
        assert (folder / "history.csv").read_text() == expected, f"kill {number}"
        assert not [item.name for item in folder.rglob("*") if ".tmp" in item.name and item.suffix == ".keras"]


@pytest.mark.long
def test_tiny_killed_ten_times(repository, tmp_path):
    trial(repository, tmp_path, "tiny.json", 10)


@pytest.mark.long
def test_quickstart_killed_twice(repository, tmp_path):
    trial(repository, tmp_path, "quickstart.json", 2, "--set", "deterministic=true")


@pytest.mark.long
def test_interrupted_run_saves_and_says_how_to_go_on(repository, tmp_path):
    command = [sys.executable, "-m", "sr_gan_tf.fit", str(repository / "experiments" / "tiny.json")]
    command += ["--run-dir", str(tmp_path / "run"), "--set", "stages.0.steps=100000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "timing.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    said = err.strip().splitlines()[-1]
    assert said.startswith("stopped: at step ")
    assert "the same command resumes from the last checkpoint" in said
    step = int(said.split()[3].rstrip(","))
    assert (tmp_path / "run" / "checkpoints" / f"step_{step:09d}.safetensors").is_file()
