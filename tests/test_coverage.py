"""CI's measurement of coverage: a process notes the lines that it runs, and only these count."""

import json
import os
import subprocess
import sys

import pytest
from light_process import WITHOUT_TENSORFLOW
from scripts import load_script


@pytest.fixture(name="answers", scope="module")
def _answers(repository, tmp_path_factory):
    """The folder of answers, with that of a process that calls one function of `errors.py`."""
    pytest.importorskip("slipcover")
    folder = tmp_path_factory.mktemp("answers")
    folders = [str(repository / ".ci" / "coverage"), str(repository), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"COVERAGE_DIR": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    code = f"{WITHOUT_TENSORFLOW}from sr_gan_tf.errors import one_line; one_line(ValueError('no'))"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return folder


def test_the_lines_that_run_are_noted(repository, answers):
    errors = repository / "sr_gan_tf" / "errors.py"
    text = errors.read_text().splitlines()
    (answer,) = answers.glob("*.json")
    noted = {text[number - 1].strip() for number in json.loads(answer.read_text())[str(errors)]}
    assert "def suggest(" in " ".join(noted)
    assert not any("get_close_matches" in line for line in noted), "nobody called suggest"
    assert any(line.startswith("return") for line in noted), "one_line was called"


def test_below_the_floor_is_a_failure(repository, answers, monkeypatch, capsys):
    floor = load_script(".ci/coverage/floor.py")
    monkeypatch.setattr(sys, "argv", ["floor.py", str(answers)])
    assert floor.main() == 1
    said = capsys.readouterr().out.splitlines()
    assert float(said[-1].split("%")[0]) < floor.FLOOR
    assert any(line.endswith("sr_gan_tf/errors.py") and not line.strip().startswith("0.0%") for line in said)
    monkeypatch.setattr(floor, "FLOOR", 0)
    assert floor.main() == 0
