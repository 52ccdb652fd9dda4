"""`python -m sr_gan_tf.data`: what `check` finds, and what the measurements say."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from sr_gan_tf import config
from sr_gan_tf.benchmarks import input_pipeline as measure
from sr_gan_tf.config import load_experiment
from sr_gan_tf.data import AUGMENTATIONS, DEGRADATIONS, SOURCES
from sr_gan_tf.data.__main__ import main
from sr_gan_tf.data.check import check
from sr_gan_tf.data.pipeline import training_batches
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.resampling import imresize


def scene(seed, size=(96, 120)):
    """A picture of random blobs, unlike that of any other seed."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (12, 15, 3), np.uint8))
    return small.resize(size[::-1], Image.Resampling.BICUBIC)


def save(picture, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)


def source(path, **options):
    return config.SourceSpec("Folder", {"path": str(path), **options})


@pytest.fixture
def folders(tmp_path):
    for number in range(8):
        save(scene(number), tmp_path / f"train/{number}.png")
    for number in range(100, 103):
        save(scene(number), tmp_path / f"valid/{number}.png")
    return tmp_path


def run(folders, **options):
    settings = {"train": (source(folders / "train"),), "validation": (source(folders / "valid"),), "patch_size": 48}
    return check(config.Data(**{**settings, "cache_dir": str(folders / "cache"), **options}), 4)


def test_good_data_has_no_problems_and_totals(folders):
    report = run(folders)
    assert report.problems == {}
    assert "no problems found" in str(report)
    assert "8 of 8 pictures usable, 0.1 megapixels" in report.totals[0]
    assert "not created yet, about 0.00 GB" in report.totals[1]


def test_unreadable_and_small_pictures(folders):
    (folders / "train/2.png").write_bytes(b"")
    (folders / "valid/101.png").write_bytes((folders / "valid/101.png").read_bytes()[:200])
    save(scene(50, (96, 40)), folders / "train/small.png")
    save(scene(50, (96, 40)), folders / "valid/small_is_fine_here.png")
    problems = run(folders).problems
    assert [line.split(":")[0].rsplit("/", 1)[1] for line in problems.pop("unreadable")] == ["2.png", "101.png"]
    assert problems.pop("too small") == [f"{folders}/train/small.png: 40x96 pixels, smaller than the patch of 48"]


def jpeg(picture, path):
    save(picture, path.with_suffix(".jpg"), quality=40)


COPIES = {
    "the same": lambda picture, path: save(picture, path),
    "compressed": jpeg,
    "halved": lambda picture, path: save(picture.resize((60, 48)), path),
    "mirrored": lambda picture, path: save(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), path),
    "darker": lambda picture, path: save(ImageEnhance.Brightness(picture).enhance(0.6), path),
    "gray": lambda picture, path: save(picture.convert("L"), path),
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies_in_train_and_validation(folders, copy):
    COPIES[copy](scene(5), folders / "valid/copy.png")
    (found,) = run(folders).problems["in train and validation"]
    assert "copy." in found
    assert "train/5.png (train)" in found
    assert found.endswith(" mirrored") == (copy == "mirrored")


def test_different_photographs_are_no_copies(photos, tmp_path):
    train, valid = (sorted((photos / name).iterdir())[:40] for name in ("train", "valid"))
    for name, files in (("train", train), ("valid", valid)):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file.name).symlink_to(file)
    assert run(tmp_path).problems == {}


def test_mismatched_pairs(folders):
    for number in range(8):
        save(scene(number, (96, 120)).resize((30, 24), Image.Resampling.BICUBIC), folders / f"LR/{number}.png")
    pairs = (source(folders / "train", lr_path=str(folders / "LR")),)
    assert run(folders, train=pairs).problems == {}
    save(scene(77).resize((30, 24)), folders / "LR/3.png")
    save(scene(4).resize((60, 48)), folders / "LR/4.png")
    (folders / "LR/5.png").unlink()
    problems = run(folders, train=pairs).problems
    other, scale = sorted(problems["mismatched pairs"])
    assert "3.png: LR shows a different image than HR" in other
    assert "4.png" in scale
    assert "pair of scale 2" in scale
    assert "5.png" in problems["unreadable"][0]
    swapped = (source(folders / "LR", lr_path=str(folders / "train")),)
    assert any("swapped" in line for line in run(folders, train=swapped).problems["mismatched pairs"])


