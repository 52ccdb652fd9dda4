"""Training from Python: experiments as objects, callbacks, what `fit` returns, trackers, other files for a recipe."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as determinism
from tiny_experiments import SMALLEST

from sr_gan_tf.config import Experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.fit import fit, main
from sr_gan_tf.training.substitutes import missing, with_folders, with_trunk

SMALL = {
    "deterministic": False, "stages.0.steps": 6, "stages.1.steps": 4, "validate_every": 4, "log_every": 2, **SMALLEST,
}  # fmt: skip


@pytest.fixture
def tiny(repository):
    return Experiment.load(repository / "experiments" / "tiny.json").override(SMALL)


def silently(text):
    """Nothing is printed."""


def test_an_experiment_is_changed_as_an_object(tiny):
    changed = tiny.override(
        {"stages.0.generator_optimizer.config.learning_rate": 2e-4, "generator.config.filters": 16}, seed=3
    )
    assert changed.stages[0].generator_optimizer.config == {"learning_rate": 2e-4}
    assert (changed.generator.config["filters"], changed.seed, tiny.seed) == (16, 3, 7)
    assert Experiment.from_dict(changed.to_dict()) == changed
    assert tiny.override(stages=tiny.stages[:1]).stages == tiny.stages[:1]
    for changes, said in (
        ({"stages.5.steps": 1}, "override: stages.5.steps: '5' is not an index in a list of 2"),
        ({"sede": 1}, "sede: unknown key; did you mean 'seed'"),
        ({"seed": "x"}, "seed: "),
        ({"generator": object()}, "is not a JSON value"),
    ):
        with pytest.raises(InputError, match=said):
            tiny.override(changes)


class Watch(keras.callbacks.Callback):
    """Remembers what it is told; stops each stage at the given step."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at, self.seen, self.stages = stop_at, [], 0

    def on_train_begin(self, logs=None):
        self.stages += 1
        assert isinstance(self.model, keras.Model)

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(dict(logs))
        if batch + 1 == self.stop_at:
            self.model.stop_training = True


def test_fit_takes_callbacks_and_returns_the_run(tiny, tmp_path):
    watch = Watch()
    tf.random.set_seed(8)
    expected = tf.random.uniform((2,)).numpy()
    tf.random.set_seed(8)
    run = fit(tiny.override(deterministic=True), tmp_path / "run", say=silently, callbacks=[watch])
    # The caller's random numbers are as before, and its operations are as free.
    np.testing.assert_array_equal(tf.random.uniform((2,)), expected)
    assert not determinism.is_op_determinism_enabled()
    assert (watch.stages, len(watch.seen)) == (2, 10)
    validated = [number for number, logs in enumerate(watch.seen, 1) if "validation/psnr_y" in logs]
    assert validated == [4, 6, 10]
    assert run.history["validation/psnr_y"] == pytest.approx(
        [watch.seen[n - 1]["validation/psnr_y"] for n in validated]
    )
    assert run.history.series("generator_loss")[0] == [2, 4, 6, 8, 10]
    with pytest.raises(KeyError, match="'psnr'; there are"):
        run.history["psnr"]
    assert run.folder.path == tmp_path / "run"
    assert run.model.predict(np.zeros((1, 8, 9, 3), np.float32), verbose=0).shape == (1, 16, 18, 3)
    again = fit(tmp_path / "run", say=silently)
    assert again.folder.path == run.folder.path
    assert again.history["validation/psnr_y"] == run.history["validation/psnr_y"]


def test_callbacks_that_are_none(tiny, tmp_path):
    for callback in ("TensorBoard", keras.callbacks.CSVLogger):
        with pytest.raises(InputError, match=r"callbacks: expected objects of keras.callbacks.Callback"):
            fit(tiny, tmp_path / "run", say=silently, callbacks=[callback])
    assert not (tmp_path / "run").exists()


def test_a_callback_ends_its_stage_in_order(tiny, tmp_path):
    run = fit(tiny, tmp_path / "run", say=silently, callbacks=[Watch(stop_at=3)])
    assert run.history.series("generator_loss", "pretraining")[0] == [2, 3]
    assert run.history.series("generator_loss", "adversarial")[0] == [5, 6]


