"""Random tiny experiments: every term teaches what it should, and no setting is without effect.

The default suite draws a few of each; `python -m pytest -m long` draws many.
"""

import copy
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from tiny_experiments import (
    TINY_CONTENT,
    TINY_DISCRIMINATORS,
    TINY_GENERATORS,
    arguments_of,
    experiment,
    put,
    result,
    same,
    settings_of,
    trainer_of,
)

from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.runs.checkpoints import checkpoint_files, read_checkpoint
from sr_gan_tf.training.gan import GAN
from sr_gan_tf.training.run import fit

# A training takes a second: a failing example is shown as it is drawn, not made smaller.
COSTLY = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": (Phase.explicit, Phase.generate)}
FEW = settings(max_examples=2, **COSTLY)
MANY = settings(max_examples=40, **COSTLY)
SPEC = {"Adam": {}, "AdamW": {"weight_decay": 0.01}, "Lion": {}, "RMSprop": {}, "SGD": {"momentum": 0.5}}


def optimizers():
    return st.sampled_from(sorted(SPEC)).map(
        lambda name: {"class_name": name, "config": {"learning_rate": 1e-3, **SPEC[name]}}
    )


@st.composite
def experiments(draw):
    """JSON of one stage, supervised or adversarial."""
    content = draw(st.lists(st.sampled_from(sorted(TINY_CONTENT)), min_size=1, max_size=3, unique=True))
    stage = {"generator_optimizer": draw(optimizers())}
    discriminator = draw(st.none() | st.sampled_from(sorted(TINY_DISCRIMINATORS)))
    if discriminator is not None:
        some = lambda catalog: st.lists(st.sampled_from(sorted(catalog)), max_size=1)  # noqa: E731
        weight = draw(st.sampled_from([0.001, 0.1, 1.0]))
        stage |= {
            "discriminator_optimizer": draw(optimizers()),
            "adversarial": {"class_name": draw(st.sampled_from(sorted(ADVERSARIAL_LOSSES))), "weight": weight},
            "features": [{"class_name": name} for name in draw(some(FEATURE_LOSSES))],
            "penalties": [{"class_name": name, "weight": 0.5} for name in draw(some(PENALTIES))],
            "balance": draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "discriminator_steps": st.just(2),
                        "instance_noise": st.just(0.05),
                        "replay_buffer": st.just(3),
                        "historical_averaging": st.just(1e-3),
                    },
                )
            ),
        }
    raw = experiment(
        draw(st.sampled_from(sorted(TINY_GENERATORS))), discriminator, content, draw(st.sampled_from([2, 4])), **stage
    )
    if discriminator == "PatchGAN" and draw(st.booleans()):
        raw["discriminator"]["config"]["conditional"] = True
    raw["data"]["batch_size"] = draw(st.sampled_from([1, 2, 3]))
    return raw


def length(gradients) -> float:
    return float(tf.linalg.global_norm([gradient for gradient in gradients if gradient is not None]))


def every_term_teaches(raw: dict) -> None:
    """Each weighted term has a gradient for the network that it is to teach; two finite steps move all networks."""
    networks, trainer, (lr, hr) = trainer_of(parse_experiment(raw))
    generator, discriminator = networks.generator, networks.discriminator
    is_gan = isinstance(trainer, GAN)
    before = {name: network.get_weights() for name, network in vars(networks).items() if network is not None}
    logs: dict = {}
    with tf.GradientTape(persistent=True) as tape:
        sr = generator(lr, training=True)
        trainer.content_loss(hr, sr, lr, logs)
        if is_gan:
            trainer.generator_terms(lr, hr, sr, logs)
        terms = [*trainer.content, *([trainer.adversarial, *trainer.features] if is_gan else [])]
        total = tf.add_n([logs[f"{term.name}.weighted"] for term in terms])
    weights = [variable.value for variable in generator.trainable_variables]
    reached = [gradient is not None for gradient in tape.gradient(total, weights)]
    assert all(reached), [v.path for v, is_it in zip(generator.trainable_variables, reached, strict=True) if not is_it]
    for term in terms:
        assert length(tape.gradient(logs[f"{term.name}.weighted"], weights)) > 0, term.name
    if is_gan:
        logs = {}
        with tf.GradientTape(persistent=True) as tape:
            fake = tf.stop_gradient(sr)
            loss, views = trainer.discriminator_terms(lr, hr, fake, lr, logs)
            trainer.penalty_terms(views, logs)
        weights = [variable.value for variable in discriminator.trainable_variables]
        taught = tape.gradient(loss, weights)
        assert length(taught) > 0
        lost = [
            v.path for v, gradient in zip(discriminator.trainable_variables, taught, strict=True) if gradient is None
        ]
        assert not lost
        for term in trainer.penalties:
            assert length(tape.gradient(logs[f"{term.name}.weighted"], weights)) > 0, term.name
    for _ in range(2):
        logs = {name: float(value) for name, value in trainer.train_step((lr, hr)).items()}
        assert np.isfinite(list(logs.values())).all(), logs
        assert logs["skipped_steps"] == 0
    for name, old in before.items():
        weights = zip(getattr(networks, name).get_weights(), old, strict=True)
        assert any(not np.array_equal(weight, start) for weight, start in weights), name


