"""The Runs tab: figures, chart and pictures of run folders, and what it says of those that cannot be read."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.registry import imports
from sr_gan_tf.registry.imports import import_parts
from sr_gan_tf.runs.history import History
from sr_gan_tf.webapp.shelf import Shelf
from sr_gan_tf.webapp.trainings import Trainings, run_names


@pytest.fixture
def parent(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def run(parent, name, experiment, rows):
    """A run folder as a training leaves it."""
    folder = parent / name
    (folder / "samples").mkdir(parents=True)
    (folder / "experiment.json").write_text(json.dumps(experiment), encoding="utf-8")
    history = History(folder / "history.csv")
    for step, values in rows:
        history.add(step, "pretraining", values)
    history.write()
    for path in (folder / "losses.png", folder / "samples" / "step_000000010.png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return folder


@pytest.fixture
def quickstart(repository):
    return json.loads((repository / "experiments" / "quickstart.json").read_text(encoding="utf-8"))


def rows(*values, name="psnr_y"):
    return [(0, {f"validation/bicubic_{name}": 99.0})] + [
        (10 * number, {"generator_loss": 0.1, f"validation/{name}": value})
        for number, value in enumerate(values, start=1)
    ]


def test_figures_chart_and_newest_picture(parent, quickstart):
    run(parent, "first", quickstart, rows(28.5, 30.25, 29.0))
    shelf = Shelf()
    trainings = Trainings(parent, shelf)
    shown = trainings.show("first")
    assert f"Step 30 of {sum(stage['steps'] for stage in quickstart['stages']):,}." in shown
    assert "PSNR-Y: best 30.25 at step 20." in shown
    assert "99" not in shown  # bicubic's figure is no result of the run
    assert shown.count("<img ") == len(shelf) == 2
    assert "step 000000010" in shown
    # Nothing piles up while a page stays open.
    trainings.show("first")
    assert len(shelf) == 2


def test_a_training_that_goes_on_is_shown_anew(parent, quickstart):
    folder = run(parent, "first", quickstart, rows(28.5))
    trainings = Trainings(parent, Shelf())
    assert trainings.changed("first")
    trainings.show("first")
    assert not trainings.changed("first")
    history = History(folder / "history.csv")
    history.add(20, "pretraining", {"validation/psnr_y": 31.0})
    history.write()
    assert trainings.changed("first")
    assert "best 31.00 at step 20." in trainings.show("first")


def test_a_run_that_has_just_begun(parent, quickstart):
    folder = run(parent, "first", quickstart, [])
    assert "Nothing has been logged yet." in Trainings(parent, Shelf()).show("first")
    (folder / "history.csv").unlink()
    assert "Nothing has been logged yet." in Trainings(parent, Shelf()).show("first")


def test_a_run_that_cannot_be_read_is_said(parent, quickstart):
    folder = run(parent, "first", quickstart, rows(28.5))
    (folder / "history.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "is no history.csv" in Trainings(parent, Shelf()).show("first")
    folder = run(parent, "second", quickstart, rows(28.5))
    (folder / "experiment.json").write_text("{", encoding="utf-8")
    assert "experiment.json" in Trainings(parent, Shelf()).show("second")


def test_a_run_that_was_deleted_meanwhile(parent, quickstart):
    folder = run(parent, "first", quickstart, rows(28.5))
    trainings = Trainings(parent, Shelf())
    trainings.show("first")
    shutil.rmtree(folder)
    assert trainings.changed("first")
    assert "No run here yet" in trainings.show("first")


def test_names_are_text(parent, quickstart):
    run(parent, "<b onclick=x>", quickstart, rows(28.5))
    shown = Trainings(parent, Shelf()).show("<b onclick=x>")
    assert "<b" not in shown
    assert "&lt;b onclick=x&gt;" in shown


@pytest.mark.parametrize("name", ["../outside", "..", "", "absent"])
def test_only_runs_of_the_folder_are_shown(parent, quickstart, name):
    run(parent.parent, "outside", quickstart, rows(28.5))
    shelf = Shelf()
    assert "No run here yet" in Trainings(parent, shelf).show(name)
    assert not len(shelf)


def test_the_run_that_changed_last_is_the_first(parent, quickstart):
    run(parent, "a", quickstart, rows(28.5))
    run(parent, "b", quickstart, rows(28.5))
    (parent / "no_run").mkdir()
    assert set(run_names(parent)) == {"a", "b"}
    assert run_names(parent / "absent") == []


def test_parts_of_your_own_need_the_import(parent, repository, monkeypatch):
    for name in ("_allowed", "_wanted", "_folders"):
        monkeypatch.setattr(imports, name, type(getattr(imports, name))())
    monkeypatch.delenv(imports.VARIABLE, raising=False)
    own = json.loads((repository / "examples" / "my_experiment.json").read_text(encoding="utf-8"))
    run(parent, "own", own, rows(86.0, 82.0, name="my_parts:worst_error"))
    trainings = Trainings(parent, Shelf())
    shown = trainings.show("own")
    assert "code of the module &#x27;my_parts&#x27;, which is imported only with your permission" in shown
    assert "pass --import" in shown
    import_parts(repository / "examples" / "my_parts.py")
    assert "worst_error: best 82.0 at step 20." in trainings.show("own")