def test_a_run_folder_resumes_without_repeating_its_overrides(repository, tmp_path, capsys):
    changes = SMALL | {"stages.0.steps": 4, "stages.1.steps": 2}
    words = [f"--set={key}={json.dumps(value)}" for key, value in changes.items()]
    assert main([str(repository / "experiments" / "tiny.json"), "--run-dir", str(tmp_path / "run"), *words]) == 0
    capsys.readouterr()
    assert main([str(tmp_path / "run")]) == 0
    assert "step 6 of" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 2
    assert "is not a run folder (it has no experiment.json)" in capsys.readouterr().err


def test_batches_are_ordinary_data(tiny):
    from sr_gan_tf.data import batches

    data = batches(tiny.data, scale=2, seed=1)
    lr, hr = next(iter(data))
    assert isinstance(data, tf.data.Dataset)
    assert (lr.shape, hr.shape, lr.dtype) == ((4, 16, 16, 3), (4, 32, 32, 3), tf.float32)


def test_one_recipe_on_other_files(repository):
    recipe = Experiment.load(repository / "experiments" / "srgan_x4.json")
    changed = with_trunk(with_folders(recipe, ["a", "b"], ["c"]), "hed")
    assert [source.config for source in changed.data.train] == [{"path": "a"}, {"path": "b"}]
    assert [source.config for source in changed.data.validation] == [{"path": "c"}]
    config = changed.stages[1].content[0].config
    assert (config["network"], config["weights"], config["layers"]) == ("vgg16", "hed", {"block5_conv3": 1.0})
    assert (changed.stages[0], changed.generator) == (recipe.stages[0], recipe.generator)
    with pytest.raises(InputError, match="--trunk hed: has no effect without a perceptual loss"):
        with_trunk(Experiment.load(repository / "experiments" / "span_x4.json"), "hed")


def test_the_trunk_of_a_loss_inside_another_is_replaced(repository):
    recipe = Experiment.load(repository / "experiments" / "small" / "span_x4_real_long.json")
    changed = with_trunk(recipe, "hed")
    before, after = (one.stages[1].content[2].config["loss"] for one in (recipe, changed))
    assert after == {**before, "config": before["config"] | {"weights": "hed"}}
    assert changed.stages[1].content[:2] == recipe.stages[1].content[:2]


def test_the_trunk_of_the_discriminator_is_replaced(repository):
    recipe = Experiment.load(repository / "experiments" / "tiny.json").to_dict()
    recipe["discriminator"] = {
        "class_name": "FeatureDiscriminator",
        "config": {"taps": ["block3_conv4", "block4_conv2"]},
    }
    changed = with_trunk(Experiment.from_dict(recipe), "lpips")
    assert changed.discriminator.config == {
        "network": "vgg16", "trunk_weights": "lpips", "taps": ["block3_conv3", "block4_conv2"],
    }  # fmt: skip
    kept = with_trunk(Experiment.from_dict(recipe), "imagenet").discriminator.config
    assert kept == recipe["discriminator"]["config"] | {"trunk_weights": "imagenet"}


