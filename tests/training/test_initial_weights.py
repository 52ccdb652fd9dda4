"""What a stage takes over from a model, a run or a file: all of the same function, or one line that says why not."""

import dataclasses
import functools
import inspect
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from network_checks import stir

import sr_gan_tf
from sr_gan_tf.config import load_experiment
from sr_gan_tf.convert import main as convert_main
from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.errors import InputError
from sr_gan_tf.fit import fit, main
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.generators.wrapped import as_generator
from sr_gan_tf.models import load_network
from sr_gan_tf.runs.checkpoints import checkpoint_files, read_checkpoint
from sr_gan_tf.shipped import shipped_models
from sr_gan_tf.training.assembly import build_networks
from sr_gan_tf.training.initial_weights import (
    averaged,
    check_initial_weights,
    discriminator_of,
    load_initial_weights,
    transfer,
)

SPAN = {
    "scale": 2, "filters": 8, "num_blocks": 2, "input_gain": 255.0, "initial_gate": 0.0, "nearest_skip": False,
    "initial_output_gain": 1.0,
}  # fmt: skip
SHORT = ["deterministic=false", "stages.0.steps=2", "stages.1.steps=2", "data.validation=[]"]


def span(**arguments):
    return stir(GENERATORS["SPAN"](**SPAN | arguments), 0.05)


@functools.cache
def _built(role: str, arguments: str):
    network = span(**json.loads(arguments))
    return network, network.get_weights()


def kept(role: str, **arguments):
    """`span(**arguments)` as it was built for the first test with this role."""
    network, weights = _built(role, json.dumps(arguments, sort_keys=True))
    network.set_weights(weights)
    return network


@pytest.fixture(scope="module")
def tiny(repository):
    return load_experiment(repository / "experiments" / "tiny.json", SHORT)


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    return fit(tiny, tmp_path_factory.mktemp("runs") / "tiny", say=lambda text: None).folder


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {}),
        ({"merged": True}, {"merged": True}),
        ({}, {"merged": True}),
        ({}, {"published_graph": True}),
        ({"initial_gain": 3.0}, {"initial_gain": 1.0}),
        ({"merged": True, "initial_gate": 3.0}, {"merged": True}),
        ({"input_gain": 1.0, "nearest_skip": True}, {"input_gain": 1.0, "nearest_skip": True}),
    ],
)
def test_all_weights_of_the_same_function_are_copied(theirs, ours):
    source, target = kept("source", **theirs), kept("target", **ours)
    total = len(target.variables)
    assert transfer(source, target, "there") == f"{total} of {total} weights from there"
    picture = np.random.default_rng(0).random((1, 12, 16, 3), "float32")
    np.testing.assert_allclose(target(picture), source(picture), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({"merged": True}, {}, "there is merged for inference: only 4 of .*a run folder.*generator.config.merged=true"),
        ({"merged": True, "input_gain": 1.0}, {"merged": True}, "input_gain is 1.0 there and 255.0 here"),
        ({"nearest_skip": True}, {}, "nearest_skip is True there and False here"),
        ({"input_mean": (0.0, 0.0, 0.0)}, {}, "input_mean is"),
        # It initializes, but centers the features as well.
        ({"initial_gate": 3.0}, {}, "initial_gate is 3.0 there and 0.0 here"),
        ({"initial_gate": 3.0, "scale": 4}, {}, "initial_gate is 3.0 there and 0.0 here"),
        ({"scale": 4, "input_gain": 1.0}, {}, "input_gain"),
        (
            {"filters": 12},
            {},
            r"only \d+ of the \d+ weights that could fit this SPAN do \(\d+%.*filters is 12 there and 8",
        ),
        ({"num_blocks": 3}, {}, "computes a different function.*num_blocks is 3 there and 2 here"),
        ({}, {"num_blocks": 3}, "expected 90%.*num_blocks"),
    ],
)
def test_what_would_be_copied_by_chance_is_refused_unless_it_is_asked_for(theirs, ours, said):
    source, target = kept("source", **theirs), kept("target", **ours)
    before = target.get_weights()
    with pytest.raises(InputError, match=said):
        transfer(source, target, "there")
    for weight, old in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert " weights from there" in transfer(source, target, "there", partial=True)


def test_another_scale_takes_over_all_but_the_up_sampler():
    source, target = span(scale=4), span()
    report = transfer(source, target, "there")
    assert report.endswith("; missing: last/kernel, last/bias")
    source, target = (GENERATORS["SRResNet"](filters=8, num_blocks=1, scale=scale) for scale in (2, 4))
    report = transfer(source, target, "there")
    assert "from there; missing: " in report
    assert "up2_conv/kernel" in report
    np.testing.assert_array_equal(target.get_layer("first_conv").kernel, source.get_layer("first_conv").kernel)


