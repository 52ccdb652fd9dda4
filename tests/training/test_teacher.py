"""The content term that imitates a trained network."""

import json

import numpy as np
import pytest

from sr_gan_tf.config import load_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.models import load
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.teacher import Teacher


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


def test_a_file_teaches(pictures, tmp_path):
    hr, sr, lr = pictures
    network = Compact(filters=4, num_convs=1)
    network.save(tmp_path / "teacher.keras")
    expected = np.abs(network(lr).numpy() - sr).mean()
    assert float(Teacher(str(tmp_path / "teacher.keras"))(hr, sr, lr)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": "span_x3"}, "span_x3"),
        ({"model": "span_x2"}, "enlarges by 2, expected 4"),
        ({"model": "span_x4", "distance": {"class_name": "MeanAbsolute"}}, "did you mean 'MeanAbsoluteError'"),
        ({"model": "span_x4", "distance": {"name": "mae"}}, "distance: expected"),
    ],
)
def test_what_cannot_teach(config, message):
    with pytest.raises(InputError, match=message):
        Teacher(**config, scale=4)


def test_the_example_trains(repository, pictures):
    """The student moves towards its teacher, whose weights stay as they are and out of the checkpoint."""
    experiment = load_experiment(repository / "experiments" / "distillation_x4.json", ["generator.config.num_convs=1"])
    networks = build_networks(experiment)
    trainer = build_stage(experiment, 0, networks)
    _, hr, lr = pictures
    logs = [trainer.train_on_batch(lr, hr, return_dict=True) for _ in range(20)]
    assert logs[-1]["Teacher"] < logs[0]["Teacher"]
    assert logs[0]["loss"] == pytest.approx(0.5 * logs[0]["MeanAbsoluteError"] + 0.5 * logs[0]["Teacher"], rel=1e-4)
    assert len(trainer.state()["generator"]) == len(networks.generator.variables)
