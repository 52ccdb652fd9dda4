"""Training on several devices and in several processes: the steps of one process, and what happens when one is lost."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from unittest.mock import ANY

import keras
import numpy as np
import pytest

from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.training import callbacks

HERE = Path(__file__).parent
WORKERS = 2


@pytest.fixture
def distributed(trial, tmp_path):
    """The trial's experiment, where nothing amplifies rounding: Adam divides by the root of a sum that begins at 0."""
    trial.adversarial()
    calm = {"class_name": "Adam", "config": {"learning_rate": 1e-3, "epsilon": 0.1, "global_clipnorm": 0.5}}
    for stage in trial.experiment["stages"]:
        for key in ("generator_optimizer", "discriminator_optimizer"):
            if key in stage:
                stage[key] = calm
    trial.experiment["data"]["batch_size"] = 4
    trial.experiment["deterministic"] = False
    trial.experiment["discriminator"] = {"class_name": "UNetDiscriminator", "config": {"filters": 4}}
    stage = trial.experiment["stages"].pop()
    stage["adversarial"] = {"class_name": "RelativisticAverage", "weight": 0.1}
    stage["features"] = [{"class_name": "FeatureMatching"}]
    stage["balance"] = {
        "instance_noise": 0.1, "historical_averaging": 1e-4, "accuracy_bound": 0.9, "discriminator_steps": 2,
    }  # fmt: skip
    trial.experiment["stages"] = [stage | {"steps": 11, "name": "both"}]
    (tmp_path / "trial.json").write_text(json.dumps(trial.experiment))
    return trial


def rows(run) -> list[dict[str, float]]:
    with (run / "history.csv").open() as file:
        return [{key: float(value) for key, value in row.items() if value and key != "stage"}
                for row in csv.DictReader(file)]  # fmt: skip


