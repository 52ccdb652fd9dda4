"""The content term that imitates a trained network."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from sr_gan_tf.config import load_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.generators.shared_residual import SharedResidual
from sr_gan_tf.generators.srresnet import SRResNet
from sr_gan_tf.generators.wrapped import as_generator
from sr_gan_tf.models import load
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.teacher import Teacher, multiplied


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    return (
        random.random((2, 64, 64, 3), np.float32),
        random.random((2, 64, 64, 3), np.float32),
        random.random((2, 16, 16, 3), np.float32),
    )


def test_the_term_is_the_distance_from_the_teachers_picture(pictures):
    hr, sr, lr = pictures
    target = load("span_x4")(lr).numpy()
    loss = Teacher("span_x4")
    assert float(loss(hr, sr, lr)) == pytest.approx(np.abs(target - sr).mean(), rel=1e-4)
    assert float(loss(hr, target, lr)) == pytest.approx(0, abs=1e-5)
    squared = Teacher("span_x4", {"class_name": "MeanSquaredError"})
    assert float(squared(hr, sr, lr)) == pytest.approx(np.square(target - sr).mean(), rel=1e-4)
    again = Teacher.from_config(json.loads(json.dumps(squared.get_config())))
    assert float(again(hr, sr, lr)) == pytest.approx(float(squared(hr, sr, lr)))


def test_a_base_changes_how_much_the_teacher_adds(pictures, tmp_path):
    hr, sr, lr = pictures
    keras.utils.set_random_seed(3)
    network = Compact(filters=4, num_convs=1)
    network.save(tmp_path / "teacher.keras")
    start = load("span_x4")(lr).numpy()
    added = network(lr).numpy() - start

    def target(**arguments):
        loss = Teacher(str(tmp_path / "teacher.keras"), base="span_x4", **arguments)
        again = Teacher.from_config(json.loads(json.dumps(loss.get_config())))
        assert float(again(hr, sr, lr)) == float(loss(hr, sr, lr))
        answer = loss._answer(tf.constant(lr)).numpy()
        assert float(loss(hr, answer, lr)) == pytest.approx(0, abs=1e-6)
        return answer

    np.testing.assert_allclose(target(gain=1.5), start + 1.5 * added, atol=1e-5)
    # The root mean square over the channels and a Gaussian window of 4 pixels, in gray levels.
    local = 255 * np.sqrt(gaussian_filter(np.mean(added**2, axis=-1), (0, 4, 4), mode="mirror", truncate=3))[..., None]
    factor = 1.5 / (1 + local / 20)
    assert factor.min() < 0.8 * factor.max()
    np.testing.assert_allclose(target(gain=1.5, limit=20.0), start + factor * added, atol=1e-5)


def test_four_gains_are_for_four_bands():
    """A wave of one frequency is multiplied by the gain of its band; the limit measures it before."""
    column = np.arange(96)
    for cycles, gain in ((6, 0.5), (24, 2.0), (34, 1.5), (44, 0.0)):  # of 96 pixels: 0.06, 0.25, 0.35, 0.46
        wave = np.cos(2 * np.pi * (cycles * column + 12) / 96)
        wave = tf.constant(np.tile(0.1 * wave, (96, 1))[None, :, :, None].repeat(3, axis=-1), tf.float32)
        inside = (slice(None), slice(30, -30), slice(30, -30))
        changed = multiplied(wave, [0.5, 2.0, 1.5, 0.0])
        np.testing.assert_allclose(changed[inside], gain * wave[inside], atol=3e-3)
        limited = multiplied(wave, [0.5, 2.0, 1.5, 0.0], 10.0)
        level = 255 * 0.1 / np.sqrt(2)  # of a wave with an amplitude of 0.1
        np.testing.assert_allclose(limited[inside], gain * wave[inside] / (1 + level / 10), atol=3e-3)


def test_where_teacher_and_base_agree_nothing_is_multiplied():
    assert not np.any(multiplied(tf.zeros((1, 32, 32, 3)), 2.0, 10.0))


class Scaled(keras.layers.Layer):
    """Doubles the values and the size, equally in all directions."""

    def call(self, x):
        return 2 * tf.repeat(tf.repeat(x, 4, axis=1), 4, axis=2)


def test_a_turned_teacher_shows_all_eight_views_evenly(tmp_path):
    """A network that answers alike in all directions is unchanged; of any other, the mean is its self-ensemble."""
    random = np.random.default_rng(1)
    pictures = random.random((160, 1, 6, 6, 3), np.float32)
    inputs = keras.Input((None, None, 3))
    even = as_generator(keras.Model(inputs, Scaled()(inputs)), scale=4)
    network = Compact(filters=4, num_convs=1)
    network.save(tmp_path / "teacher.keras")
    loss = Teacher(str(tmp_path / "teacher.keras"), turns=True)
    views = []
    for quarters in range(4):
        for step in (1, -1):
            there = np.rot90(pictures[0], quarters, (1, 2))[:, :, ::step]
            views.append(np.rot90(network(there).numpy()[:, :, ::step], -quarters, (1, 2)))
    counts, answer_of = np.zeros(8, int), tf.function(loss._answer)
    for seed in range(160):
        lr = pictures[0] + np.float32(1e-4) * pictures[seed]
        answer = answer_of(tf.constant(lr)).numpy()
        counts[np.argmin([np.abs(answer - view).max() for view in views])] += 1
        if seed < 3:
            assert np.array_equal(answer, answer_of(tf.constant(lr)).numpy())
    assert counts.min() > 8
    loss._network = even
    assert all(np.allclose(loss._answer(tf.constant(lr)), even(lr), atol=1e-6) for lr in pictures[:9])
    with pytest.raises(InputError, match="turns: has no effect on hidden layers"):
        Teacher(str(tmp_path / "teacher.keras"), features={"activation1": "activation1"}, turns=True)


def test_a_file_teaches(pictures, tmp_path):
    hr, sr, lr = pictures
    network = Compact(filters=4, num_convs=1)
    network.save(tmp_path / "teacher.keras")
    expected = np.abs(network(lr).numpy() - sr).mean()
    assert float(Teacher(str(tmp_path / "teacher.keras"))(hr, sr, lr)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": "span_x9"}, "span_x9"),
        ({"model": "span_x2"}, "has scale 2, but the experiment has 4"),
        ({"model": "span_x4", "distance": {"class_name": "MeanAbsolute"}}, "did you mean 'MeanAbsoluteError'"),
        ({"model": "span_x4", "distance": {"name": "mae"}}, "distance: expected"),
        ({"model": "span_x4_gan", "gain": 1.5}, "gain: has no effect without base"),
        ({"model": "span_x4_gan", "limit": 20.0}, "limit: has no effect without base"),
        ({"model": "span_x4_gan", "base": "span_x4"}, "base: has no effect with gain 1 and without limit"),
        ({"model": "span_x4_gan", "base": "span_x4", "gain": [1, 1, 1, 1]}, "base: has no effect with gain 1"),
        ({"model": "span_x4_gan", "base": "span_x2", "gain": 1.5}, "base: span_x2 has scale 2, but span_x4_gan has 4"),
        ({"model": "span_x4_gan", "base": "span_x4", "gain": 0.0}, "gain: 0.0 leaves no target"),
        ({"model": "span_x4_gan", "base": "span_x4", "gain": [1.0, 1.0]}, r"gain: \[1.0, 1.0\] leaves no target"),
        ({"model": "span_x4_gan", "base": "span_x4", "gain": [0, 0, 0, 0]}, "gain: .* leaves no target"),
        ({"model": "span_x4_gan", "base": "span_x4", "limit": -1.0}, "limit: -1.0 leaves no target"),
    ],
)
def test_what_cannot_teach(config, message):
    with pytest.raises(InputError, match=message):
        Teacher(**config, scale=4)


def student(**arguments):
    return Compact(scale=4, filters=4, num_convs=2, **arguments)


@pytest.mark.parametrize("kind", ["functional", "normalized", "wrapped"])
def test_features_are_imitated(kind, pictures, tmp_path):
    """The distance of the attention maps by its formula; it falls in training, and evaluation changes nothing."""
    hr, _, lr = pictures
    if kind == "normalized":
        generator, own = SRResNet(scale=4, filters=4, num_blocks=1), "block1"
    else:
        generator, own = student(), "activation1"
    if kind == "wrapped":
        generator = as_generator(keras.Model(generator.inputs[0], generator.outputs[0]))
    teacher = Compact(scale=4, filters=6, num_convs=3)
    teacher.save(tmp_path / "teacher.keras")
    loss = Teacher(str(tmp_path / "teacher.keras"), features={"activation3": own}, feature_weight=2.0)
    trainer = Supervised(generator)
    trainer.compile(keras.optimizers.Adam(1e-2), [loss], run_eagerly=True)
    graph = getattr(generator, "model", generator)
    maps = []
    for network, name, training in ((teacher, "activation3", False), (graph, own, kind == "normalized")):
        before = generator.get_weights()
        features = keras.Model(network.inputs[0], network.get_layer(name).output)(lr, training=training).numpy()
        generator.set_weights(before)
        attention = np.square(features).mean(-1).reshape(2, -1)
        maps.append(attention / np.sqrt(np.square(attention).sum(-1, keepdims=True)))
    expected = np.square(maps[0] - maps[1]).sum(-1).mean()
    sr = generator(lr, training=False)
    picture = np.abs(teacher(lr).numpy() - sr).mean()
    before = generator.get_weights()
    assert float(loss(hr, sr, lr)) == pytest.approx(picture + 2 * expected, rel=1e-4)
    trainer.evaluate(lr, hr, verbose=0)
    assert all(map(np.array_equal, before, generator.get_weights()))
    terms = [trainer.train_on_batch(lr, hr, return_dict=True)["Teacher"] for _ in range(4)]
    assert terms[-1] < terms[0]
    assert Teacher.from_config(json.loads(json.dumps(loss.get_config()))).features == {"activation3": own}


def test_features_that_cannot_be_imitated(tmp_path):
    student().save(tmp_path / "teacher.keras")
    path = str(tmp_path / "teacher.keras")

    def compiled(features, generator):
        Supervised(generator).compile("adam", [Teacher(path, features=features)])

    with pytest.raises(InputError, match=r"features: Compact has no layer 'activation3'; did you mean 'activation\d'"):
        Teacher(path, features={"activation3": "activation1"})
    with pytest.raises(InputError, match="features: Compact has no layer 'x'; expected one of conv0, activation0"):
        compiled({"activation1": "x"}, student())
    with pytest.raises(InputError, match=r"features: SharedResidual uses its layer .* more than once"):
        compiled({"activation1": "prelu"}, SharedResidual(scale=4, filters=4, num_uses=2))
    with pytest.raises(InputError, match="features: has no effect without the names of layers"):
        Teacher(path, features={})
    with pytest.raises(InputError, match="feature_weight: has no effect without the names of layers in features"):
        Teacher(path, feature_weight=0.5)
    loss = Teacher(path, features={"activation1": "shuffle"})
    loss.attach(student())
    with pytest.raises(InputError, match=r"features: activation1 gives .* and shuffle .*; expected \(N, H, W, C\)"):
        loss(np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32, 3)), np.zeros((1, 8, 8, 3)))


def test_a_saved_model_that_a_file_names_is_not_run(tmp_path):
    """TensorFlow would execute its graph, which can write files; an experiment must not decide that."""

    class Graph(tf.Module):
        def __init__(self):
            self.ran = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(["a"], [tf.constant(1)]), default_value=0
            )

    tf.saved_model.save(Graph(), str(tmp_path / "model"))
    (tmp_path / "model" / "experiment.json").write_text("{}")
    for door in (Teacher, load):
        with pytest.raises(InputError, match=r"holds no best.keras or last.keras"):
            door(str(tmp_path / "model"))
    (tmp_path / "model" / "experiment.json").unlink()
    with pytest.raises(InputError, match=r"give a shipped name, a run folder or a .keras file"):
        Teacher(str(tmp_path / "model"))


def test_the_example_trains(repository, pictures):
    """The student moves toward its teacher, whose weights stay as they are and out of the checkpoint."""
    experiment = load_experiment(repository / "experiments" / "distillation_x4.json", ["generator.config.num_convs=1"])
    networks = build_networks(experiment)
    trainer = build_stage(experiment, 0, networks)
    _, hr, lr = pictures
    logs = [trainer.train_on_batch(lr, hr, return_dict=True) for _ in range(20)]
    assert logs[-1]["Teacher"] < logs[0]["Teacher"]
    assert logs[0]["loss"] == pytest.approx(0.5 * logs[0]["MeanAbsoluteError"] + 0.5 * logs[0]["Teacher"], rel=1e-4)
    assert len(trainer.state()["generator"]) == len(networks.generator.variables)
