"""The JSON schema: it takes every experiment of the repository, and refuses what loading or building would refuse."""

import json

import pytest

from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.json_files import put
from sr_gan_tf.training.optimizers import OPTIMIZERS
from sr_gan_tf.training.schema import json_schema

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def tiny(repository):
    return json.loads((repository / "experiments" / "tiny.json").read_text())


def test_the_published_schema_is_the_present_one(repository, validator):
    assert json.loads((repository / "experiments" / "schema.json").read_text()) == validator.schema


def test_every_experiment_is_valid(repository, validator):
    files = [path for path in (repository / "experiments").glob("**/*.json") if path.name != "schema.json"]
    files += (repository / "examples").glob("*.json")
    assert len(files) > 30
    for path in files:
        assert not [error.message for error in validator.iter_errors(json.loads(path.read_text()))], path


def test_arguments_carry_type_default_and_sentence(validator):
    definitions = validator.schema["$defs"]
    filters = definitions["generator.SPAN"]["properties"]["filters"]
    assert (filters["type"], filters["default"]) == ("integer", GENERATORS["SPAN"]().filters)
    assert filters["description"].startswith("channels of the body")
    for name in GENERATORS:
        properties = definitions[f"generator.{name}"]["properties"]
        assert all("description" in item for item in properties.values()), name
    rate = definitions["optimizer.Adam"]["properties"]["learning_rate"]
    assert {"$ref": "#/$defs/schedule"} in rate["anyOf"]
    assert {f"optimizer.{name}" for name in OPTIMIZERS} <= set(definitions)


STAGE, OPTIMIZER = "stages.0", "stages.0.generator_optimizer"
SCHEDULE = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 1e-3, "decay_steps": 10}}
RIGHT = [
    ("generator.class_name", "my_parts:MyGenerator"),
    ("generator", {"class_name": "my_parts:MyGenerator", "config": {"anything": [1]}}),
    (f"{OPTIMIZER}.config.learning_rate", SCHEDULE),
    ("stages.0.content.0.weight", SCHEDULE),
    ("data.augmentations", ["flip", {"class_name": "mixup", "config": {"probability": 0.5}}]),
    ("data.degradation", {"class_name": "Realistic"}),
    ("trackers", ["wandb"]),
    ("discriminator", None),
]
WRONG = [
    ("scale", "2"), ("scale", 0), ("scale", 17), ("scale", 1.5), ("scale", None), ("name", 3), ("name", "a/b"),
    ("name", ""), ("seed", -1), ("seed", 2**31), ("sede", 3), ("precision", "float16"), ("deterministic", "yes"),
    ("ema_decay", 1), ("ema_decay", -0.1), ("validate_every", 0), ("patience", 0), ("log_every", "50"),
    ("best_metric", 3), ("validation_metrics", []), ("trackers", ["tensorbord"]), ("imports", "my_parts.py"),
    ("jit_compile", "yes"), ("distribution", "all"),
    ("data.patch_size", 0), ("data.patch_size", "32"), ("data.batch_size", -4), ("data.train", []),
    ("data.train", {"class_name": "Folder"}), ("data.on_bad_file", "ignore"), ("data.augmentations", ["flop"]),
    ("data.train.0.class_name", "Fodler"), ("data.train.0.weight", 0), ("data.train.0.config.split", "test"),
    ("data.train.0.config.splitt", "train"), ("data.train.0", {"class_name": "Folder"}),
    ("data.train.0", {"class_name": "Folder", "config": {}}), ("data.degradation", {"class_name": "Bicubik"}),
    ("data.degradation", {"class_name": "Bicubic", "config": {"border": "mirror"}}),
    ("data.degradation", {"class_name": "Realistic", "config": {"first": {"blurr": 1.0}}}),
    ("generator", "SPAN"), ("generator", {}), ("generator.class_name", "SRResnet"), ("generator.config.filtres", 8),
    ("generator.config.filters", "8"), ("generator.config.filters", 8.5), ("generator.config.upsampling", "fancy"),
    ("generator.extra", 1), ("generator", {"class_name": "Compact", "config": {"activation": "gelu"}}),
    ("discriminator.class_name", "TinyDiscriminater"), ("discriminator.config.filters", [8]),
    ("stages", []), (f"{STAGE}.steps", 0), (f"{STAGE}.step", 3), (f"{STAGE}.name", "a b"),
    (f"{STAGE}.content", [{"class_name": "MAE"}]), (f"{STAGE}.content.0.weight", "1"),
    (f"{STAGE}.content.0.config", {"size": 1}),
    (f"{STAGE}.content.0", {"class_name": "VGGFeatures", "config": {"network": "vgg11"}}),
    (f"{STAGE}.content.0.weight", {"class_name": "CosineDecay"}), (OPTIMIZER, {"class_name": "Adm"}),
    (f"{OPTIMIZER}.config.learning_rate", -1e-4), (f"{OPTIMIZER}.config.learning_rate", "fast"),
    (f"{OPTIMIZER}.config.learning_rate", {"class_name": "Cosine"}), (f"{OPTIMIZER}.config.rate", 1e-3),
    ("stages.1.adversarial", {"class_name": "BinaryCrossEntropy"}), ("stages.1.balance", {"discriminator_steps": 0}),
    ("stages.1.balance", {"instance_noise": {"class_name": "Polynomial"}}),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), RIGHT)
def test_right_values(key, value, tiny, validator):
    put(tiny, key, value, "here")
    assert not [error.message for error in validator.iter_errors(tiny)]


def test_fifty_wrong_values_are_refused(tiny, validator):
    assert len(WRONG) >= 50
    accepted = []
    for key, value in WRONG:
        raw = json.loads(json.dumps(tiny))
        put(raw, key, value, "here")
        if validator.is_valid(raw):
            accepted.append((key, value))
    assert not accepted


def test_what_the_schema_refuses_is_refused_by_fit(tiny):
    from sr_gan_tf.config import parse_experiment
    from sr_gan_tf.data.augmentation import build_augmentations
    from sr_gan_tf.data.catalog import build_degradation, build_sources
    from sr_gan_tf.errors import InputError
    from sr_gan_tf.training.assembly import build_networks, build_stage

    def build_all(raw):
        experiment = parse_experiment(raw)
        build_sources(experiment.data.train, "data.train", experiment.scale)
        build_degradation(experiment.data, experiment.scale)
        build_augmentations(experiment.data, experiment.scale)
        networks = build_networks(experiment)
        for index in range(len(experiment.stages)):
            build_stage(experiment, index, networks)

    for key, value in WRONG:
        raw = json.loads(json.dumps(tiny))
        put(raw, key, value, "here")
        with pytest.raises(InputError) as caught:
            build_all(raw)
        assert "\n" not in str(caught.value), (key, value)
