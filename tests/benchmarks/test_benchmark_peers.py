"""The PyTorch twins are the same networks; skipped unless SR_GAN_TF_TORCH names a Python that has torch."""

import os
import subprocess
from pathlib import Path

import pytest

from sr_gan_tf.benchmarks import peers
from sr_gan_tf.benchmarks.peers import comparisons, pytorch_rows
from sr_gan_tf.benchmarks.processes import Row
from sr_gan_tf.benchmarks.subjects import build_network
from sr_gan_tf.benchmarks.table import Measured
from sr_gan_tf.benchmarks.tasks import Task, parse_network, step_job
from sr_gan_tf.benchmarks.timing import summarize
from sr_gan_tf.errors import InputError


def job(network: str, mode: str = "inference", shape=(1, 96, 96, 3)) -> Task:
    if mode == "step":
        return step_job(network, shape, "graph", None, "cpu", None, [], None)
    return Task(network, mode, shape, "graph", "float32", "cpu", parse_network(network)[1])


@pytest.fixture(scope="module")
def torch_python() -> str:
    python = os.environ.get("SR_GAN_TF_TORCH")
    if python is None or subprocess.run([python, "-c", "import torch"], capture_output=True).returncode:
        pytest.skip(
            "SR_GAN_TF_TORCH names no Python with torch: pip install torch==2.14.1 in an environment of its own"
        )
    return python


@pytest.mark.parametrize("network", ["SRResNet", "SPAN:merged=true", "RRDBNet", "SRGANDiscriminator"])
def test_twins_have_our_weights(network, torch_python):
    one, program = pytorch_rows(job(network), torch_python)[0]
    row = Row(one, program)
    row.run_round(0.01)
    row.close()
    weights = build_network(job(network)).trainable_weights
    assert row.start["parameters"] == sum(weight.numpy().size for weight in weights)
    assert row.rounds[0]


@pytest.mark.parametrize("network", ["SPAN:merged=true", "SRGANDiscriminator"])
def test_steps_run(network, torch_python):
    one, program = pytorch_rows(job(network, "step", (2, 96, 96, 3)), torch_python)[1]
    row = Row(one, program)
    row.run_round(0.01)
    row.close()
    assert min(row.rounds[0]) > 0


def test_networks_without_a_twin_are_refused():
    with pytest.raises(InputError, match="expected SRResNet, SPAN:merged=true, RRDBNet, SRGANDiscriminator"):
        pytorch_rows(job("SPAN"), "python")


def test_the_quickest_twin_counts():
    def measured(one: Task, seconds: float) -> Measured:
        return Measured(one, summarize([[seconds]]), {}, [[seconds]])

    own = job("SRResNet")
    rows = [measured(own, 1.0)]
    rows += [measured(one, seconds) for (one, _), seconds in zip(pytorch_rows(own, "p"), (4.0, 3.0, 2.0), strict=True)]
    (line,) = comparisons(rows)
    assert (
        line == "SRResNet, inference, float32: 0.50 (0.50-0.50) of the time of the fastest PyTorch variant (compiled)"
    )


def test_an_installed_package_has_the_scripts(repository):
    """`--peers` starts files beside its own module, and setup.cfg packs their folder."""
    (_, command), *_rest = pytorch_rows(job("SRResNet"), "python")
    script = Path(command[1])
    assert script.is_file()
    assert script.is_relative_to(Path(peers.__file__).parent)
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed")
    packages = setuptools.find_packages(str(repository), include=["sr_gan_tf*"])
    assert "sr_gan_tf.benchmarks.pytorch" in packages
