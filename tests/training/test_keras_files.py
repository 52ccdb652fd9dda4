"""Saving, loading and resuming both trainers the Keras way: rows of the table in docs/keras.md."""

import functools
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_trainers import compiled, dataset, make, normalized_generator, pictures, same, slots, weights
from PIL import Image
from skimage import data

from sr_gan_tf.discriminators.patchgan import PatchGAN
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.losses import CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.models import load
from sr_gan_tf.training.gan import Balance
from sr_gan_tf.training.initial_weights import _source
from sr_gan_tf.training.terms import constant

callbacks = keras.callbacks


@pytest.fixture(params=["Supervised", "GAN"])
def trainer(request):
    """Compiled the Keras way; without a graph, whose tracing would take longer than the test."""
    return compiled(request.param, generator=normalized_generator())


@pytest.fixture(params=["Supervised", "GAN"])
def plain_trainer(request):
    """Fewer weights, and no running statistics, whose way through files `test_save_and_load_model` shows."""
    return compiled(request.param)


def test_save_and_load_model(trainer, tmp_path):
    path = tmp_path / "model.keras"
    trainer.fit(dataset(), verbose=0)
    trainer.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(trainer)
    assert same(weights(loaded), weights(trainer))
    assert same(slots(loaded), slots(trainer))
    first, second = (model.fit(dataset(seed=2), verbose=0).history for model in (trainer, loaded))
    assert first.keys() == second.keys()
    assert same(weights(loaded), weights(trainer)), "the loaded model goes another way"
    bare = keras.saving.load_model(path, compile=False)
    assert not bare.compiled
    np.testing.assert_array_equal(bare.predict(pictures(2)[0], verbose=0).shape, (2, 16, 16, 3))


def test_save_and_load_of_every_argument(tmp_path):
    trainer = make("GAN")
    trainer.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 10)), "sgd",
        [("mae", 0.5), (CONTENT_LOSSES["Charbonnier"](1e-2), keras.optimizers.schedules.CosineDecay(1.0, 5))],
        ("Hinge", 0.1), features=[constant("matching", FEATURE_LOSSES["FeatureMatching"]())],
        penalties=[constant("r1", PENALTIES["R1"](), 2.0)], balance=Balance(discriminator_steps=2),
        metrics=["ssim_y"], steps_per_execution=2, run_eagerly=True,
    )  # fmt: skip
    trainer.fit(dataset(4), verbose=0)
    trainer.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [term.name for term in loaded.content] == [term.name for term in trainer.content]
    assert loaded.content[1].loss.get_config() == trainer.content[1].loss.get_config()
    assert loaded.balance == trainer.balance
    assert loaded.steps_per_execution == 2
    assert loaded.run_eagerly
    trainer.fit(dataset(4), verbose=0)
    loaded.fit(dataset(4), verbose=0)
    assert same(weights(loaded), weights(trainer))


@pytest.mark.parametrize("former", ["Stabilizers", "Stabilisers"])
def test_a_file_may_call_the_balance_by_a_former_name(former, tmp_path):
    path = tmp_path / "model.keras"
    trainer = make("GAN")
    trainer.compile("adam", "mae", balance=Balance(discriminator_every=3, adaptive_d=0.9), run_eagerly=True)
    arguments = trainer.get_compile_config()
    names = {"module": f"sr_gan_tf.training.{former.lower()}", "class_name": former}
    names["registered_name"] = f"sr_gan_tf>{former}"
    arguments[former.lower()] = arguments.pop("balance") | names
    trainer.get_compile_config = lambda: arguments
    trainer.save(path)
    assert keras.saving.load_model(path).balance == trainer.balance


def balance(trainer) -> list[np.ndarray]:
    """The state that the settings of `balance` need."""
    histories = [variable for name in sorted(trainer.histories) for variable in trainer.histories[name].variables]
    return [np.asarray(value) for value in (*trainer.turns.variables, *trainer.replay.variables, *histories)]


