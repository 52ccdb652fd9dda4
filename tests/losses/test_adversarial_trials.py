"""Every adversarial family plays 300 steps on photographs: finite numbers, and neither side wins.

`python -m pytest -m long -s tests/losses/test_adversarial_trials.py` prints the table of docs/losses.md.
"""

import keras
import numpy as np
import pytest

from sr_gan_tf.config import load_experiment
from sr_gan_tf.data.pipeline import training_batches
from sr_gan_tf.losses import ADVERSARIAL_LOSSES
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.run import stage_data

WASSERSTEIN = [
    "stages.1.adversarial.weight=0.001",
    "stages.1.discriminator_optimizer.config.learning_rate=1e-3",
    'stages.1.penalties=[{"class_name": "GradientPenalty", "weight": 5.0}]',
]
SMALL = [
    "data.patch_size=24",
    "data.batch_size=2",
    "generator.config.filters=4",
    "generator.config.num_blocks=1",
    "discriminator.config.filters=4",
]


class Rows(keras.callbacks.Callback):
    """The logs of every step."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append({name: float(value) for name, value in logs.items()})


def load(repository, family, *overrides):
    settings = [f'stages.1.adversarial.class_name="{family}"', *overrides]
    settings += WASSERSTEIN if family == "Wasserstein" else []
    return load_experiment(repository / "experiments" / "small" / "adversarial_families.json", settings)


def play(experiment, networks, index, steps, eagerly=False):
    trainer, rows = build_stage(experiment, index, networks), Rows()
    trainer.run_eagerly = eagerly  # a few steps are done before a graph is made
    stage = experiment.stages[index]
    batches = training_batches(stage_data(experiment, stage), experiment.scale, experiment.seed, 10_000 * index)
    trainer.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False, callbacks=[rows])
    return rows.rows


@pytest.mark.parametrize("family", ADVERSARIAL_LOSSES)
def test_a_few_steps_of_each_family(repository, family):
    experiment = load(repository, family, *SMALL)
    networks = build_networks(experiment)
    before = [network.get_weights() for network in (networks.generator, networks.discriminator)]
    rows = play(experiment, networks, 1, 3, eagerly=True)
    assert len(rows) == 3
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert all(row["skipped_steps"] == 0 and 0 <= row["pair_share"] <= 1 for row in rows)
    for weights, network in zip(before, (networks.generator, networks.discriminator), strict=True):
        assert any((old != new).any() for old, new in zip(weights, network.get_weights(), strict=True))


@pytest.mark.long
@pytest.mark.parametrize("family", ADVERSARIAL_LOSSES)
def test_three_hundred_steps_stay_finite_and_balanced(repository, family):
    experiment = load(repository, family)
    networks = build_networks(experiment)
    pretraining = play(experiment, networks, 0, experiment.stages[0].steps)
    rows = play(experiment, networks, 1, experiment.stages[1].steps)
    assert len(rows) == 300
    assert all(np.isfinite(list(row.values())).all() for row in pretraining + rows)
    assert rows[-1]["skipped_steps"] == 0
    share = np.mean([row["pair_share"] for row in rows[-100:]])
    real, fake = (np.mean([row[f"discriminator_{side}"] for row in rows[-100:]]) for side in ("real", "fake"))
    print(f"\n| `{family}` | {share:.2f} | {real:.3f} | {fake:.3f} |")
    assert 0.55 <= share <= 0.98
