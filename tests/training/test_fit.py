"""The fit command from experiment file to run folder, and what can be done with that folder."""

import csv
import functools
import json

import numpy as np
import pytest
from PIL import Image
from tiny_experiments import SMALLEST

import sr_gan_tf
from sr_gan_tf.benchmarks import input_pipeline
from sr_gan_tf.config import load_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.fit import fit, main
from sr_gan_tf.metrics import psnr_y
from sr_gan_tf.runs.checkpoints import checkpoint_files, read_checkpoint
from sr_gan_tf.upscale import main as upscale_main

TINY = ["deterministic=false", "data.validation_limit=1", "stages.0.steps=12", "stages.1.steps=8", "histograms=true"]


@pytest.fixture(scope="module")
def tiny(repository):
    return load_experiment(repository / "experiments" / "tiny.json", TINY)


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    """A finished run of both stages, and what it printed."""
    said = []
    folder = fit(tiny, tmp_path_factory.mktemp("runs") / "tiny", profile=(3, 4), say=said.append).folder
    return folder, said


@pytest.fixture(scope="module")
def events(run):
    """TensorBoard's own reading of the run's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run[0].logs), size_guidance={"tensors": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def test_run_folder_holds_everything(run, tiny):
    folder, said = run
    assert folder.experiment() == tiny
    # The best of the supervised stage; the adversarial one keeps its last, which is the run's model.
    assert folder.best.is_file()
    assert folder.model == folder.last
    assert folder.timing.is_file()
    assert len(checkpoint_files(folder.checkpoints)) == 2
    assert [line.split()[0] for line in said] == ["bicubic", "pretraining", "adversarial", "done:"]
    assert "(the best by psnr_y, step " in said[1]
    assert said[2].endswith("(the last generator, step 20)")
    assert f"{folder.last} is the last generator of the last stage" in said[3]
    for path in (folder.chart, *folder.samples.iterdir()):
        with Image.open(path) as picture:
            assert picture.size[0] > 100
    assert not [item for item in folder.path.rglob("*") if ".tmp" in item.name]


def test_history_has_raw_and_weighted_terms_of_both_stages(run):
    with run[0].history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 4, 8, 12, 16, 20]
    last = rows[-1]
    assert last["stage"] == "adversarial"
    for name in ("MeanAbsoluteError", "BinaryCrossentropy", "discriminator_real", "discriminator_fake", "real_logits",
                 "fake_logits", "real_accuracy", "fake_accuracy", "generator_gradient_norm"):  # fmt: skip
        assert np.isfinite(float(last[name])), name
    assert float(last["BinaryCrossentropy.weighted"]) == pytest.approx(
        1e-3 * float(last["BinaryCrossentropy"]), rel=1e-5
    )
    mean = 0.5 * (float(last["discriminator_real"]) + float(last["discriminator_fake"]))
    assert float(last["discriminator_loss"]) == pytest.approx(mean, rel=1e-5)
    assert "clock" not in last


def test_saved_generator_gives_the_validated_figure(run, tiny, repository):
    from sr_gan_tf.data.pipeline import validation_pictures

    folder, _ = run
    model = sr_gan_tf.load(folder.path)
    lr, hr = validation_pictures(tiny.data, tiny.scale)[0].pair()
    sr = model.predict(lr[None] / np.float32(255), verbose=0)[0]
    assert sr.shape == hr.shape
    measured = psnr_y(hr, np.clip(np.round(sr * 255), 0, 255).astype(np.uint8), crop=2)
    with folder.history.open(newline="") as file:
        values = [float(row["validation/psnr_y"]) for row in csv.DictReader(file) if row["validation/psnr_y"]]
    assert measured == pytest.approx(values[-1], abs=0.01)


def test_the_runs_model_is_the_average_after_the_last_step(run):
    folder, _ = run
    _, tensors = read_checkpoint(checkpoint_files(folder.checkpoints)[0])
    for index, variable in enumerate(sr_gan_tf.load(folder.path).variables):
        np.testing.assert_array_equal(variable, tensors[f"average/{index:05d}"])


def test_a_best_metric_that_is_asked_for_chooses_in_adversarial_stages_too(tiny, tmp_path):
    experiment = tiny.override(
        SMALLEST | {"stages.0.steps": 2, "stages.1.steps": 2},
        best_metric="gmsd", validate_every=1, histograms=False,
    )  # fmt: skip
    said = []
    folder = fit(experiment, tmp_path / "run", say=said.append).folder
    assert folder.model == folder.best
    assert not folder.last.exists()
    assert "(the best by gmsd, step " in said[2]
    assert "is the best generator of the last stage" in said[3]


def test_upscale_with_the_run_folder(run, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    out = tmp_path / "photo_x2.png"
    assert upscale_main([str(tmp_path / "photo.png"), "-o", str(out), "--model", str(run[0].path)]) == 0
    with Image.open(out) as picture:
        assert picture.size == (60, 40)


def test_finished_run_only_reports(run, tiny, capsys):
    folder, said = run
    before = {item: item.stat().st_mtime_ns for item in folder.checkpoints.iterdir()}
    again = []
    fit(tiny, folder.path, say=again.append)
    assert again[1:] == said
    assert again[0].startswith("resuming at step 20")
    assert {item: item.stat().st_mtime_ns for item in folder.checkpoints.iterdir()} == before


def test_scalars_in_tensorboard(events):
    tags = events.Tags()["tensors"]
    for tag in ("train/generator_loss", "train/MeanAbsoluteError.weighted", "train/generator_learning_rate",
                "train/generator_gradient_norm", "train/discriminator_loss", "train/real_logits",
                "train/real_accuracy", "validation/psnr_y", "validation/ssim_y", "work/steps_per_second",
                "work/images_per_second", "work/resident_memory_MB", "work/waiting_for_data_share",
                "validation_pictures/0"):  # fmt: skip
        assert tag in tags, tag
    # TensorBoard shows the groups by the alphabet: the curves come first.
    groups = sorted({tag.partition("/")[0] for tag in tags if "/" in tag and not tag.startswith("_")})
    assert groups[:2] == ["train", "validation"]
    assert [event.step for event in events.Tensors("validation/psnr_y")] == [8, 12, 20]


def test_text_hyperparameters_histograms_and_profile_in_tensorboard(run, events):
    text = events.Tensors("experiment")[0].tensor_proto.string_val[0].decode()
    assert '"name": "tiny"' in text
    assert any(tag.startswith("_hparams_/") for tag in events.Tags()["tensors"] + list(events.summary_metadata))
    assert any(tag.startswith("weights/generator/") and tag.endswith("kernel") for tag in events.Tags()["tensors"])
    assert list(run[0].logs.rglob("*.xplane.pb"))
    assert events.Tags()["graph"]
    assert any("block1" in node.name for node in events.Graph().node)


def test_strips_in_tensorboard_are_pictures(events):
    proto = events.Tensors("validation_pictures/0")[0].tensor_proto
    width, height, *pictures = proto.string_val
    assert int(width) > int(height) > 0
    assert pictures[0].startswith(b"\x89PNG")


def test_dry_run_prints_counts_fields_and_estimates(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(repository / "experiments" / "tiny.json"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    resolved, rest = out.split("\n}\n")
    assert json.loads(resolved + "}")["name"] == "tiny"
    assert "generator: SRResNet, 8,059 trainable parameters, 48 others; sees 21 x 21 pixels" in rest
    assert "resident memory about" in rest
    assert "7 pictures" in rest
    assert not list(tmp_path.iterdir())


def test_profile_input_measures_each_stage(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = [f"--set={setting}" for setting in (*TINY, "histograms=false")]
    settings += [f"--set={key}={json.dumps(value)}" for key, value in SMALLEST.items()]
    monkeypatch.setattr(input_pipeline, "profile_data", functools.partial(input_pipeline.profile_data, count=10))
    assert main([str(repository / "experiments" / "tiny.json"), "--profile-input", *settings]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["stage pretraining", "stage adversarial"]
    assert all("images/s" in line and "MB/s" in line and "waiting" in line and "peak memory" in line for line in lines)
    assert not list(tmp_path.iterdir())


def test_early_stopping_ends_a_stage_and_resumes_as_ended(tiny, tmp_path):
    experiment = tiny.override(
        SMALLEST | {"stages.0.steps": 1000, "stages.0.generator_optimizer.config.learning_rate": 1e-12},
        patience=2, ema_decay=0.0, histograms=False,
    )  # fmt: skip
    folder = fit(experiment, tmp_path / "run", say=lambda text: None).folder
    notes, _ = read_checkpoint(checkpoint_files(folder.checkpoints)[0])
    assert notes["stage_index"] == 1
    assert notes["first_step"] < 100


@pytest.mark.parametrize(
    ("good_steps", "said"), [(0, "no checkpoint has been written yet"), (6, "step_000000008.safetensors")]
)
def test_steps_that_are_not_finite_stop_the_run_and_name_the_last_good_checkpoint(
    repository, tmp_path, good_steps, said
):
    schedule = {"class_name": "PiecewiseConstantDecay", "config": {"boundaries": [good_steps], "values": [1.0, 3e38]}}
    weight = schedule if good_steps else 3e38
    settings = [*TINY, f"stages.0.content.0.weight={json.dumps(weight)}", "max_bad_steps=3", "histograms=false"]
    settings += [f"{key}={json.dumps(value)}" for key, value in SMALLEST.items()]
    experiment = load_experiment(repository / "experiments" / "tiny.json", settings)
    with pytest.raises(InputError, match=f"3 consecutive steps were not finite .*generator_gradient_norm.*{said}"):
        fit(experiment, tmp_path / "run", say=lambda text: None)
    files = checkpoint_files(tmp_path / "run" / "checkpoints")
    for path in files:
        notes, tensors = read_checkpoint(path)
        assert notes["stage_step"] <= 8
        assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert bool(files) == bool(good_steps)