def test_damaged_tiles_are_found(folders):
    data = config.Data(train=(source(folders / "train"),), patch_size=48, cache_dir=str(folders / "cache"))
    store = Sampler(data, 4, 1).stores[0]
    assert "tiles: 8 pictures in" in run(folders).totals[1]
    with open(store.folder / "tiles.bin", "r+b") as file:
        file.write(b"damage")
    assert "0.png in" in run(folders).problems["damaged tiles"][0]


EXPERIMENT = {
    "name": "check",
    "scale": 4,
    "generator": {"class_name": "SRResNet"},
    "stages": [{"name": "one", "steps": 1, "generator_optimizer": {"class_name": "Adam"}, "patch_size": 100}],
}


@pytest.fixture
def experiment(folders):
    data = {
        "train": [{"class_name": "Folder", "config": {"path": str(folders / "train")}}],
        "patch_size": 24,
        "batch_size": 2,
        "cache_dir": str(folders / "cache"),
    }
    path = folders / "experiment.json"
    path.write_text(json.dumps({**EXPERIMENT, "data": data}))
    return str(path)


def test_the_command_lists_and_ends_with_one_where_there_are_problems(experiment, folders, capsys):
    assert main(["check", experiment]) == 1
    assert "too small: 8\n" in capsys.readouterr().out
    assert main(["check", experiment, "--set", "stages.0.patch_size=96"]) == 0
    assert "no problems found" in capsys.readouterr().out
    assert main(["check", experiment, "--set", 'data.train.0.config.path="nowhere"']) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: data.train.0: no folder nowhere")
    assert error.count("\n") == 1


@pytest.mark.long
def test_the_benchmark_compares_the_three(experiment, capsys):
    assert main(["benchmark", experiment, "--batches", "10", "--rounds", "1"]) == 0
    said = capsys.readouterr().out
    assert "a batch is 2 patches of 24 x 24, x4, Bicubic" in said
    assert "times as fast as the train step (" in said


def test_the_plain_pipeline_is_a_fair_one(experiment, folders, tmp_path):
    """It gives what the other gives: LR made from HR, in batches of the same shapes."""
    data = load_experiment(experiment).data
    (plain := tmp_path / "plain").mkdir()
    lr, hr = next(measure.plain_batches(data, 4, plain).as_numpy_iterator())
    assert lr.shape == (2, 6, 6, 3)
    assert hr.shape == (2, 24, 24, 3)
    assert len(list(plain.iterdir())) == 8
    np.testing.assert_allclose(np.clip(imresize(hr[0], 0.25), 0, 1), lr[0], atol=0.005)


def test_profile_tells_waiting_from_working(experiment, folders):
    data = config.Data(
        train=(source(folders / "train"),), patch_size=24, batch_size=2, cache_dir=str(folders / "cache")
    )
    batches = training_batches(data, 4, 1)
    seen = []
    busy = measure.profile_input(batches, lambda lr, hr: seen.append(tf.linalg.expm(tf.ones((200, 200))).numpy()), 10)
    idle = measure.profile_input(batches, None, 10)
    assert len(seen) == 15
    assert busy.waiting < 0.9 < idle.waiting <= 1
    assert idle.images > busy.images > 0
    assert idle.peak_memory > 1e8
    assert idle.megabytes / idle.images == pytest.approx(4 * 3 * (24**2 + 6**2) / 1e6)
    assert "images/s" in str(idle)
    assert "of the time spent waiting" in str(busy)


@pytest.mark.parametrize(("gigabytes", "batches"), [(40.0, 8), pytest.param(40.0, 5000, marks=pytest.mark.long)])
def test_a_large_store_takes_little_memory(tmp_path, gigabytes, batches):
    before = measure.anonymous_memory()
    said = measure.memory(tmp_path, gigabytes, batches)
    assert "from a store of 40.0 GB" in said
    assert (tmp_path / "tiles.bin").stat().st_blocks * 512 < 1e6
    assert measure.anonymous_memory() - before < 100e6


def test_the_document_names_everything_and_its_example_is_valid(repository):
    text = (repository / "docs" / "data.md").read_text()
    for name in (*SOURCES, *DEGRADATIONS, *AUGMENTATIONS):
        assert f"`{name}`" in text, name
    example = json.loads("{" + text.split("```json\n")[1].split("```")[0] + "}")
    data = config.parse_experiment({**EXPERIMENT, **example}).data
    assert data.train[1].weight == 1.0
    assert data.validation[0].class_name == "Folder"