@FEW
@given(experiments())
def test_every_term_teaches_what_it_should(raw):
    every_term_teaches(raw)


@pytest.mark.long
@MANY
@given(experiments())
def test_every_term_teaches_what_it_should_in_many_experiments(raw):
    every_term_teaches(raw)


@st.composite
def perturbed(draw):
    """An experiment, and the same with another value of one of its settings or of one argument of its objects."""
    raw = draw(experiments())
    # What a network is called shows only in its file.
    free = ("generator.config.name", "discriminator.config.name")
    arguments = [item for item in arguments_of(raw) if item[0] not in free]
    path, value = draw(st.one_of(st.sampled_from(arguments), st.sampled_from(settings_of(raw))))
    return raw, path, value


def no_setting_is_idle(case) -> None:
    raw, path, value = case
    try:
        changed = result(put(raw, path, value))
    except InputError as error:
        assert "\n" not in str(error)
        # Refused is the change, not the experiment.
        result(raw)
        return
    before = result(raw)
    assert not same(before, changed), (path, value)
    event(path.partition(".config")[0])


@FEW
@given(perturbed())
def test_no_setting_is_idle(case):
    no_setting_is_idle(case)


@pytest.mark.long
@MANY
@given(perturbed())
def test_no_setting_is_idle_in_many_experiments(case):
    no_setting_is_idle(case)


# What shows in the folder of a run of four steps.
IN_THE_FOLDER = {
    "name": "another", "deterministic": False, "validate_every": 1, "checkpoint_every": 1, "sample_every": 1,
    "log_every": 1, "validation_metrics": ["gmsd"], "best_metric": "gmsd", "histograms": True, "trackers": [],
    "data.validation_limit": 1, "data.cache_dir": "elsewhere", "stages.0.steps": 5, "stages.0.name": "another",
    "note": "another", "max_bad_steps": 3, "patience": 1, "data.on_bad_file": "error",
}  # fmt: skip
# Settings that show only on a GPU, in texts, or if something goes wrong.
ONLY_IN_THE_EXPERIMENT = {"name", "deterministic", "note", "max_bad_steps", "patience", "data.on_bad_file"}


def traces(raw: dict, folder) -> tuple:
    """What a run leaves: files, history, whether TensorBoard shows histograms, and its last checkpoint's notes."""
    raw["data"]["cache_dir"] = str(folder / raw["data"].get("cache_dir", "cache"))
    run = fit(parse_experiment(raw), folder / "run", say=lambda line: None).folder
    assert run.experiment() == parse_experiment(raw)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    files = {re.sub(r"events.out.tfevents.*", "events", name) for name in files}
    events = b"".join(path.read_bytes() for path in sorted(run.logs.rglob("*"))) if run.logs.exists() else b""
    notes, _ = read_checkpoint(checkpoint_files(run.checkpoints)[0])
    return sorted(files), run.history.read_text(), b"generator/conv0/kernel" in events, notes


@pytest.mark.long
def test_every_setting_of_a_run_shows_in_its_folder(tmp_path):
    raw = experiment(steps=4) | {"deterministic": True, "validate_every": 4, "log_every": 4, "checkpoint_every": 4}
    plain = traces(copy.deepcopy(raw), tmp_path / "plain")
    assert traces(copy.deepcopy(raw), tmp_path / "again") == plain
    for number, (path, value) in enumerate(IN_THE_FOLDER.items()):
        shown = traces(put(raw, path, value), tmp_path / str(number))
        assert (shown == plain) == (path in ONLY_IN_THE_EXPERIMENT), path
