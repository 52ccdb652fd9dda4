"""Every mistake of a user ends in one `error:` line and exit code 2, and leaves nothing half-written."""

import importlib.util
import json
import shutil
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.beam import main as beam
from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.fit import main

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture
def experiment(tmp_path):
    return small_experiment(tmp_path)


def small_experiment(folder) -> dict:
    """A whole small experiment as plain data, with a folder of pictures that it uses."""
    (folder / "photos").mkdir()
    Image.fromarray(PICTURE).save(folder / "photos" / "one.png")
    return {
        "name": "mistaken",
        "scale": 2,
        "trackers": [],
        "data": {
            "train": [{"class_name": "Folder", "config": {"path": str(folder / "photos")}}],
            "validation": [],
            "patch_size": 16,
            "batch_size": 2,
            "cache_dir": str(folder / "cache"),
        },
        "generator": {"class_name": "SRResNet", "config": {"num_blocks": 1, "filters": 4}},
        "discriminator": {"class_name": "TinyDiscriminator", "config": {"filters": 4}},
        "stages": [
            {
                "name": "pretraining",
                "steps": 1,
                "content": [{"class_name": "MeanAbsoluteError"}],
                "generator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-4}},
            },
            {
                "name": "adversarial",
                "steps": 1,
                "content": [{"class_name": "MeanAbsoluteError"}],
                "adversarial": {"class_name": "BinaryCrossentropy", "weight": 1e-3},
                "generator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-4}},
                "discriminator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-4}},
            },
        ],
    }


def set_at(data, path: str, value) -> None:
    *parents, last = path.split(".")
    for part in parents:
        data = data[int(part)] if isinstance(data, list) else data[part]
    if value is Missing:
        del data[last]
    else:
        data[last] = value


class Missing:
    """Stands for a key to be taken out."""


SRGAN_96 = {"class_name": "SRGANDiscriminator", "config": {"image_size": 96}}
FOLDER = "data.train.0.config.path"
MISTAKES = [
    # unknown keys
    ("sede", 3, "sede: unknown key; did you mean 'seed'?"),
    ("data.patchsize", 3, "data.patchsize: unknown key; did you mean 'patch_size'?"),
    ("stages.0.contents", [], "stages.0.contents: unknown key; did you mean 'content'?"),
    ("generator.config.filtres", 8, "filtres: SRResNet takes no such argument; did you mean 'filters'?"),
    # misspelled classes
    ("generator.class_name", "SRResnet", "generator.class_name: no 'SRResnet'; did you mean 'SRResNet'?"),
    ("discriminator.class_name", "TinyDiskriminator", "did you mean 'TinyDiscriminator'?"),
    ("stages.0.content.0.class_name", "MeanAbsolutError", "did you mean 'MeanAbsoluteError'?"),
    ("stages.1.adversarial.class_name", "BinaryCrossEntropy", "did you mean 'BinaryCrossentropy'?"),
    ("stages.0.generator_optimizer.class_name", "Adamm", "did you mean 'Adam"),
    ("data.train.0.class_name", "Fodler", "data.train.0.class_name: no 'Fodler'; did you mean 'Folder'?"),
    ("data.degradation", {"class_name": "Bicubik"}, "did you mean 'Bicubic'?"),
    # wrong types
    ("scale", "two", "scale: Input should be a valid integer"),
    ("stages.0.steps", 1.5, "stages.0.steps: "),
    ("generator.config.filters", "8", "generator.config.filters: Input should be a valid integer"),
    ("stages.0.generator_optimizer.config.learning_rate", "fast", "learning_rate: expected a number"),
    ("stages.0.generator_optimizer.config.learning_rate", {"name": "CosineDecay"}, "learning_rate: expected {"),
    ("stages.1.adversarial.weight", "heavy", "weight: Input should be a valid number or an object, found 'heavy'"),
    ("stages.1.adversarial.weight", {"clas_name": "CosineDecay"}, "weight.clas_name: unknown key; did you mean 'class"),
    ("jit_compile", "yes", "jit_compile: Input should be a valid boolean or 'auto', found 'yes'"),
    ("data.augmentations", ["flip", {"class_name": "Mixup", "confg": {}}], "augmentations.1.confg: unknown key; did"),
    # values out of range, missing keys
    ("stages.0.steps", 0, "stages.0.steps: Input should be greater than 0"),
    ("data.batch_size", -1, "data.batch_size: Input should be greater than 0"),
    ("stages.1.adversarial.weight", -1, "adversarial.weight: Input should be greater than or equal to 0, found -1"),
    ("stages.1.adversarial.weight", 1e-50, "adversarial.weight: 1e-50 is 0 in float32; expected 0, or"),
    ("stages.1.adversarial.weight", 1e39, "adversarial.weight: 1e+39 is infinite in float32; expected 0, or"),
    ("stages.0.steps", 1e30, "stages.0.steps: Input should be a valid integer, found 1e+30"),
    ("generator.config.filters", 10**30, "generator.config.filters: expected a number below 2**63"),
    ("ema_decay", 0.999999999, "ema_decay: 0.999999999 is 1 in float32, so the average would never change"),
    ("name", "../elsewhere", "name: String should match pattern"),
    ("generator", Missing, "generator: missing"),
    ("discriminator", Missing, "discriminator: missing, but the stage 'adversarial' is adversarial"),
    ("stages.1.discriminator_optimizer", Missing, "stages.1.discriminator_optimizer: missing"),
    ("stages.0.content", [], "stages.0.content: empty"),
    ("stages.1.name", "pretraining", "two have the name 'pretraining'"),
    # sizes that don't fit
    ("data.patch_size", 15, "data.patch_size: 15 is not a multiple of the scale 2; the nearest are 14 and 16"),
    ("discriminator", {"class_name": "MetaGAN"}, "MetaGAN needs a multiple of 64, found 16; the nearest: 64"),
    ("discriminator", {"class_name": "PatchGAN"}, "data.patch_size: PatchGAN needs at least 24, found 16; raise it"),
    ("discriminator", SRGAN_96, "is 96, but that of the experiment is 16"),
    ("generator.config.scale", 4, "generator.config.scale: is 4, but that of the experiment is 2"),
    ("stages.0.content.0.class_name", "MSSSIM", "at least "),
    # folders and pictures
    (FOLDER, "no/such/folder", "no folder no/such/folder"),
    (FOLDER, ".", "no pictures in ."),
    ("data.patch_size", 256, "256"),
    ("stages.0.patch_size", 80, "80"),
    ("stages.0.initial_weights", "no/such/model", "no model 'no/such/model'"),
]  # fmt: skip