def test_a_discriminator_without_its_trunk_names_the_remedy(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.utils.get_file", offline)
    recipe = Experiment.load(repository / "experiments" / "tiny.json").to_dict()
    recipe["discriminator"] = {"class_name": "FeatureDiscriminator", "config": {"filters": 8}}
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe))
    assert [item.option for item in missing(Experiment.load(path))] == ["--trunk lpips"]
    assert main([str(path), "--run-dir", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: discriminator: cannot get the ImageNet weights of vgg19")
    assert said.count("\n") == 1
    remedy = said.partition("--set '")[2].partition("'")[0]
    key, value = remedy.split("=", 1)
    assert key == "discriminator.config"
    assert json.loads(value) == {
        "network": "vgg16", "taps": ["block2_conv2", "block3_conv3", "block4_conv3"], "filters": 8,
        "precision": "float32", "trunk_weights": "lpips",
    }  # fmt: skip


def test_all_that_is_missing_is_named_at_once(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.utils.get_file", offline)
    path = tmp_path / "recipe.json"
    recipe = Experiment.load(repository / "experiments" / "srgan_x4.json").to_dict()
    for part in ("train", "validation"):
        recipe["data"][part] = [{"class_name": "Folder", "config": {"path": str(tmp_path / part)}}]
    recipe["stages"][0]["initial_weights"] = "start.keras"
    recipe["stages"][1]["balance"] = {}
    path.write_text(json.dumps(recipe))
    found = [item.option for item in missing(Experiment.load(path))]
    assert found == [
        "--train-data FOLDER", "--validation-data FOLDER", "--set 'stages.0.initial_weights=\"FILE\"'", "--trunk lpips",
    ]  # fmt: skip
    assert main([str(path), "--run-dir", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "4 things are missing on this machine: (1) data.train.0: no folder" in said
    assert f"python -m sr_gan_tf fit {path} --run-dir" in said
    assert (
        "--train-data FOLDER --validation-data FOLDER --set 'stages.0.initial_weights=\"FILE\"' --trunk lpips" in said
    )
    assert not (tmp_path / "run").exists()


def offline(*arguments, **settings):
    raise OSError("no network")


def test_wandb_offline(tiny, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = fit(
        tiny.override(trackers=["wandb"], stages=tiny.stages[:1], discriminator=None), tmp_path / "run", say=silently
    )
    kept = [path.read_bytes() for path in (tmp_path / "run").rglob("run-*.wandb")]
    assert len(kept) == 1
    assert b"validation/psnr_y" in kept[0]
    assert not run.folder.logs.exists()


def test_mlflow_in_a_folder(tiny, tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    first = tiny.override(trackers=["mlflow", "tensorboard"], stages=tiny.stages[:1], discriminator=None)
    run = fit(first, tmp_path / "runs" / "run", say=silently)
    client = MlflowClient(tracking_uri=(tmp_path / "runs" / "mlruns").as_uri())
    (kept,) = client.search_runs([client.get_experiment_by_name("sr_gan_tf").experiment_id])
    assert kept.info.status == "FINISHED"
    assert kept.data.params["stages.0.steps"] == "6"
    values = client.get_metric_history(kept.info.run_id, "validation/psnr_y")
    steps, figures = run.history.series("validation/psnr_y")
    assert [value.step for value in values] == steps
    assert [value.value for value in values] == pytest.approx(figures)
    fit(run.folder.path, say=silently)  # resumed: the same run of MLflow
    assert len(client.search_runs([kept.info.experiment_id])) == 1


def test_trackers_that_cannot_be(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("sr_gan_tf.training.trackers._PACKAGES", {"wandb": "not_there_at_all"})
    with pytest.raises(InputError, match=r"trackers: wandb is not installed; pip install 'sr_gan_tf\[wandb\]'"):
        fit(tiny.override(trackers=["wandb"]), tmp_path / "run", say=silently)
    with pytest.raises(InputError, match='histograms: has no effect without the tracker "tensorboard"'):
        fit(tiny.override(trackers=[], histograms=True), tmp_path / "run", say=silently)


class Pairs(keras.utils.PyDataset):
    """Three batches of noise."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        draws = np.random.default_rng(index)
        return draws.random((2, 8, 8, 3), np.float32), draws.random((2, 16, 16, 3), np.float32)


@pytest.mark.filterwarnings("ignore:.*PyDataset.*")
@pytest.mark.parametrize("kind", ["dataset", "pydataset", "generator"])
def test_any_data_of_pairs_feeds_the_trainers(kind):
    from sr_gan_tf.discriminators import DISCRIMINATORS
    from sr_gan_tf.generators import GENERATORS
    from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES
    from sr_gan_tf.training.gan import GAN
    from sr_gan_tf.training.supervised import Supervised
    from sr_gan_tf.training.terms import constant

    pairs = Pairs(workers=1)
    lr, hr = (np.stack(part) for part in zip(*(pairs[index] for index in range(3)), strict=True))

    def data():
        return {
            "dataset": tf.data.Dataset.from_tensor_slices((lr, hr)),
            "pydataset": pairs,
            "generator": (pairs[index] for index in range(3)),
        }[kind]

    generator = GENERATORS["Compact"](scale=2, filters=4, num_convs=1)
    content = [constant("l1", CONTENT_LOSSES["MeanAbsoluteError"]())]
    supervised = Supervised(generator)
    run_eagerly = kind != "dataset"  # the batches are fetched outside the graph
    supervised.compile(keras.optimizers.Adam(1e-3), content, run_eagerly=run_eagerly)
    supervised.fit(data(), steps_per_epoch=3, verbose=0, shuffle=False)
    assert int(supervised.total_step) == 3
    gan = GAN(generator, DISCRIMINATORS["TinyDiscriminator"](filters=4))
    gan.compile(
        keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), content,
        constant("adversarial", ADVERSARIAL_LOSSES["BinaryCrossentropy"](), 1e-3), run_eagerly=run_eagerly,
    )  # fmt: skip
    gan.fit(data(), steps_per_epoch=3, verbose=0, shuffle=False)
    assert int(gan.total_step) == 3
