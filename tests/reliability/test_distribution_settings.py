"""Experiments and clusters that cannot be distributed, and what the workers must have in common."""

import dataclasses

import numpy as np
import pytest
from trials import ADAM

from sr_gan_tf import distribution
from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError


def experiment(**changes):
    adversarial = {"class_name": "BinaryCrossentropy"}
    stage = {"name": "a", "steps": 1, "generator_optimizer": ADAM, "adversarial": adversarial}
    balance = changes.pop("balance", {})
    raw = {
        "name": "a", "scale": 2, "distribution": "mirrored", "generator": {"class_name": "SRResNet"},
        "data": {"train": [{"class_name": "Folder", "config": {"path": "."}}], "batch_size": 3},
        "stages": [stage | {"discriminator_optimizer": ADAM, "balance": balance}],
    }  # fmt: skip
    return parse_experiment(raw | changes)


ENDING = {"class_name": "TinyDiscriminator", "config": {"ending": {"class_name": "MinibatchStandardDeviation"}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"balance": {"replay_buffer": 4}}, "stages.0.balance.replay_buffer: has no effect with"),
        ({"discriminator": ENDING}, "discriminator.config.ending: has no effect with"),
        ({"jit_compile": True}, "jit_compile: has no effect with"),
        ({"distribution": "multi_worker"}, "needs the environment variable TF_CONFIG"),
    ],
)
def test_refused_before_anything_is_built(changes, said, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match=said) as error:
        distribution.Crew(experiment(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("config", ["", "[]", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": 3, "task": {}}',
                                    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
                                   '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}'])  # fmt: skip
def test_a_cluster_that_makes_no_sense(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(InputError, match="TF_CONFIG"):
        distribution.Crew(experiment(distribution="multi_worker"))


def test_batches_that_cannot_be_shared():
    with pytest.raises(
        InputError, match=r"data.batch_size: 3 pictures cannot be split evenly among 2 replicas; the nearest: 2"
    ):
        distribution._check_batch(experiment(), experiment().stages[0], 0, 2)


def test_workers_may_keep_own_parts_and_caches_in_different_places(monkeypatch):
    """Of the experiments, only what is trained is compared."""
    crew, seen = distribution.Crew(experiment(distribution=None)), []
    crew.workers = 2
    monkeypatch.setattr(crew, "_gather", lambda values: seen.append(values) or np.array([values, seen[0]]))
    first = experiment()
    crew.check_same(first, 3)
    moved = dataclasses.replace(first.data, cache_dir="elsewhere")
    crew.check_same(dataclasses.replace(first, imports=("elsewhere/parts.py",), note="second", data=moved), 3)
    with pytest.raises(InputError, match="the workers differ in their experiments"):
        crew.check_same(dataclasses.replace(first, seed=2), 3)
    with pytest.raises(InputError, match="the workers differ in the step of their checkpoints"):
        crew.check_same(first, 4)
