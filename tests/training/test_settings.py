"""Settings that contradict each other, lie out of bounds or have no effect: one line each, before anything is built."""

import contextlib
import copy
import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.python.eager import context
from tensorflow.python.framework import config as determinism

import sr_gan_tf
from sr_gan_tf.config import parse_experiment
from sr_gan_tf.data.pipeline import validation_pictures
from sr_gan_tf.data.sampler import Sampler
from sr_gan_tf.errors import InputError
from sr_gan_tf.fit import main
from sr_gan_tf.training.assembly import build_networks
from sr_gan_tf.training.checks import check_settings
from sr_gan_tf.training.randomness import seeded

ABSENT = object()
ADVERSARIAL = {"stages.1.adversarial": ABSENT, "stages.1.discriminator_optimizer": ABSENT}


@pytest.fixture(scope="module")
def tiny(repository):
    raw = json.loads((repository / "experiments" / "tiny.json").read_text())
    return {key: value for key, value in raw.items() if key not in ("$schema", "note")}


def changed(raw: dict, changes: dict) -> dict:
    """The experiment with other values at dotted paths."""
    raw = copy.deepcopy(raw)
    for path, value in changes.items():
        *places, last = path.split(".")
        item = raw
        for place in places:
            item = item[int(place)] if isinstance(item, list) else item.setdefault(place, {})
        if value is ABSENT:
            item.pop(last)
        elif isinstance(item, list):
            item[int(last)] = value
        else:
            item[last] = value
    return raw


def rate(name: str, **config) -> dict:
    return {"class_name": name, "config": config}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stages.0.content.0.weight": -1.0}, "stages.0.content.0.weight"),
        ({"stages.0.content.0.weight": 0.0}, "stages.0.content.0.weight: 0 has no effect"),
        ({"stages.0.content.0.weight": True}, "found True"),
        ({"stages.0.content.0.weight": "0.5"}, "found '0.5'"),
        ({"stages.0.steps": True}, "stages.0.steps: .*found True"),
        ({"stages.0.content.0.weight": rate("PolynomialDecay", initial_learning_rate=1.0, decay_steps=0)}, "steps"),
        (
            {"stages.0.content.0.weight": rate("PolynomialDecay", initial_learning_rate=1.0, end_learning_rate=-1.0,
                                               decay_steps=9)},
            "stages.0.content.0.weight: is -",
        ),
        ({"stages.1.adversarial.weight": -1e-3}, "stages.1.adversarial.weight"),
        ({"stages.1.content": [], "stages.1.adversarial.weight": 0.0}, "stages.1: the generator has nothing to learn"),
        ({"stages.1.penalties": [{"class_name": "R1", "weight": -5}]}, "stages.1.penalties.0.weight"),
        ({"stages.1.penalties": [{"class_name": "R1", "weight": 0}]}, "stages.1.penalties.0.weight: 0 has no effect"),
        ({"stages.1.features": [{"class_name": "FeatureMatching", "weight": 0}]}, "stages.1.features.0.weight: 0 has"),
        (ADVERSARIAL, "discriminator: has no effect, because no stage is adversarial"),
        ({"stages.0.balance": {"replay_buffer": 50}}, "stages.0.balance.replay_buffer: has no effect without `adver"),
        ({"stages.0.balance": {"instance_noise": 0.1}}, "stages.0.balance.instance_noise: has no effect without"),
        ({"stages.0.balance": {"accuracy_bound": 0.8}}, "stages.0.balance.accuracy_bound: has no effect without"),
        ({"stages.1.balance": {"instance_noise": -0.1}}, "stages.1.balance.instance_noise"),
        ({"stages.1.balance": {"discriminator_steps": 101}}, "stages.1.balance.discriminator_steps"),
        ({"data.cache_dir": ""}, "data.cache_dir"),
        ({"stages.1.balance": {"accuracy_bound": 1}}, "stages.1.balance.accuracy_bound"),
        ({"stages.0.discriminator_initial_weights": "x"}, "has no effect without `adversarial`"),
        ({"stages.0.partial": True}, "stages.0.partial: has no effect without initial_weights"),
        ({"data.validation": [], "patience": 2}, "patience: has no effect without data.validation"),
        ({"data.validation": [], "sample_every": 2}, "sample_every: has no effect without data.validation"),
        ({"data.validation": [], "best_metric": "gmsd"}, "best_metric: has no effect without data.validation"),
        ({"data.validation": [], "data.validation_limit": 1}, "data.validation_limit: has no effect without data.vali"),
        ({"data.validation": [], "validation_metrics": ["gmsd"]}, "validation_metrics: has no effect without data.val"),
        (
            {"generator.config": {"bounded": True, "value_range": [0.0, 1.0], "filters": 4, "num_blocks": 1}},
            "generator.config.value_range: has no effect on a bounded output",
        ),
        (
            {"scale": 1, "generator.config": {"upsampling": "nearest", "filters": 4}},
            "generator.config.upsampling: has no effect at scale 1",
        ),
        (
            {"generator": {"class_name": "UNet", "config": {"num_downs": 4, "filters": 4, "dropout": 0.2}}},
            "generator.config.dropout: has no effect with fewer than 6",
        ),
        ({"histograms": True, "trackers": []}, 'histograms: has no effect without "tensorboard" in trackers'),
        ({"trackers": ["tensorboard", "tensorboard"]}, "trackers: 'tensorboard' occurs twice"),
        (
            {"stages.1.balance.instance_noise": rate("PiecewiseConstantDecay", boundaries=[16], values=[0.0, 1.0])},
            "instance_noise: is 0 throughout the stage",
        ),
        ({"validation_metrics": ["psnr_y", "psnr_y"]}, "validation_metrics: 'psnr_y' occurs twice"),
        ({"data.patch_size": 64, "stages.0.patch_size": 32, "stages.1.patch_size": 32}, "data.patch_size: has no effe"),
        ({"data.train.0.weight": 2}, "data.train.0.weight: has no effect, because it is the only source"),
        ({"data.validation.0.weight": 2}, "data.validation.0.weight: has no effect"),
        ({"data.augmentations": ["flip", "flip"]}, "data.augmentations.1: 'flip' occurs twice"),
        ({"data.augmentations": ["turn", {"class_name": "turn"}]}, "data.augmentations.1: 'turn' occurs twice"),
    ],
)  # fmt: skip
def test_settings_out_of_bounds_or_without_effect_are_refused(tiny, changes, said):
    with pytest.raises(InputError, match=said) as error:
        check_settings(parse_experiment(changed(tiny, changes)))
    assert "\n" not in str(error.value)


