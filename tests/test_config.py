"""The experiment file: what is accepted, what is refused and how that is said."""

import json

import pytest

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec, load_experiment, parse_experiment, to_json
from sr_gan_tf.errors import InputError, suggest

MINIMAL = {
    "name": "minimal",
    "scale": 2,
    "data": {"train": [{"class_name": "Folder", "config": {"path": "somewhere"}}]},
    "generator": {"class_name": "SRResNet"},
    "stages": [{"name": "only", "steps": 1, "generator_optimizer": {"class_name": "Adam"}}],
}


class Thing:
    def __init__(self, size: int, sides: tuple[int, ...] = (1,), mode: str = "plain", scale: int = 1):
        if size < 0:
            raise ValueError(f"size: expected 0 or more, found {size}")
        self.size, self.sides, self.mode, self.scale = size, sides, mode, scale


def test_defaults_are_filled_in_and_survive_a_round_trip():
    experiment = parse_experiment(MINIMAL)
    assert (experiment.data.patch_size, experiment.data.batch_size, experiment.ema_decay) == (96, 16, 0.999)
    assert parse_experiment(json.loads(to_json(experiment))) == experiment


def test_every_experiment_file_loads(repository):
    files = [path for path in (repository / "experiments").glob("**/*.json") if path.name != "schema.json"]
    assert len(files) >= 5
    for path in files:
        experiment = load_experiment(path)
        assert experiment.name == path.stem
        assert experiment.note


def test_overrides_reach_lists_and_new_keys(tmp_path):
    path = tmp_path / "e.json"
    path.write_text(json.dumps(MINIMAL))
    experiment = load_experiment(
        path, ["stages.0.steps=100", "generator.config.filters=8", 'data.train.0.config.path="elsewhere"']
    )
    assert experiment.stages[0].steps == 100
    assert experiment.generator.config == {"filters": 8}
    assert experiment.data.train[0].config["path"] == "elsewhere"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.0.steps", "expected KEY=JSON"),
        ("stages.7.steps=1", "not an index in a list of 1"),
        ("generator.class_name=SPAN", "not JSON"),
        ("name.first=1", "nothing below"),
        ("stages.0.content.0.weight=NaN", "stages.0.content.0.weight: expected a finite number, found nan"),
        ("generator.config.input_gain=1e999", "generator.config.input_gain: expected a finite number, found inf"),
    ],
)
def test_override_that_cannot_be_applied(tmp_path, override, said):
    path = tmp_path / "e.json"
    path.write_text(json.dumps(MINIMAL))
    with pytest.raises(InputError, match=said):
        load_experiment(path, [override])


def test_all_errors_are_told_at_once():
    raw = json.loads(json.dumps(MINIMAL)) | {"scale": "x", "sede": 3}
    raw["stages"][0]["steps"] = 0
    with pytest.raises(InputError) as caught:
        parse_experiment(raw)
    text = str(caught.value)
    assert "scale: " in text
    assert "stages.0.steps: " in text
    assert "sede: unknown key; did you mean 'seed'?" in text


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "e.json"
    path.write_text('{"name": "a", "name": "b"}')
    with pytest.raises(InputError, match="'name' occurs twice"):
        load_experiment(path)


def test_build_hands_over_configuration_and_what_is_given():
    thing = build(Spec("Thing", {"size": 3, "sides": [1, 2]}), {"Thing": Thing}, "here", scale=4, unknown=5)
    assert (thing.size, thing.sides, thing.scale) == (3, (1, 2), 4)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (Spec("Think"), r"here.class_name: no 'Think'; did you mean 'Thing'\?"),
        (
            Spec("Thing", {"size": 1, "seize": 2}),
            r"here.config.seize: Thing takes no such argument; did you mean 'size'",
        ),
        (Spec("Thing", {"size": "1"}), "here.config.size: .*integer, found '1'"),
        (Spec("Thing", {"size": 1.5}), "here.config.size: .*integer"),
        (Spec("Thing", {"size": 1, "sides": 2}), "here.config.sides: "),
        (Spec("Thing"), "here.config.size: Thing needs this argument"),
        (Spec("Thing", {"size": -1}), "here: .*expected 0 or more, found -1"),
        (Spec("Thing", {"size": 1, "scale": 3}), "here.config.scale: is 3, but that of the experiment is 4"),
    ],
)
def test_build_refuses(spec, said):
    with pytest.raises(InputError, match=said):
        build(spec, {"Thing": Thing}, "here", scale=4)


def test_suggestions():
    assert suggest("srresnet", ["SRResNet", "SPAN"]) == "; did you mean 'SRResNet'?"
    assert suggest("zzz", ["SRResNet", "SPAN"]) == "; expected one of SRResNet, SPAN"