def same(first, second) -> float:
    """The largest difference of any logged value, relative where values are above 1: at most 1e-5.

    The norms of gradients are left out of it and bounded by 1e-3: they jump where an activation or a pixel's
    difference crosses zero, which rounding alone can decide; no other value does.
    """
    assert len(first) == len(second) > 10
    worst = 0.0
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            difference = abs(value - other[key]) / max(1.0, abs(value))
            is_norm = key.endswith("gradient_norm")
            assert difference <= (1e-3 if is_norm else 1e-5), (one["step"], key, value, other[key])
            worst = max(worst, 0.0 if is_norm else difference)
    return worst


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(file, run, ports, index: int, *more) -> subprocess.Popen:
    """One worker of a cluster on loopback."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    command = [sys.executable, "-m", "sr_gan_tf.fit", str(file), "--run-dir", str(run)]
    command += ["--set", 'distribution="multi_worker"', *more]
    return begin(command, TF_CONFIG=json.dumps(config))


def begin(command: list[str], **environment: str) -> subprocess.Popen:
    STARTED.append(
        subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    )
    return STARTED[-1]


@pytest.fixture(autouse=True)
def nobody_left():
    """A failing test leaves no worker behind."""
    yield
    for process in STARTED:
        with process:
            process.kill()
    STARTED.clear()


STARTED: list[subprocess.Popen] = []


def everyone(file, run, *more) -> list[subprocess.Popen]:
    ports = free_ports(WORKERS)
    return [start(file, run, ports, index, *more) for index in range(WORKERS)]


def endings(processes) -> list[tuple[int, str]]:
    """Exit code and last line on standard error of each."""
    said = [process.communicate(timeout=240)[1].strip().splitlines() for process in processes]
    return [(process.returncode, lines[-1] if lines else "") for process, lines in zip(processes, said, strict=True)]


@pytest.mark.long
def test_two_devices_and_two_processes(distributed, tmp_path):
    """Two logical devices of this processor, and two workers, take the steps of one process on the same batches."""
    command = [sys.executable, str(HERE / "logical_devices.py"), "2", str(tmp_path / "trial.json")]
    command += ["--run-dir", str(tmp_path / "devices"), "--set", 'distribution="mirrored"']
    devices = begin(command)
    processes = everyone(tmp_path / "trial.json", tmp_path / "processes")
    assert distributed.fit(tmp_path / "one")[0] == 0
    assert endings([devices, *processes]) == [(0, ANY)] * 3
    for name in ("devices", "processes"):
        worst = same(rows(tmp_path / "one"), rows(tmp_path / name))
        print(f"two {name}: largest difference of any logged value {worst:.1e}")
        network = keras.saving.load_model(RunFolder(tmp_path / name).model, compile=False)
        assert np.isfinite(network.predict(np.zeros((1, 8, 8, 3), np.float32), verbose=0)).all()


def wait_for(path, processes) -> None:
    deadline = time.monotonic() + 200
    while not path.exists() and time.monotonic() < deadline and all(p.poll() is None for p in processes):
        time.sleep(0.02)
    assert path.exists(), [process.communicate()[1] for process in processes if process.poll() is not None]


@pytest.mark.long
@pytest.mark.parametrize("stages", ["one", "two"])
def test_supervised_and_two_stages(distributed, tmp_path, stages):
    """The same for the generator alone, and for a run of two stages."""
    both = distributed.experiment["stages"][0]
    content = {key: both[key] for key in ("content", "generator_optimizer")}
    alone = content | {"name": "alone", "steps": 11}
    distributed.experiment["stages"] = [alone] if stages == "one" else [alone, both]
    if stages == "one":
        distributed.experiment["discriminator"] = None
    distributed.experiment["generator"] = {"class_name": "SPAN", "config": {"filters": 8, "num_blocks": 1}}
    if stages == "two":
        distributed.experiment["discriminator"] = {"class_name": "PatchGAN", "config": {"filters": 4, "num_layers": 2}}
        distributed.experiment["data"]["patch_size"] = 32
    (tmp_path / "trial.json").write_text(json.dumps(distributed.experiment))
    assert distributed.fit(tmp_path / "one")[0] == 0
    assert endings(everyone(tmp_path / "trial.json", tmp_path / "two")) == [(0, ANY)] * WORKERS
    print(f"{stages} stages: {same(rows(tmp_path / 'one'), rows(tmp_path / 'two')):.1e}")


@pytest.fixture(scope="module")
def expected() -> list[dict[str, float]]:
    """Rows of the run that loses nobody, filled by the first test that needs them: the trial is always the same."""
    return []


@pytest.mark.long
@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("number", range(5))
def test_lost_at_random_moments(distributed, tmp_path, expected, lost, number):
    distributed.experiment["stages"][0]["steps"] = 60
    (tmp_path / "trial.json").write_text(json.dumps(distributed.experiment))
    if not expected:
        assert distributed.fit(tmp_path / "one")[0] == 0
        expected.extend(rows(tmp_path / "one"))
    run = tmp_path / "two"
    processes = everyone(tmp_path / "trial.json", run)
    wait_for(run / "timing.csv", processes)
    time.sleep(float(np.random.default_rng(number).uniform(0, 3)))
    processes[lost].kill()
    came = (run / "timing.csv").read_text().splitlines()[-1].split(",")[0]
    code, said = endings(processes)[1 - lost]
    assert code == 0 or (code == 2 and said.startswith("error: another worker was lost")), said
    assert [code for code, _ in endings(everyone(tmp_path / "trial.json", run))] == [0, 0]
    worst = same(expected, rows(run))
    print(f"worker {lost} lost after step {came}, the other ended with {code}; {worst:.1e}")


@pytest.mark.long
@pytest.mark.parametrize("asked", [0, 1])
def test_all_stop_where_one_is_asked_to(distributed, tmp_path, asked):
    run = tmp_path / "two"
    processes = everyone(tmp_path / "trial.json", run, "--set", "stages.0.steps=100000")
    wait_for(run / "timing.csv", processes)
    processes[asked].terminate()
    said = endings(processes)
    assert [code for code, _ in said] == [130, 130]
    assert said[0][1].split(",")[0] == said[1][1].split(",")[0]  # stopped at the same step


OWN_PARTS = """
import keras