@pytest.mark.parametrize("form", ["model", "weights"])
def test_the_state_of_the_balance_is_in_files(form, tmp_path):
    def balanced(capacity=4):
        trainer = make("GAN")
        for number in (capacity + 2, capacity):  # compiled twice: only the second time counts
            settings = Balance(replay_buffer=number, historical_averaging=1e-3, adaptive_d=0.9)
            trainer.compile("adam", "mae", balance=settings, picture_shape=(2, 16, 16, 3), run_eagerly=True)
        return trainer

    trainer = balanced()
    trainer.fit(dataset(), verbose=0)
    assert float(trainer.turns.variables[0]) != 0.5
    if form == "model":
        trainer.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    else:
        trainer.save_weights(tmp_path / "model.weights.h5")
        loaded = balanced()
        loaded.load_weights(tmp_path / "model.weights.h5")
    assert same(balance(loaded), balance(trainer))
    first, second = (model.fit(dataset(seed=2), verbose=0).history for model in (trainer, loaded))
    assert first["generator_history"] == second["generator_history"]
    assert same(weights(loaded), weights(trainer))


def test_the_balance_may_be_another_than_that_of_a_file(tmp_path):
    trainer = make("GAN")
    trainer.compile("adam", "mae", balance=Balance(historical_averaging=1e-3), run_eagerly=True)
    trainer.fit(dataset(2), verbose=0)
    trainer.save_weights(tmp_path / "model.weights.h5")
    other = make("GAN")
    other.compile("adam", "mae", balance=Balance(adaptive_d=0.9), run_eagerly=True)
    other.load_weights(tmp_path / "model.weights.h5")
    assert same(weights(other), weights(trainer))
    assert float(other.turns.variables[0]) == 0.5


def test_a_trainers_file_is_a_generator_too(plain_trainer, tmp_path):
    """What ModelCheckpoint writes serves `upscale --model` and `initial_weights`."""
    plain_trainer.fit(dataset(2), verbose=0)
    plain_trainer.save(tmp_path / "trainer.keras")
    generator = load(tmp_path / "trainer.keras")
    assert type(generator) is type(plain_trainer.generator)
    assert same(generator.get_weights(), plain_trainer.average.get_weights())
    assert same(_source(str(tmp_path / "trainer.keras"), "generator").get_weights(), generator.get_weights())
    if hasattr(plain_trainer, "discriminator"):
        judge = _source(str(tmp_path / "trainer.keras"), "discriminator")
        assert same(judge.get_weights(), plain_trainer.discriminator.get_weights())


def test_what_cannot_be_saved_is_said(tmp_path):
    trainer = make("Supervised")
    trainer.compile("adam", lambda hr, sr: tf.reduce_mean(tf.abs(hr - sr)))
    with warnings.catch_warnings(record=True) as said:  # NumPy's about Keras's arrays are among them
        warnings.simplefilter("always")
        trainer.save(tmp_path / "model.keras")
    assert any("call compile() again" in str(warning.message) for warning in said)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.compiled


class Unregistered(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=(1, 2, 3))


def test_a_loss_class_that_keras_does_not_know(tmp_path):
    trainer = make("GAN")
    trainer.compile("adam", Unregistered())
    trainer.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="Could not locate class 'Unregistered'.*with @sr_gan_tf.register above it"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.compiled
    assert same(weights(loaded.average), weights(trainer.average))
    with keras.saving.custom_object_scope({"Unregistered": Unregistered}):
        assert keras.saving.load_model(tmp_path / "model.keras").compiled


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_hdf5_is_refused(plain_trainer, tmp_path, suffix):
    with pytest.raises(ValueError, match="HDF5 cannot hold two networks and their training"):
        plain_trainer.save(tmp_path / f"model{suffix}")
    assert not list(tmp_path.iterdir())


def test_save_weights_and_load_weights(plain_trainer, tmp_path):
    plain_trainer.fit(dataset(), verbose=0)
    plain_trainer.save_weights(tmp_path / "model.weights.h5")
    before, steps = weights(plain_trainer), slots(plain_trainer)
    plain_trainer.fit(dataset(), verbose=0)
    plain_trainer.load_weights(tmp_path / "model.weights.h5")
    assert same(weights(plain_trainer), before)
    assert same(slots(plain_trainer), steps)


