"""The examples run: the search by KerasTuner, and the notebook from its first cell to its last picture."""

import json
import shutil

import pytest
from scripts import load_script


# KerasTuner 1.4.8 is older than what it uses.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_tuner_searches_three_settings(repository, tmp_path):
    pytest.importorskip("keras_tuner", reason="keras-tuner is not installed")
    tune = load_script("examples/tune.py")
    tune.EXPERIMENT = tune.EXPERIMENT.override(trackers=[])
    best = tune.search(str(tmp_path), steps=4)
    assert set(best) == {"learning_rate", "filters", "activation"}
    runs = sorted(tmp_path.glob("trial_*"))
    assert len(runs) == 3
    filters = [json.loads((run / "experiment.json").read_text())["generator"]["config"]["filters"] for run in runs]
    assert best["filters"] in filters


def notebook(repository) -> dict:
    return json.loads((repository / "examples" / "quickstart.ipynb").read_text())


def test_the_notebook_is_kept_without_outputs(repository):
    cells = [cell for cell in notebook(repository)["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 5
    assert not [cell for cell in cells if cell["outputs"] or cell["execution_count"]]
    for cell in cells:
        if "install" not in cell["metadata"].get("tags", ()):
            compile("".join(cell["source"]), "quickstart.ipynb", "exec")


@pytest.mark.long
def test_the_notebook_runs(repository, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    shutil.copy(repository / "examples" / "quickstart.ipynb", tmp_path / "quickstart.ipynb")
    monkeypatch.setenv("PYTHONPATH", str(repository))
    document = nbformat.read(tmp_path / "quickstart.ipynb", as_version=4)
    # The package under test is installed already, and not from an index.
    document.cells = [cell for cell in document.cells if "install" not in cell.metadata.get("tags", ())]
    nbclient.NotebookClient(document, timeout=1200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]  # fmt: skip
    assert len(pictures) == 4
