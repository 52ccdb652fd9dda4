"""`fit`, `evaluate`, `predict` and Keras's callbacks on both trainers: rows of the table in docs/keras.md."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_trainers import compiled, dataset, make, pictures, plain_generator, same, weights

from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.training.batches import EpochMeans
from sr_gan_tf.training.gan import GAN

callbacks = keras.callbacks


@pytest.fixture(params=["Supervised", "GAN"], scope="module")
def shared(request):
    """A trainer for tests that need not begin with a new one."""
    return compiled(request.param)


@pytest.fixture(params=["Supervised", "GAN"])
def trainer(request):
    """Compiled the Keras way; without a graph, whose tracing would take longer than the test."""
    return compiled(request.param)


def test_fit_returns_a_history_of_our_terms_as_epoch_means(trainer):
    seen = []
    batches = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(dict(logs)))
    history = trainer.fit(dataset(8), epochs=2, validation_data=dataset(4, seed=1), verbose=0, callbacks=[batches])
    assert isinstance(history, callbacks.History)
    names = {"loss", "generator_loss", "mean_absolute_error", "generator_learning_rate", "psnr_y", "mean_squared_error"}
    if isinstance(trainer, GAN):
        names |= {"BinaryCrossentropy", "discriminator_loss", "real_accuracy"}
    names |= {"val_loss", "val_mean_absolute_error", "val_psnr_y", "val_mean_squared_error"}
    assert names <= history.history.keys()
    assert all(len(values) == 2 for values in history.history.values())
    for epoch in range(2):
        batch_values = [logs["mean_absolute_error"] for logs in seen[4 * epoch : 4 * epoch + 4]]
        assert history.history["mean_absolute_error"][epoch] == pytest.approx(np.mean(batch_values), rel=1e-5)
    assert history.history["val_loss"][1] < history.history["val_loss"][0]


@pytest.mark.parametrize("kind", ["Supervised", "GAN"])
def test_evaluate_weighs_pictures_alike_and_leaves_the_model_alone(kind):
    trainer = compiled(kind)
    lr, hr = pictures(5)
    before = weights(trainer)
    by_batches = trainer.evaluate(lr, hr, batch_size=2, verbose=0, return_dict=True)
    at_once = trainer.evaluate(lr, hr, batch_size=5, verbose=0, return_dict=True)
    for name in ("loss", "psnr_y", "mean_squared_error"):
        assert by_batches[name] == pytest.approx(at_once[name], rel=1e-4)
    assert same(weights(trainer), before)
    error = np.mean(np.square(trainer.predict(lr, verbose=0) - hr))
    assert at_once["mean_squared_error"] == pytest.approx(error, rel=1e-4)
    loss, psnr, squared = trainer.evaluate(lr, hr, 5, verbose=0)
    assert (loss, psnr, squared) == pytest.approx([at_once[name] for name in ("loss", "psnr_y", "mean_squared_error")])


def test_predict_answers_with_the_average(trainer):
    trainer.fit(dataset(), verbose=0)
    lr, _ = pictures(2)
    np.testing.assert_allclose(trainer.predict(lr, verbose=0), trainer.average(lr), atol=1e-6)
    np.testing.assert_allclose(trainer.predict_on_batch(lr), trainer.average(lr), atol=1e-6)


def test_train_on_batch_is_a_step_of_fit():
    first, second = (make("GAN") for _ in range(2))
    for trainer in (first, second):
        trainer.compile("adam", "mae", run_eagerly=True)
    logs = [first.train_on_batch(lr, hr, return_dict=True) for lr, hr in dataset()]
    second.fit(dataset(), verbose=0)
    assert same(weights(first), weights(second))
    values = first.train_on_batch(*pictures(2))
    assert len(values) == len(logs[0])


@pytest.mark.parametrize("feed", ["arrays", "dataset", "generator", "PyDataset"])
def test_anything_that_gives_batches(shared, feed):
    before = int(shared.total_step)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return tuple(side[2 * index : 2 * index + 2] for side in pictures())

    def endless():
        while True:
            yield from dataset().as_numpy_iterator()

    given = {
        "arrays": lambda: {"x": pictures()[0], "y": pictures()[1], "batch_size": 2},
        "dataset": lambda: {"x": dataset()},
        "generator": lambda: {"x": endless(), "steps_per_epoch": 2},
        "PyDataset": lambda: {"x": Batches()},
    }[feed]()
    shared.fit(**given, verbose=0)
    assert int(shared.total_step) == before + 2


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 16, 16, 3), np.uint8)), "lr is uint8, expected float32"),
        ((np.zeros((2, 8, 8, 1), np.float32), np.zeros((2, 16, 16, 1), np.float32)), "(N, H, W, 3)"),
        ((*pictures(2), np.ones(2, np.float32)), "sample and class weights have no effect"),
        ((pictures(2)[0],), "without hr"),
        ((pictures(2)[0], pictures(2)[0]), "hr is 8x8 where lr is 8x8, but the generator enlarges by 2"),
        (pictures(2)[::-1], "hr is 8x8 where lr is 16x16"),
    ],
)
def test_wrong_batches(shared, batch, message):
    for call in (shared.fit, shared.evaluate):
        with pytest.raises(ValueError, match=re.escape(message)):
            call(tf.data.Dataset.from_tensors(batch), verbose=0)


_NOT_RGB = r"\[2,\d+,\d+,1\] is not compatible with expected shape \[\?,\?,\?,3\]"


@pytest.mark.filterwarnings("ignore:.*ran out of data.*")
@pytest.mark.parametrize("shape", [None, pytest.param((None, None, None, None), marks=pytest.mark.long)])
def test_data_that_do_not_say_their_shape(shape):
    trainer = compiled("Supervised", run_eagerly=False)
    lr, hr = pictures(2)
    spec = (tf.TensorSpec(shape, tf.float32),) * 2
    data = tf.data.Dataset.from_generator(lambda: iter([(lr, hr)]), output_signature=spec)
    known = trainer.evaluate(lr, hr, verbose=0, return_dict=True)["loss"]
    assert trainer.evaluate(data, verbose=0, return_dict=True)["loss"] == pytest.approx(known, rel=1e-4)
    assert len(trainer.fit(data, verbose=0).history["loss"]) == 1
    gray = tf.data.Dataset.from_generator(lambda: iter([(lr[..., :1], hr[..., :1])]), output_signature=spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match=_NOT_RGB):
        trainer.evaluate(gray, verbose=0)


def test_class_weight_is_refused(trainer):
    with pytest.raises(ValueError, match="class_weight has no effect, because pictures have no classes"):
        trainer.fit(*pictures(2), class_weight={0: 2.0}, verbose=0)


def test_predict_refuses_other_pictures_after_good_ones():
    """Keras forgets the number of channels then, and traces its function for any."""
    trainer = compiled("Supervised", run_eagerly=False)
    lr = pictures(2)[0]
    assert trainer.predict(lr, verbose=0).shape == (2, 16, 16, 3)
    assert trainer.predict(lr[:, :6], verbose=0).shape == (2, 12, 16, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=_NOT_RGB):
        trainer.predict(lr[..., :1], verbose=0)
    assert trainer.predict(lr, verbose=0).shape == (2, 16, 16, 3)


@pytest.mark.filterwarnings("ignore:.*ran out of data.*")
def test_no_batch_at_all(shared):
    for call in (shared.fit, shared.evaluate):
        with pytest.raises(ValueError, match="the data contain no batch"):
            call(dataset().take(0), verbose=0)


def test_early_stopping(trainer):
    stop = callbacks.EarlyStopping("val_loss", patience=1, min_delta=10, restore_best_weights=True)
    first = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: first.append(weights(trainer)))
    history = trainer.fit(dataset(), epochs=9, validation_data=dataset(4), callbacks=[note, stop], verbose=0).history
    assert len(history["loss"]) == 2
    assert same(weights(trainer), first[0])


def test_reduce_lr_on_plateau_changes_both_rates(trainer):
    reduce = callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=10, verbose=0)
    trainer.fit(dataset(), epochs=3, validation_data=dataset(4), callbacks=[reduce], verbose=0)
    optimizers = getattr(trainer.optimizer, "optimizers", [trainer.optimizer])
    assert len(optimizers) == 1 + isinstance(trainer, GAN)
    assert [float(optimizer.learning_rate) for optimizer in optimizers] == pytest.approx([1e-2 / 4] * len(optimizers))


def test_a_rate_that_is_set_is_that_of_both(trainer):
    """What scripts and trackers read and change of `model.optimizer`."""
    trainer.optimizer.learning_rate = 1e-5
    trainer.fit(dataset(2), verbose=0)
    parts = [part for part in ("generator", "discriminator") if hasattr(trainer, f"{part}_optimizer")]
    assert [float(getattr(trainer, f"{part}_optimizer").learning_rate) for part in parts] == [
        pytest.approx(1e-5)
    ] * len(parts)
    config = trainer.optimizer.get_config()
    rates = [config[part]["learning_rate"] for part in parts] if len(parts) == 2 else [config["learning_rate"]]
    assert rates == [pytest.approx(1e-5)] * len(parts)
    assert trainer.optimizer.name == trainer.generator_optimizer.name


def test_callbacks_know_that_more_psnr_is_better(trainer, tmp_path):
    stop = callbacks.EarlyStopping("val_psnr_y", patience=9)
    keep = callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_psnr_y", save_best_only=True)
    trainer.fit(dataset(2), validation_data=dataset(2), callbacks=[stop, keep], verbose=0)
    assert stop.monitor_op(2.0, 1.0)
    assert keep.monitor_op(2.0, 1.0)


def test_learning_rate_scheduler_changes_both_rates(trainer):
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 * rate)
    history = trainer.fit(dataset(), epochs=2, callbacks=[schedule], verbose=0).history
    assert history["generator_learning_rate"] == pytest.approx([1e-3, 1e-4])
    if isinstance(trainer, GAN):
        assert history["discriminator_learning_rate"] == pytest.approx([1e-3, 1e-4])


def test_a_rate_that_is_a_schedule_is_not_changed_by_callbacks():
    trainer = make("GAN")
    rate = keras.optimizers.schedules.CosineDecay(1e-3, 10)
    trainer.compile(keras.optimizers.Adam(rate), "mae", run_eagerly=True)
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        trainer.fit(dataset(), callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: rate)], verbose=0)


def test_tensorboard(trainer, tmp_path):
    board = callbacks.TensorBoard(tmp_path, histogram_freq=1, write_steps_per_second=True)
    trainer.fit(dataset(), epochs=2, validation_data=dataset(4), callbacks=[board], verbose=0)
    tags = {
        value.tag
        for path in sorted(tmp_path.rglob("events*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert {"epoch_loss", "epoch_psnr_y", "epoch_generator_gradient_norm", "epoch_steps_per_second"} <= tags
    assert any("learning_rate" in tag for tag in tags)


def test_csv_logger_and_terminate_on_nan(trainer, tmp_path):
    trainer.fit(dataset(), epochs=2, callbacks=[callbacks.CSVLogger(tmp_path / "log.csv")], verbose=0)
    assert (tmp_path / "log.csv").read_text().splitlines()[0].startswith("epoch,")
    lr, hr = pictures(4)
    history = trainer.fit(lr, hr * np.nan, batch_size=2, callbacks=[callbacks.TerminateOnNaN()], verbose=0)
    assert len(history.epoch) == 1
    assert int(trainer.skipped_steps) == 1, "the first non-finite loss stops it"


def test_progress_bar(shared, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shared.fit(dataset(), verbose=2)
    assert "psnr_y" in capsys.readouterr().out


def test_a_subclass_may_change_the_step():
    class Brighter(GAN):
        def train_step(self, data):
            lr, hr, _ = keras.utils.unpack_x_y_sample_weight(data)
            return super().train_step((lr, 0.5 + 0.5 * hr))

    trainer = Brighter(plain_generator(), TinyDiscriminator(filters=4))
    trainer.compile("adam", "mae", run_eagerly=True)
    lr, hr = pictures(2)
    expected = np.abs(trainer.generator(lr, training=True) - (0.5 + 0.5 * hr)).mean()
    assert trainer.train_on_batch(lr, hr, return_dict=True)["mean_absolute_error"] == pytest.approx(expected, rel=1e-4)


def test_swap_ema_weights_is_refused(shared):
    with pytest.raises(ValueError, match="already use the averaged generator"):
        shared.fit(dataset(), callbacks=[callbacks.SwapEMAWeights()], verbose=0)


def test_summary_and_freezing(trainer, capsys):
    trainer.summary()
    assert "compact" in capsys.readouterr().out
    layer = next(layer for layer in trainer.generator.layers if layer.weights)
    layer.trainable = False
    before = [np.asarray(value) for value in layer.get_weights()]
    trainer.compile("adam", "mae", run_eagerly=True)
    trainer.fit(dataset(), verbose=0)
    assert same(layer.get_weights(), before)


def test_means_leave_non_finite_values_out():
    means = EpochMeans()
    for value, count in ((1.0, 1), (float("nan"), 5), (4.0, 2)):
        means.add({"term": tf.constant(value), "learning_rate": tf.constant(value)}, count)
    result = means.result()
    assert result["term"] == pytest.approx(3.0)
    assert result["learning_rate"] == 4.0