def test_model_checkpoint(plain_trainer, tmp_path):
    keep = [
        callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_psnr_y", mode="max", save_best_only=True),
        callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
    ]
    history = plain_trainer.fit(dataset(), epochs=2, validation_data=dataset(4), callbacks=keep, verbose=0).history
    best = keras.saving.load_model(tmp_path / "best.keras")
    values = best.evaluate(dataset(4), verbose=0, return_dict=True)
    assert values["psnr_y"] == pytest.approx(max(history["val_psnr_y"]), abs=1e-4)
    assert (tmp_path / "2.weights.h5").exists()


@pytest.fixture(scope="module")
def two_epochs():
    """A trainer that nothing disturbed."""
    trainer = make("GAN")
    trainer.compile("adam", "mae", run_eagerly=True)
    trainer.fit(dataset(), epochs=2, verbose=0)
    return trainer


@pytest.mark.parametrize("step", [0, 1], ids=["between epochs", "in the middle"])
def test_backup_and_restore(step, two_epochs, tmp_path):
    """A run that was cut off in its second epoch ends as one that was not."""

    class Cut(callbacks.Callback):
        epoch = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            if (self.epoch, batch) == (1, step):
                raise KeyboardInterrupt

    first = make("GAN")
    first.compile("adam", "mae", run_eagerly=True)
    with pytest.raises(KeyboardInterrupt):
        first.fit(dataset(), epochs=2, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path), Cut()])
    second = make("GAN")
    second.compile("adam", "mae", run_eagerly=True)
    history = second.fit(dataset(), epochs=2, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])
    assert history.epoch == [1]
    assert same(weights(second), weights(two_epochs))
    assert same(slots(second), slots(two_epochs))


def test_clone_model(trainer):
    clone = keras.models.clone_model(trainer)
    assert type(clone) is type(trainer)
    assert clone.compiled
    assert clone.generator is not trainer.generator
    assert not same(weights(clone), weights(trainer)), "as in Keras, the weights are new"


def test_every_row_of_the_table_has_its_test(repository):
    text = (repository / "docs" / "keras.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text)) - {"test_step", "test_on_batch"}
    assert len(named) > 25
    tests = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_keras_*.py")))
    assert not [name for name in named if f"def {name}(" not in tests]


def photographs_in(folder: Path, count: int) -> None:
    photographs = [data.astronaut(), data.chelsea(), data.coffee()]
    folder.mkdir()
    for number in range(count):
        Image.fromarray(photographs[number % 3]).save(folder / f"{number}.png")


def results_of_the_script(folder: Path) -> None:
    assert keras.saving.load_model(folder / "gan.keras").discriminator.name
    generator = load(folder / "generator.keras")
    assert generator.merged
    assert generator(np.zeros((1, 8, 8, 3), np.float32)).shape == (1, 32, 32, 3)


def test_a_script_of_forty_lines(repository, tmp_path, monkeypatch, capsys):
    """Keras, tf.data and three classes of ours: validation, checkpoints, early stopping, a generator to use.

    The short form runs in this process, with smaller networks under the names that the script imports.
    """
    script = repository / "examples" / "keras_gan.py"
    assert len(script.read_text().splitlines()) <= 40
    photographs_in(tmp_path / "photos", 5)
    monkeypatch.setattr("sr_gan_tf.generators.span.SPAN", functools.partial(SPAN, filters=8, num_blocks=1))
    small = {"filters": 4, "num_layers": 1}
    monkeypatch.setattr("sr_gan_tf.discriminators.patchgan.PatchGAN", lambda **arguments: PatchGAN(**arguments | small))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "photos", "1"])
    runpy.run_path(str(script), run_name="__main__")
    assert "val_psnr_y" in capsys.readouterr().out
    results_of_the_script(tmp_path)


@pytest.mark.long
def test_the_script_as_it_is_started(repository, tmp_path):
    photographs_in(tmp_path / "photos", 10)
    command = [sys.executable, str(repository / "examples" / "keras_gan.py"), "photos", "1"]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "val_psnr_y" in run.stdout
    results_of_the_script(tmp_path)
