"""The dry run's memory estimate against the peak that a real run then has."""

import re
import subprocess
import sys

import pytest

from sr_gan_tf.fit import main

MEASURED = """
import sys
from sr_gan_tf.fit import main
code = main(sys.argv[1:])
with open("/proc/self/status") as file:
    print(next(line for line in file if line.startswith("VmHWM")))
sys.exit(code)
"""

SRRESNET = [
    'generator={"class_name": "SRResNet", "config": {"num_blocks": 8}}',
    "data.patch_size=128",
    'stages.0.generator_optimizer.config={"learning_rate": 1e-4}',
]


@pytest.mark.long
@pytest.mark.parametrize("changes", [[], SRRESNET], ids=["quickstart", "srresnet"])
def test_memory_estimate_is_within_30_percent(repository, tmp_path, capsys, changes):
    changes = [*changes, "stages.0.steps=2", "stages.1.steps=2"]
    arguments = [str(repository / "experiments" / "quickstart.json"), *(f"--set={change}" for change in changes)]
    assert main([*arguments, "--dry-run"]) == 0
    said = capsys.readouterr().out
    estimated = max(float(text) for text in re.findall(r"resident memory about ([\d.]+) GB", said))
    command = [sys.executable, "-c", MEASURED, *arguments, "--run-dir", str(tmp_path / "run")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    measured = int(re.search(r"VmHWM:\s+(\d+) kB", run.stdout)[1]) * 1024 / 1e9
    assert 0.7 < estimated / measured < 1.3, f"estimated {estimated} GB, measured {measured:.2f} GB"