def test_strangers_give_nothing_even_in_part():
    stranger = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    for partial in (False, True):
        with pytest.raises(InputError, match="none of its weights fit"):
            transfer(stranger, span(), "there", partial)


def test_discriminators_are_compared_too():
    source, target = TinyDiscriminator(filters=4), TinyDiscriminator(filters=4)
    stir(source, 0.1)
    assert transfer(source, target, "there").startswith("4 of 4")
    with pytest.raises(InputError, match="value_range"):
        transfer(source, TinyDiscriminator(filters=4, value_range=(-1.0, 1.0)), "there")


def test_a_shipped_network_starts_the_merged_form_of_the_same_function_only():
    source = sr_gan_tf.load("span_x4")
    twin = type(source).from_config(source.get_config())
    assert transfer(source, twin, "span_x4").startswith("44 of 44")
    with pytest.raises(InputError, match="input_gain"):
        transfer(source, GENERATORS["SPAN"](scale=4, merged=True, input_gain=255.0), "span_x4")
    with pytest.raises(InputError, match="merged for inference"):
        transfer(source, GENERATORS["SPAN"](scale=4), "span_x4")


def file_of(name: str) -> Path:
    """The .keras file of an experiment's `initial_weights`."""
    return Path(name) if name.endswith(".keras") else shipped_models()[name]


def twins(name: str, kind: str, config: dict) -> list[keras.Model]:
    """Small networks with the other arguments of a file, and with those of an experiment."""
    file = json.loads(zipfile.ZipFile(file_of(name)).read("config.json"))
    assert file["class_name"] == kind
    sizes = {size: inspect.signature(GENERATORS[kind]).parameters[size].default for size in ("filters", "num_blocks")}
    assert {size: config.get(size, default) for size, default in sizes.items()} == {
        size: file["config"][size] for size in sizes
    }
    return [GENERATORS[kind](**each | {"filters": 8, "num_blocks": 1}) for each in (file["config"], config)]


@pytest.mark.parametrize("size", ["small", pytest.param("whole", marks=pytest.mark.long)])
def test_shipped_experiments_name_what_fits_their_networks(repository, monkeypatch, size):
    """Those whose weights are in the repository; the others need a run of the user's.

    The short form compares small networks with the arguments of both sides; `-m long` the networks themselves.
    """
    monkeypatch.chdir(repository)
    named, pairs = 0, {}  # several experiments start the same network from the same file
    for path in sorted((repository / "experiments").rglob("*.json")):
        raw = json.loads(path.read_text())
        for stage in raw.get("stages", []):
            name = stage.get("initial_weights")
            if name is None or name.startswith("runs/"):
                continue
            config = {"scale": raw["scale"], **raw["generator"]["config"]}
            key = json.dumps(
                [name, raw["generator"]["class_name"], config, stage.get("partial", False)], sort_keys=True
            )
            pairs[key] = path
            named += 1
    assert named > 8
    sources: dict[str, keras.Model] = {}
    for key, path in pairs.items():
        name, kind, config, partial = json.loads(key)
        if size == "small":
            source, target = twins(name, kind, config)
        else:
            if name not in sources:
                sources[name] = load_network(file_of(name))
            source, target = sources[name], GENERATORS[kind](**config)
        assert " weights from " in transfer(source, target, name, partial), path


def test_a_run_folder_gives_its_averaged_generator_unmerged(run, tiny, tmp_path):
    _, tensors = read_checkpoint(checkpoint_files(run.checkpoints)[0])  # the newest
    network = averaged(run.path)
    for index, variable in enumerate(network.variables):
        np.testing.assert_array_equal(variable, tensors[f"average/{index:05d}"])
    assert convert_main([str(run.path), "-o", str(tmp_path / "on.keras")]) == 0
    stage = dataclasses.replace(tiny.stages[0], initial_weights=str(run.path))
    further = dataclasses.replace(tiny, stages=(stage, tiny.stages[1]))
    networks = build_networks(further)
    load_initial_weights(further, 0, networks, say=lambda text: None)
    for one, other in zip(networks.generator.weights, network.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="contains no checkpoint"):
        averaged(tmp_path)


