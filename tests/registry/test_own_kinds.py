"""Every kind of part of the user's own, and the documents' example through every command."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from own_modules import module

from sr_gan_tf import compare, evaluate, export, fit, upscale
from sr_gan_tf.build import build
from sr_gan_tf.config import Experiment, Spec
from sr_gan_tf.data.catalog import DEGRADATIONS, SOURCES
from sr_gan_tf.data.store_key import store_key
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES
from sr_gan_tf.metrics import metric_named
from sr_gan_tf.registry.imports import import_parts
from sr_gan_tf.training.optimizers import build_optimizer

OTHERS = '''
import keras
import numpy as np
from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.sources import Example, Source
from sr_gan_tf.losses.base import AdversarialLoss
from sr_gan_tf.metrics import picture_metric

def judge(image_size: int = 32):
    picture = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, name="features")(picture)
    model = keras.Model(picture, keras.layers.Conv2D(1, 1)(x), name="judge")
    model.feature_layers = ["features"]
    return model

class Squared(keras.losses.Loss):
    def __init__(self, factor: float = 2.0, name=None):
        super().__init__(name=name)
        self.factor = factor
    def call(self, y_true, y_pred):
        return self.factor * keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

class Score(AdversarialLoss):
    def generator_loss(self, fake_logits, real_logits=None):
        return -keras.ops.mean(fake_logits)
    def discriminator_loss(self, real_logits, fake_logits):
        return -keras.ops.mean(real_logits), keras.ops.mean(fake_logits)

class Plain(keras.optimizers.Optimizer):
    def __init__(self, learning_rate=0.1, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * gradient)

class Dots(Source):
    def __init__(self, count: int):
        self.count = count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        return Example(f"dots {index}", np.random.default_rng(index).integers(0, 255, (40, 48, 3), dtype=np.uint8))
    def fingerprint(self):
        return ["Dots", self.count]

class Skip(Degradation):
    def __init__(self, scale: int):
        self.scale = scale
    def degrade(self, hr, draws):
        return hr[::self.scale, ::self.scale]

@picture_metric(better="lower", digits=1)
def worst(hr, sr):
    """Largest error."""
    return np.abs(hr.astype(float) - sr).max()
'''


def test_every_other_kind(tmp_path):
    import_parts(module("others", OTHERS))
    judge = build(Spec("others:judge"), DISCRIMINATORS, "discriminator", image_size=32)
    picture = tf.ones((2, 32, 32, 3))
    assert judge(picture).shape == (2, 15, 15, 1)
    assert [tuple(item.shape) for item in judge.feature_model()(picture)] == [(2, 15, 15, 4), (2, 15, 15, 1)]
    loss = build(Spec("others:Squared", {"factor": 3.0}), CONTENT_LOSSES, "content", scale=2)
    assert float(loss(picture, picture * 0.5)) == pytest.approx(0.75)
    build(Spec("others:Score"), ADVERSARIAL_LOSSES, "adversarial")
    optimizer = build_optimizer(Spec("others:Plain", {"learning_rate": 0.5, "clipnorm": 1.0}), "optimizer")
    assert (float(optimizer.learning_rate), optimizer.clipnorm) == (0.5, 1.0)
    source = build(Spec("others:Dots", {"count": 3}), SOURCES, "data.train.0", scale=2)
    hr, lr = source[1].read(2)
    assert hr.shape == (40, 48, 3)
    assert lr is None
    assert source.sizes(2) == [(40, 48)] * 2
    assert str(source) == "Dots"
    degradation = build(Spec("others:Skip"), DEGRADATIONS, "data.degradation", scale=2)
    np.testing.assert_array_equal(degradation(hr), hr[::2, ::2])
    metric = metric_named("others:worst")
    assert metric.better == "lower"
    assert metric.function(np.full((9, 9, 3), 7, np.uint8), np.zeros((9, 9, 3), np.uint8), 2, 2) == 7
    assert metric_named("worst") is metric
    for name, catalog in (("Dots", DEGRADATIONS), ("Skip", SOURCES), ("Plain", CONTENT_LOSSES)):
        with pytest.raises(InputError, match=f"others:{name} is no {catalog.kind}; expected a subclass of"):
            build(Spec(f"others:{name}"), catalog, "here")


UNFINISHED = """
import keras
from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.sources import Source
from sr_gan_tf.losses.base import AdversarialLoss, ImageLoss