def refused(capsys, *argv) -> str:
    """Runs the command; gives its one error line."""
    assert main(list(map(str, argv))) == 2
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


def test_a_supervised_stage_between_adversarial_ones(experiment, tmp_path, capsys):
    first, game = experiment["stages"]
    experiment["stages"] = [game, first, game | {"name": "again"}]
    (tmp_path / "mistaken.json").write_text(json.dumps(experiment))
    assert "stages.1: supervised between" in refused(capsys, tmp_path / "mistaken.json", "--run-dir", tmp_path / "run")


@pytest.mark.parametrize(("path", "value", "said"), MISTAKES, ids=[f"{m[0]}-{i}" for i, m in enumerate(MISTAKES)])
def test_mistake_in_the_experiment(experiment, tmp_path, monkeypatch, capsys, path, value, said):
    monkeypatch.chdir(tmp_path)
    if value == ".":
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
    set_at(experiment, path, value)
    file = tmp_path / "mistaken.json"
    file.write_text(json.dumps(experiment))
    assert said in refused(capsys, file, "--run-dir", tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/*"))
    assert not (tmp_path / "run" / "best.keras").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "a",}', "line 1, column"),
        ('{\n"name" "a"}', "line 2, column 8: not JSON"),
        ("[1]", "expected a JSON object"),
        ("", "line 1, column 1"),
        ("\xff", "mistaken.json"),
    ],
)
def test_broken_json(tmp_path, capsys, text, said):
    file = tmp_path / "mistaken.json"
    file.write_bytes(text.encode("latin-1"))
    assert said in refused(capsys, file)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.json", "cannot read missing.json"),
        ("missing/experiment.json", "cannot read missing/experiment.json"),
        (".", "(it has no experiment.json)"),
    ],
)
def test_missing_file(tmp_path, monkeypatch, capsys, name, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("argument", ["--profile=5", "--profile=9:3", "--set=nonsense"])
def test_bad_arguments(experiment, tmp_path, capsys, argument):
    file = tmp_path / "mistaken.json"
    file.write_text(json.dumps(experiment))
    assert argument.split("=")[1].split(":")[0] in refused(capsys, file, argument)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An experiment and its run folder with one finished stage, which no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    experiment = small_experiment(folder)
    experiment["stages"] = experiment["stages"][:1]
    del experiment["discriminator"]
    file = folder / "mistaken.json"
    file.write_text(json.dumps(experiment))
    assert main([str(file), "--run-dir", str(folder / "run")]) == 0
    return file, folder / "run"


def test_run_folder_of_another_experiment(finished, capsys):
    file, run = finished
    before = sorted(
        (item, item.stat().st_mtime_ns) for item in run.rglob("*") if item.is_file() and item.name != ".lock"
    )
    line = refused(capsys, file, "--run-dir", run, "--set", "seed=9", "--set", "stages.0.steps=3")
    assert "belongs to another experiment" in line
    assert "seed (1234 -> 9)" in line
    assert "stages.0.steps" not in line  # more steps alone are no reason to refuse
    line = refused(capsys, file, "--run-dir", run, "--set", "generator.config.filters=5")
    assert "generator.config.filters (4 -> 5)" in line
    after = sorted(
        (item, item.stat().st_mtime_ns) for item in run.rglob("*") if item.is_file() and item.name != ".lock"
    )
    assert after == before


def test_run_folder_that_is_something_else(finished, tmp_path, capsys):
    file, run = finished
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("precious")
    assert "'thesis.txt' but no experiment.json" in refused(capsys, file, "--run-dir", tmp_path / "papers")
    assert (tmp_path / "papers" / "thesis.txt").read_text() == "precious"
    assert len(list((tmp_path / "papers").iterdir())) == 1
    assert "is a file" in refused(capsys, file, "--run-dir", tmp_path / "papers" / "thesis.txt")
    assert run.is_dir()


def test_run_folder_in_use(finished, capsys):
    import fcntl

    file, run = finished
    with open(run / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "in use by another training" in refused(capsys, file, "--run-dir", run)


@pytest.mark.parametrize(
    "place", ["sr_gan_tf.runs.checkpoints.save_file", "sr_gan_tf.training.validation.save_generator"]
)
def test_no_disk_space(experiment, tmp_path, monkeypatch, capsys, place):
    experiment["stages"] = experiment["stages"][:1]
    experiment["generator"] = {"class_name": "Compact", "config": {"num_convs": 1, "filters": 4}}
    del experiment["discriminator"]
    file = tmp_path / "mistaken.json"
    file.write_text(json.dumps(experiment))

    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    _module, _, name = place.rpartition(".")
    if name == "save_file":
        monkeypatch.setattr(place, full)
    else:
        monkeypatch.setattr("sr_gan_tf.networks.Generator.save", full)
    assert "no space left to write" in refused(capsys, file, "--run-dir", tmp_path / "run")
    assert not [item for item in (tmp_path / "run").rglob("*") if ".tmp" in item.name]
    monkeypatch.undo()
    # Nothing is lost: with space again, the same command ends well.
    assert main([str(file), "--run-dir", str(tmp_path / "run")]) == 0
    shutil.rmtree(tmp_path / "run")


@pytest.mark.skipif(importlib.util.find_spec("apache_beam") is not None, reason="Apache Beam is installed")
def test_beam_is_missing(capsys):
    assert beam(["x", "-o", "y"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no module apache_beam")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (float | list[float], "x", "k: Input should be a valid number or a valid array, found 'x'"),
        (float | list[float], [1, "b"], "k.1: Input should be a valid number, found 'b'"),
        (int | Literal["auto"], "x", "k: Input should be a valid integer or 'auto', found 'x'"),
        (list[int], ["x", 2, "y"], "k.0: Input should be a valid integer, found 'x'; content.config.k.2: "),
        (tuple[float, float] | float, [1, 2, 3], "k: Tuple should have at most 2 items"),
        (float | None, "x", "k: Input should be a valid number, found 'x'"),
    ],
)
def test_an_argument_of_several_types(annotation, value, message):
    """The path names the value, never a type; a list with one wrong entry is still a list."""

    class Own:
        def __init__(self, k):
            pass

    Own.__init__.__annotations__["k"] = annotation
    with pytest.raises(InputError) as found:
        build(Spec("Own", {"k": value}), {"Own": Own}, "content")
    assert str(found.value).startswith(f"content.config.{message}")