def test_patience_needs_a_stage_whose_best_generator_is_chosen(tiny):
    only = changed(tiny, {"patience": 2}) | {"stages": [tiny["stages"][1]]}
    with pytest.raises(InputError, match="patience: has no effect, because all stages are adversarial"):
        check_settings(parse_experiment(only))
    check_settings(parse_experiment(only | {"best_metric": "gmsd"}))
    check_settings(parse_experiment(changed(tiny, {"patience": 2})))


@pytest.mark.parametrize(
    "changes",
    [
        {"stages.0.steps": 1e3},
        {"stages.0.content.0.weight": 1},
        {"stages.1.adversarial.weight": 0.0},
        {"stages.1.balance": {"instance_noise": rate("PolynomialDecay", initial_learning_rate=0.1, decay_steps=9)}},
        {"stages.1.balance": {"instance_noise": rate("PiecewiseConstantDecay", boundaries=[9], values=[0.0, 0.1])}},
        {"stages.0.content.0.weight": rate("PiecewiseConstantDecay", boundaries=[3, 4], values=[0.0, 1.0, 0.0])},
        {"data.validation": []},
        {"data.validation": [], "validate_every": 3},
    ],
)
def test_what_is_whole_or_has_an_effect_passes(tiny, changes):
    check_settings(parse_experiment(changed(tiny, changes)))


