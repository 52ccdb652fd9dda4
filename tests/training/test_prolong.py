"""A run that is prolonged is the run that it would have been; what would change what was trained is refused."""

import dataclasses

import numpy as np
import pytest
from tiny_experiments import SMALLEST

from sr_gan_tf.config import Spec, load_experiment
from sr_gan_tf.errors import InputError
from sr_gan_tf.fit import fit
from sr_gan_tf.runs.checkpoints import checkpoint_files, read_checkpoint
from sr_gan_tf.runs.folder import RunFolder

SHORT = ["deterministic=false", "stages.0.steps=2", "stages.1.steps=2", "data.validation=[]", "checkpoint_every=2"]


@pytest.fixture(scope="module")
def tiny(repository):
    experiment = load_experiment(repository / "experiments" / "tiny.json", SHORT)
    experiment = experiment.override({"generator": SMALLEST["generator"], "trackers": []})
    rate = {"class_name": "PiecewiseConstantDecay", "config": {"boundaries": [2], "values": [1e-3, 1e-4]}}
    adversarial = dataclasses.replace(
        experiment.stages[1], discriminator_optimizer=Spec("Adam", {"learning_rate": rate})
    )
    return dataclasses.replace(experiment, stages=(experiment.stages[0], adversarial))


def with_steps(experiment, *steps):
    stages = (dataclasses.replace(stage, steps=n) for stage, n in zip(experiment.stages, steps, strict=True))
    return dataclasses.replace(experiment, stages=tuple(stages))


def trained(experiment, folder):
    """What the run says, and everything that its newest checkpoint holds."""
    said = []
    run = fit(experiment, folder, say=said.append).folder
    return said, *read_checkpoint(checkpoint_files(run.checkpoints)[0])


@pytest.fixture(scope="module")
def straight(tiny, tmp_path_factory):
    """The longer run in one go: its folder and its end."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    return folder, trained(with_steps(tiny, 2, 4), folder)


def same_end(one, other):
    assert one[1] | {"rows": 0} == other[1] | {"rows": 0}
    assert one[2].keys() == other[2].keys()
    for name, tensor in one[2].items():
        np.testing.assert_allclose(tensor, other[2][name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_more_steps_continue_networks_optimizers_and_averages(tiny, straight, tmp_path):
    fit(tiny, tmp_path / "run", say=lambda text: None)
    longer = trained(with_steps(tiny, 2, 4), tmp_path / "run")
    assert "changed since the last run: stages.1.steps (2 -> 4)" in longer[0]
    assert any("schedules count the steps of their stage" in line for line in longer[0])
    same_end(longer, straight[1])
    assert float(np.asarray(longer[2]["discriminator_optimizer/00000"])) == 4


def test_an_adversarial_stage_is_appended_to_a_supervised_run(tiny, straight, tmp_path):
    first = dataclasses.replace(tiny, stages=tiny.stages[:1], discriminator=None)
    fit(first, tmp_path / "run", say=lambda text: None)
    same_end(trained(with_steps(tiny, 2, 4), tmp_path / "run"), straight[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: with_steps(e, 3, 4), r"stages.0.steps \(2 -> 3\)"),
        (lambda e: with_steps(e, 2, 3), r"stages.1.steps \(4 -> 3\)"),
        (lambda e: dataclasses.replace(e, seed=8), r"seed \(7 -> 8\)"),
        (lambda e: dataclasses.replace(e, ema_decay=0.5), "ema_decay"),
        (lambda e: dataclasses.replace(e, discriminator=Spec("TinyDiscriminator", {"filters": 4})), "discriminator"),
        (lambda e: dataclasses.replace(e, stages=e.stages[:1], discriminator=None), "these keys differ"),
    ],
)
def test_what_would_change_what_was_trained_is_refused(tiny, straight, change, said):
    with pytest.raises(InputError, match=f"belongs to another experiment; .*{said}"):
        fit(change(with_steps(tiny, 2, 4)), straight[0], say=lambda text: None)


def test_the_refusal_names_the_refused_keys_alone(tiny, straight):
    """Not the note, and not the forty keys of a stage that was appended as well."""
    longer = with_steps(tiny, 2, 4)
    more = dataclasses.replace(longer.stages[1], name="more")
    other = dataclasses.replace(longer, seed=8, note="other", stages=(*longer.stages, more))
    with pytest.raises(InputError, match=r"these keys differ: seed \(7 -> 8\); choose") as caught:
        fit(other, straight[0], say=lambda text: None)
    assert "note" not in str(caught.value)


def test_what_says_nothing_of_the_training_may_change(tiny, straight):
    said = []
    other = dataclasses.replace(with_steps(tiny, 2, 4), log_every=1, checkpoint_every=3, note="other", max_bad_steps=5)
    fit(other, straight[0], say=said.append)
    fit(with_steps(tiny, 2, 4), straight[0], say=said.append)


def test_the_default_of_best_metric_may_be_said(tiny, straight):
    """Runs of earlier versions have PSNR-Y in their experiment.json, where none was given."""
    longer, folder = with_steps(tiny, 2, 4), RunFolder(straight[0])
    for metric in ("psnr_y", None):
        with folder.claim(dataclasses.replace(longer, best_metric=metric)) as changed:
            assert changed[0].startswith("best_metric (")
    with (
        pytest.raises(InputError, match="belongs to another"),
        folder.claim(dataclasses.replace(longer, best_metric="gmsd")),
    ):
        pass


def test_a_stage_that_ended_early_needs_more_patience(tiny, repository, tmp_path):
    pictures = load_experiment(repository / "experiments" / "tiny.json").data.validation
    data = dataclasses.replace(tiny.data, validation=pictures, validation_limit=1)
    still = dataclasses.replace(tiny.stages[0], steps=50, generator_optimizer=Spec("Adam", {"learning_rate": 1e-12}))
    experiment = dataclasses.replace(
        tiny, data=data, stages=(still,), discriminator=None,
        ema_decay=0.0, validate_every=1, patience=1,
    )  # fmt: skip
    _, notes, _ = trained(experiment, tmp_path / "run")
    assert notes["stage_ended"]
    more = with_steps(experiment, 60)
    with pytest.raises(InputError, match="has no effect, because the stage ended early"):
        fit(more, tmp_path / "run", say=lambda text: None)
    _, again, _ = trained(dataclasses.replace(more, patience=3), tmp_path / "run")
    assert again["stage_step"] > notes["stage_step"]