class Content(ImageLoss):
    def calculate(self, hr, sr, lr):
        return 0.0

class Whole(ImageLoss):
    def compute(self, hr, sr, lr):
        return 0.0

class Keras(keras.losses.Loss):
    pass

class Half(AdversarialLoss):
    def generator_loss(self, fake_logits, real_logits=None):
        return 0.0

class Empty(Source):
    def __len__(self):
        return 0

class Nothing(Degradation):
    def __init__(self, scale: int):
        self.scale = scale
"""


@pytest.mark.parametrize(
    ("name", "catalog", "missing"),
    [
        ("Content", CONTENT_LOSSES, "compute(hr, sr, lr)"),
        ("Keras", CONTENT_LOSSES, "call(y_true, y_pred)"),
        ("Half", ADVERSARIAL_LOSSES, "discriminator_loss(real_logits, fake_logits)"),
        ("Empty", SOURCES, "__getitem__(index) and fingerprint()"),
        ("Nothing", DEGRADATIONS, "degrade(hr, draws)"),
    ],
)
def test_a_part_that_lacks_a_method_is_told_before_training(name, catalog, missing):
    import_parts(module("unfinished", UNFINISHED))
    with pytest.raises(
        InputError, match=rf"^here.class_name: unfinished:{name} does not define {re.escape(missing)}; "
    ):
        build(Spec(f"unfinished:{name}"), catalog, "here", scale=2)
    build(Spec("unfinished:Whole"), CONTENT_LOSSES, "here")


def test_tiles_follow_the_code_of_a_degradation(new_process):
    keys = []
    for text in (OTHERS, OTHERS.replace("hr[::self", "hr[1::self")):
        import_parts(module("others", text))
        source = build(Spec("others:Dots", {"count": 3}), SOURCES, "data.train.0", scale=2)
        keys.append(store_key(source, build(Spec("others:Skip"), DEGRADATIONS, "data.degradation", scale=2)))
        new_process()
    assert keys[0] != keys[1]


def test_the_example_of_the_documents(repository, new_process, capsys):
    """Training, resuming, loading, upscaling, evaluating, exporting and comparing with own parts, or being refused."""
    for name in ("my_parts.py", "my_experiment.json"):
        shutil.copy(repository / "examples" / name, name)
    own = ["--import", "my_parts.py"]
    keras.utils.save_img("picture.png", np.random.default_rng(0).integers(0, 255, (20, 24, 3)), scale=False)
    for command, words in (
        (fit, ["my_experiment.json", "--run-dir", "run", "--set", "stages.0.steps=10"]),
        (fit, ["my_experiment.json", "--run-dir", "run", "--set", "stages.0.steps=10"]),
        (upscale, ["picture.png", "-o", "large.png", "--model", "run"]),
        (evaluate, ["run", "--scale", "2", "--metrics", "psnr_y,my_parts:worst_error"]),
        (export, ["run", "--to", "exported.keras"]),
        (compare, ["run", "-o", "chart.png"]),
    ):
        new_process()
        assert command.main(words) == 2, (command.__name__, words)
        assert "--import" in capsys.readouterr().err
        new_process()
        assert command.main([*words, *own]) == 0, (command.__name__, capsys.readouterr().err)
        said = capsys.readouterr()
    assert "worst" in said.out
    assert [Path(name).name for name in Experiment.load("run").imports] == ["my_parts.py"]
    assert Path("large.png").is_file()
    assert Path("chart.png").is_file()