class Mine(keras.Model):
    def __init__(self, scale: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.conv = keras.layers.Conv2D(12, 3, padding="same", activation="relu")
        self.norm = keras.layers.BatchNormalization()
        self.last = keras.layers.Conv2DTranspose(3, 2 * scale, strides=scale, padding="same")

    def call(self, lr, training=False):
        return self.last(self.norm(self.conv(lr), training=training))

    def get_config(self):
        return super().get_config() | {"scale": self.scale}

class Squared(keras.losses.Loss):
    def call(self, hr, sr):
        return keras.ops.mean((hr - sr) ** 2, axis=-1)
"""


@pytest.mark.long
def test_own_parts_in_two_processes(distributed, tmp_path):
    """Each worker imports them; the joint batch's statistics are those of one process."""
    (tmp_path / "parts_of_workers.py").write_text(OWN_PARTS)
    distributed.experiment["generator"] = {"class_name": "parts_of_workers:Mine"}
    distributed.experiment["stages"][0]["content"] = [{"class_name": "parts_of_workers:Squared"}]
    assert "--import parts_of_workers" in distributed.refused(tmp_path / "one")
    own = ["--import", str(tmp_path / "parts_of_workers.py")]
    assert endings(everyone(tmp_path / "trial.json", tmp_path / "two", *own)) == [(0, ANY)] * WORKERS
    code, said = distributed.fit(tmp_path / "one", *own)
    assert code == 0, said
    print(f"own parts: {same(rows(tmp_path / 'one'), rows(tmp_path / 'two')):.1e}")


def test_asked_to_stop_while_the_workers_agree():
    """The signal is not forgotten: all stop one step later."""
    session = types.SimpleNamespace(stop_requested=False, stopping=False, stage_ended=False)

    def agree(*flags):
        session.stop_requested = True  # what the signal's handler does
        return list(flags)

    callback = callbacks.Agree(session, types.SimpleNamespace(agree=agree))
    callback.on_train_batch_end(0)
    assert session.stop_requested
    assert not session.stopping
    callback.on_train_batch_end(1)
    assert session.stopping


@pytest.mark.long
@pytest.mark.parametrize("network", ["SRResNet", "MSRResNet"])
def test_weak_scaling(distributed, tmp_path, network):
    """Seconds a step of one process with half of the batch against two, each on one thread of its own."""
    distributed.experiment["generator"] = {"class_name": network, "config": {"num_blocks": 4, "filters": 32}}
    distributed.experiment["data"] |= {"patch_size": 64}
    distributed.experiment["validate_every"] = distributed.experiment["checkpoint_every"] = 1000
    distributed.experiment["log_every"] = 60
    both = distributed.experiment["stages"][0]
    content = {key: both[key] for key in ("content", "generator_optimizer")}
    distributed.experiment["stages"] = [content | {"name": "alone", "steps": 180}]
    del distributed.experiment["discriminator"]
    (tmp_path / "trial.json").write_text(json.dumps(distributed.experiment))
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    try:
        command = [sys.executable, "-m", "sr_gan_tf.fit", str(tmp_path / "trial.json"), "--run-dir"]
        half = ["--set", "data.batch_size=2"]
        subprocess.run([*command, str(tmp_path / "one"), *half], check=True, capture_output=True)
        assert [code for code, _ in endings(everyone(tmp_path / "trial.json", tmp_path / "two"))] == [0, 0]
    finally:
        del os.environ["TF_NUM_INTRAOP_THREADS"]
    rates = {}
    for name in ("one", "two"):
        with (tmp_path / name / "timing.csv").open() as file:
            rates[name] = float(list(csv.DictReader(file))[-1]["steps_per_second"])
    print(f"{network}: one process, 2 pictures a step: {rates['one']:.2f} steps/s; two processes, 4 pictures a step: "
          f"{rates['two']:.2f} steps/s; {1000 / rates['two'] - 1000 / rates['one']:.0f} ms more a step")  # fmt: skip
    assert rates["two"] > 0.02 * rates["one"]
