"""Endurance: memory, open files and threads of a long training and of one long upscaling stay level."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from PIL import Image
from skimage import data
from tiny import tiny_generator


class Watch:
    """Samples of a process's resident memory (MB), open files and threads.

    Args:
        command: what is run.
        seconds: between samples.
    """

    def __init__(self, command: list[str], log, seconds: float):
        self.log, self.seconds, self.samples = log, seconds, []
        with log.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)

    def until(self, is_done) -> None:
        """Takes samples until `is_done()` or the process's end."""
        process = psutil.Process(self.process.pid)
        while self.process.poll() is None and not is_done():
            try:
                with process.oneshot():
                    sample = process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()
            except psutil.Error:
                break
            self.samples.append((time.monotonic(), *sample))
            time.sleep(self.seconds)

    def report(self, what: str, warm: float) -> dict[str, float]:
        """Slopes a minute after the first part `warm` of the time; prints them with the first and last values."""
        table = np.array(self.samples)
        minutes = (table[:, 0] - table[0, 0]) / 60
        level = minutes > warm * minutes[-1]
        slopes = {}
        print(f"{what}: {minutes[-1]:.1f} minutes, {len(table)} samples, slopes over the last {level.sum()}")
        for column, name in enumerate(("resident MB", "open files", "threads"), 1):
            values = table[level, column]
            slopes[name] = float(np.polyfit(minutes[level], values, 1)[0])
            thirds = [float(np.median(part)) for part in np.array_split(values, 3)]
            slopes[f"{name} growth"] = thirds[2] - thirds[0]
            print(
                f"  {name}: {values[0]:.0f} at first, {values[-1]:.0f} at last, medians of thirds "
                f"{', '.join(f'{value:.0f}' for value in thirds)}, slope {slopes[name]:+.3f} a minute"
            )
            tenths = [float(np.median(part)) for part in np.array_split(table[:, column], min(10, len(table)))]
            print(f"    medians of tenths of all: {', '.join(f'{value:.0f}' for value in tenths)}")
        return slopes


# Seconds; limits on the growth of memory (MB) and of open files and threads from the first to the last third after
# warming up, which the short form only begins.
LENGTHS = [
    pytest.param(8, 150, 8, id="short", marks=pytest.mark.long),
    pytest.param(1800, 60, 0, id="long", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("seconds", "megabytes", "handles"), LENGTHS)
def test_training(trial, tmp_path, seconds, megabytes, handles):
    """Both networks, with validation, picture strips, checkpoints and TensorBoard every few steps."""
    trial.adversarial()
    trial.experiment["stages"] = [trial.experiment["stages"][1] | {"steps": 10**7}]
    trial.experiment |= {"deterministic": False, "validate_every": 50, "checkpoint_every": 50, "log_every": 10}
    (tmp_path / "trial.json").write_text(json.dumps(trial.experiment))
    run = tmp_path / "run"
    command = [sys.executable, "-m", "sr_gan_tf.fit", str(tmp_path / "trial.json"), "--run-dir", str(run)]
    watch = Watch(command, tmp_path / "log", min(10, seconds / 60))
    watch.until(lambda: (run / "timing.csv").exists())
    begin = time.monotonic()
    watch.samples.clear()
    watch.until(lambda: time.monotonic() > begin + seconds)
    watch.process.terminate()
    assert watch.process.wait(timeout=120) == 130, (tmp_path / "log").read_text()
    step = (run / "history.csv").read_text().splitlines()[-1].split(",")[0]
    slopes = watch.report(f"training to step {step}", 0.25)
    assert slopes["resident MB growth"] < megabytes
    assert slopes["open files growth"] <= handles
    assert slopes["threads growth"] <= handles


# Pictures; the limit on the growth of memory (MB), as above.
FOLDERS = [
    pytest.param(12, 150, id="short", marks=pytest.mark.long),
    pytest.param(2000, 40, id="long", marks=pytest.mark.long),
    pytest.param(6000, 20, id="longer", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("count", "megabytes"), FOLDERS)
def test_upscaling(tmp_path, count, megabytes):
    """Pictures of random sizes through one process.

    On processors TensorFlow keeps the 1,024 convolutions prepared last, each for one size of pictures. Later on new
    sizes drive old ones out, and memory levels off as the holes are filled that these leave.
    """
    tiny_generator("SRResNet").save(tmp_path / "tiny.keras")
    generator, cat = np.random.default_rng(0), data.chelsea()
    (tmp_path / "in").mkdir()
    for number in range(count):
        height, width = generator.integers(20, 300, 2)
        Image.fromarray(cat[:height, :width]).save(tmp_path / "in" / f"{number:04d}.png")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "sr_gan_tf.upscale", str(tmp_path / "in"), "-o", str(out)]
    watch = Watch([*command, "--model", str(tmp_path / "tiny.keras")], tmp_path / "log", 0.05 if count < 100 else 2)
    watch.until(lambda: out.exists() and any(out.iterdir()))
    watch.samples.clear()
    watch.until(lambda: False)
    assert watch.process.wait() == 0, (tmp_path / "log").read_text()
    assert len(os.listdir(out)) == count
    slopes = watch.report(f"upscaling {count} pictures", 0.25)
    assert slopes["resident MB growth"] < megabytes
    assert slopes["open files growth"] <= 2
    assert slopes["threads growth"] <= 2
