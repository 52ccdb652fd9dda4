"""`fit --from`: the experiment that adapts a trained model to other pictures."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image
from skimage import data

from sr_gan_tf import fit
from sr_gan_tf.config import load_experiment, parse_experiment, to_json
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.models import load
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.training.advice import lost_texture
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.fine_tuning import fine_tuning
from sr_gan_tf.training.initial_weights import load_initial_weights


@pytest.fixture
def folders(tmp_path):
    """Paths of new pictures to train on and to validate on."""
    paths = []
    for name, picture in (("new", data.astronaut()), ("held_out", data.coffee())):
        (tmp_path / name).mkdir()
        Image.fromarray(picture[:128, :128]).save(tmp_path / name / "picture.png")
        paths.append(str(tmp_path / name))
    return paths


@pytest.mark.parametrize(
    ("base", "degradation"), [("span_x4", "Bicubic"), ("span_x2", "Bicubic"), ("span_x4_real", "Realistic")]
)
def test_shipped_models(base, degradation, folders):
    """The network begins as the shipped one, on the degradation that it knows."""
    experiment = fine_tuning(base, [folders[0]], 20, [folders[1]])
    assert experiment.data.degradation.class_name == degradation
    assert sum(source.weight for source in experiment.data.train) == 1
    networks = build_networks(experiment)
    load_initial_weights(experiment, 0, networks, say=lambda text: None)
    lr = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(networks.generator(lr), load(base)(lr), atol=1e-5)


def test_a_file(tmp_path):
    network = Compact(scale=2, filters=4, num_convs=1, activation="relu")
    network.save(tmp_path / "mine.keras")
    experiment = fine_tuning(str(tmp_path / "mine.keras"), ["photos"], 100)
    assert experiment.scale == 2
    assert experiment.generator.config == {"filters": 4, "num_convs": 1, "activation": "relu"}
    assert experiment.name == "mine_fine_tuned"


def test_a_run_folder_keeps_its_network_and_degradation(repository, tmp_path):
    raw = json.loads((repository / "experiments" / "tiny.json").read_text())
    raw["data"]["degradation"] = {"class_name": "Resize", "config": {"kernel": "area"}}
    run = RunFolder(tmp_path / "run")
    base = parse_experiment(raw)
    with run.claim(base):
        pass
    experiment = fine_tuning(str(run.path), ["photos"], 100)
    assert experiment.generator == base.generator
    assert experiment.data.degradation == base.data.degradation


def test_the_settings(folders):
    experiment = fine_tuning(
        "span_x4", [folders[0]], 2000, [folders[1]], folders[1], overrides=["data.batch_size=4", "seed=9"]
    )
    new, old = experiment.data.train
    assert (new.weight, old.weight) == (0.75, 0.25)
    assert old.config == {"path": folders[1]}
    assert (experiment.data.batch_size, experiment.seed, experiment.validate_every) == (4, 9, 200)
    rate = experiment.stages[0].generator_optimizer.config["learning_rate"]["config"]
    assert rate["warmup_target"] == 1e-4
    assert rate["warmup_steps"] + rate["decay_steps"] == 2000


def test_the_commands_of_the_page(repository, folders):
    """An adversarially trained base keeps its texture by the settings that the page shows."""
    page = (repository / "docs" / "fine_tuning.md").read_text().replace("\\\n", "")
    commands = [shlex.split(line) for line in page.splitlines() if line.startswith("sr-gan-tf fit")]
    assert len(commands) == 2
    for words in commands:
        overrides = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        base, steps = words[words.index("--from") + 1], int(words[words.index("--steps") + 1])
        experiment = fine_tuning(base, [folders[0]], steps, [folders[1]], overrides=overrides)
        networks = build_networks(experiment)
        build_stage(experiment, 0, networks)
        assert lost_texture(experiment, 0) == []
    assert experiment.stages[0].adversarial is not None
    assert len(lost_texture(fine_tuning("span_x4_gan", [folders[0]], 9, [folders[1]]), 0)) == 1


def test_the_command(folders, tmp_path, capsys):
    """Trains, keeps the best on the held-out pictures, and is resumed by its own experiment."""
    run = tmp_path / "run"
    SPAN(scale=2, filters=8, num_blocks=1, merged=True).save(tmp_path / "base.keras")
    arguments = [
        "--from",
        str(tmp_path / "base.keras"),
        "--train-data",
        folders[0],
        "--validation-data",
        folders[1],
        "--steps",
        "4",
    ]
    small = ["--set", "data.patch_size=32", "--set", "data.batch_size=2", "--run-dir", str(run)]
    assert fit.main([*arguments, *small]) == 0
    assert "best generator" in capsys.readouterr().out
    experiment = RunFolder(run).experiment()
    assert [source.class_name for source in experiment.data.train] == ["Folder", "SamplePhotographs"]
    assert load(run).merged
    copy = tmp_path / "experiment.json"
    copy.write_text(to_json(experiment))
    assert load_experiment(copy) == experiment


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "span_x4", "--steps", "9"], "--from needs --train-data and --steps"),
        (["--from", "span_x4", "--train-data", "here"], "--from needs --train-data and --steps"),
        (["--from", "span_x9", "--train-data", "here", "--steps", "9"], "span_x9"),
        (["--from", "span_x4", "--train-data", "here", "--steps", "0"], "--steps 0: expected a positive number"),
        (["--from", "span_x4", "--train-data", "nowhere", "--steps", "9"], "nowhere"),
        (["tiny.json", "--from", "span_x4", "--train-data", "here", "--steps", "9"], "has no effect with --from"),
        (["tiny.json", "--steps", "9"], "--steps has no effect without --from"),
        (["tiny.json", "--base-data", "here"], "--base-data has no effect without --from"),
    ],
)
def test_refused(arguments, message, capsys):
    assert fit.main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_what_cannot_be_trained_further(tmp_path):
    (tmp_path / "model.pth").write_bytes(b"")
    with pytest.raises(InputError, match="PyTorch"):
        fine_tuning(str(tmp_path / "model.pth"), ["photos"], 10)