def test_a_run_folder_gives_its_discriminator(run, tiny, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sr_gan_tf.training.dry_run.estimate_memory", lambda *arguments: 1e9)  # traces every stage
    _, tensors = read_checkpoint(checkpoint_files(run.checkpoints)[0])
    found = discriminator_of(run.path)
    for index, variable in enumerate(found.variables):
        np.testing.assert_array_equal(variable, tensors[f"discriminator/{index:05d}"])
    raw = json.loads((repository / "experiments" / "tiny.json").read_text())
    file = tmp_path / "adversarial.json"
    file.write_text(json.dumps(raw | {"stages": raw["stages"][1:]}))
    short = [setting for setting in SHORT if not setting.startswith("stages.1")]
    places = [f'--set=stages.0.{key}="{run.path}"' for key in ("initial_weights", "discriminator_initial_weights")]
    settings, path = [f"--set={setting}" for setting in short], str(file)
    assert main([path, "--dry-run", *settings, *places]) == 0
    said = capsys.readouterr().out
    assert f"initial weights of the generator: {len(averaged(run.path).variables)} of" in said
    assert f"initial weights of the discriminator: {len(found.variables)} of {len(found.variables)} weights" in said
    second = load_experiment(path, [*short, *(place.removeprefix("--set=") for place in places)])
    networks = build_networks(second)
    load_initial_weights(second, 0, networks, say=lambda text: None)
    for one, other in zip(networks.discriminator.variables, found.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    # Misfits stop a dry run; what is not there yet is only said.
    assert main([path, "--dry-run", *settings, places[0], "--set", "generator.config.filters=12"]) == 2
    assert "expected 90%" in capsys.readouterr().err
    assert main([path, "--dry-run", *settings, "--set", 'stages.0.initial_weights="runs/nowhere"']) == 0
    assert "not available yet: no model 'runs/nowhere'" in capsys.readouterr().out


def test_weights_that_replace_all_that_earlier_stages_train_are_refused(run, tiny):
    """In a later stage, only a part of the generator may be replaced, or all if the discriminator continues."""
    weights, critic = {"initial_weights": str(run.path)}, {"discriminator_initial_weights": str(run.path)}
    first, second = tiny.stages
    third = dataclasses.replace(second, name="third")

    def check(*stages):
        experiment = dataclasses.replace(tiny, stages=stages)
        networks = build_networks(experiment)
        return [check_initial_weights(experiment, index, networks.generator, None) for index in range(len(stages))]

    for stages in (
        (first, dataclasses.replace(second, **weights)),
        (first, dataclasses.replace(second, **weights, **critic)),
        (second, dataclasses.replace(third, **weights, **critic)),
        (second, dataclasses.replace(first, **weights)),
        (first, dataclasses.replace(second, **weights, partial=True)),  # all of them fit
    ):
        with pytest.raises(InputError, match=r"stages\.1\.initial_weights: replaces everything that"):
            check(*stages)
    assert "weights from" in check(second, dataclasses.replace(third, **weights))[1][0]
    check(dataclasses.replace(second, **weights), dataclasses.replace(third, **critic))
    # The network has a block more than that of the file, which keeps what the first stage trained.
    deeper = tiny.override({"generator.config.num_blocks": 2})
    further = dataclasses.replace(deeper, stages=(first, dataclasses.replace(second, **weights, partial=True)))
    networks = build_networks(further)
    generator, average = networks.generator, networks.average
    generator.set_weights([np.full(weight.shape, 0.5, np.float32) for weight in generator.weights])
    load_initial_weights(further, 1, networks, say=lambda text: None)
    given = {variable.path: np.asarray(variable) for variable in averaged(run.path).variables}
    kept = 0
    for variable, mean in zip(generator.variables, average.variables, strict=True):
        np.testing.assert_array_equal(variable, mean)
        np.testing.assert_array_equal(variable, given.get(variable.path, np.full(variable.shape, 0.5)))
        kept += variable.path not in given
    assert kept


def own(filters: int = 4, activation: str = "relu"):
    """A network of somebody's, whose layers Keras numbers anew each time."""
    lr = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(filters, 3, padding="same", activation=activation)(lr)
    return as_generator(keras.Model(lr, keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same")(x)))


def test_networks_of_ones_own():
    source, target = own(), own()
    lr = np.random.default_rng(0).random((1, 8, 9, 3), np.float32)
    assert "4 of 4 weights" in transfer(source, target, "mine")
    np.testing.assert_array_equal(target(lr), source(lr))
    with pytest.raises(InputError, match="mine computes a different function"):
        transfer(source, own(activation="tanh"), "mine")
    with pytest.raises(InputError, match="mine"):
        transfer(source, own(filters=6), "mine")