@pytest.fixture
def pairs(tmp_path):
    """A folder of HR pictures and one of their LR pictures at half the size."""
    for name, side in (("hr", 64), ("lr", 32)):
        (tmp_path / name).mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    return tmp_path


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_degradation_that_a_sources_own_lr_would_replace_is_refused(tiny, pairs, part, tmp_path, capsys):
    both = {"path": str(pairs / "hr"), "lr_path": str(pairs / "lr")}
    changes = {
        "data.degradation": {"class_name": "Realistic"},
        "data.cache_dir": str(pairs / "cache"),
        "data.train.0": {"class_name": "Folder", "config": both | ({} if part == "train" else {"lr_path": None})},
        "data.validation.0": {"class_name": "Folder", "config": both},
    }
    experiment = parse_experiment(changed(tiny, changes))
    if part == "validation":
        # Said in so many words, the pairs are what is measured.
        Sampler(experiment.data, 2, 1)
        assert (validation_pictures(experiment.data, 2)[0].lr == np.asarray(Image.open(pairs / "lr" / "0.png"))).all()
        return
    with pytest.raises(InputError, match=r"data.degradation: Realistic has no effect on data.train.0, .*no lr_path"):
        Sampler(experiment.data, 2, 1)
    file = tmp_path / "experiment.json"
    file.write_text(json.dumps(changed(tiny, changes)))
    assert main([str(file), "--dry-run"]) == 2
    assert "has no effect on data.train.0" in capsys.readouterr().err
    # The default is not given, and pairs alone are used as they are.
    Sampler(parse_experiment(changed(tiny, changes | {"data.degradation": {"class_name": "Bicubic"}})).data, 2, 1)


def test_tfds_pairs_name_use_lr(tiny, pairs, monkeypatch):
    from sr_gan_tf.data.catalog import check_degradation
    from sr_gan_tf.data.tfds_source import TFDS

    monkeypatch.setattr(TFDS, "has_lr", property(lambda source: source.use_lr))
    degraded = {"data.degradation": {"class_name": "NoiseJPEG"}}
    for part, said in (("train", None), ("validation", True)):
        for use_lr in (None, True, False):
            config = {"name": "div2k/bicubic_x4"} | ({} if use_lr is None else {"use_lr": use_lr})
            specs = {f"data.{part}.0": {"class_name": "TFDS", "config": config}}
            data = parse_experiment(changed(tiny, degraded | specs)).data
            source = TFDS(**config)
            source.where = f"data.{part}.0"
            spec = getattr(data, part)[0]
            if use_lr is False or (use_lr and said):
                check_degradation(data.degradation, spec, source, part)
            else:
                with pytest.raises(InputError, match=f'no effect on data.{part}.0, .*set "use_lr": false'):
                    check_degradation(data.degradation, spec, source, part)


def test_the_precision_policy_stays_with_its_networks(tiny):
    picture = np.random.default_rng(0).random((1, 16, 16, 3), "float32")
    before = sr_gan_tf.load("span_x4").predict(picture, verbose=0)
    networks = build_networks(parse_experiment(changed(tiny, {"precision": "mixed_bfloat16"})))
    assert keras.config.dtype_policy().name == "float32"
    for network in (networks.generator, networks.average, networks.average.copy(), networks.discriminator):
        convolution = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
        assert convolution.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(sr_gan_tf.load("span_x4").predict(picture, verbose=0), before)


def test_seeds_and_determinism_end_with_what_they_were_set_for(tiny):
    """A caller's own random numbers continue as if no experiment had been built in between."""
    deterministic = determinism.is_op_determinism_enabled

    def draw():
        return [random.random(), np.random.rand(), float(tf.random.uniform(())), float(keras.random.uniform(()))]

    def draws(between):
        keras.utils.set_random_seed(5)
        before = draw()
        between()
        return [*before, *draw()]

    def build():
        build_networks(parse_experiment(changed(tiny, {})))
        with contextlib.suppress(InputError), seeded(3, deterministic=True):
            assert deterministic()
            draw()
            raise InputError("stopped")
        assert not deterministic()

    assert draws(build) == draws(lambda: None)
    tf.config.experimental.enable_op_determinism()
    with seeded(3, deterministic=True):
        pass
    assert deterministic()


def test_a_caller_without_a_seed_gets_none(tiny):
    tf.random.set_seed(None)
    build_networks(parse_experiment(changed(tiny, {})))
    assert context.context()._seed is None
    first = float(tf.random.uniform(()))
    build_networks(parse_experiment(changed(tiny, {})))
    assert float(tf.random.uniform(())) != first
