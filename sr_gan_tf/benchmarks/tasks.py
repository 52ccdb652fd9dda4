"""Jobs: the rows of a benchmark, from the names on the command line.

A network is named by its catalog name, with arguments after a colon (`MetaGAN:mixer=conv,excitation=cse`), by the
label of a row of the published table, or by an experiment file, which selects its networks or, in the mode `step`, the
train step of one of its stages. A custom network has its registered name, or `module:Name`, with arguments after
another colon. The published table is that of github umzi2/MetaGan: input [2, 3, 512, 512].
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import keras

from sr_gan_tf.build import arguments_of
from sr_gan_tf.config import Experiment, Spec, load_experiment, parse_experiment, to_json
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.discriminators.wrapped import as_discriminator
from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.generators.wrapped import as_generator
from sr_gan_tf.networks import Network, UnfitModel
from sr_gan_tf.registry.parts import Catalog, find

MODES = ("inference", "training", "step")
COMPILERS = ("xla", "graph", "eager")
PRECISIONS = ("float32", "mixed_bfloat16")


def as_network(model: keras.Model, **given) -> Network:
    """Wraps a user's Keras model as a generator, or as a discriminator if it is none."""
    try:
        return as_generator(model, **given)
    except UnfitModel as error:
        try:
            return as_discriminator(model, **given)
        except UnfitModel:
            raise error from None


CATALOG = Catalog("network", {**GENERATORS, **DISCRIMINATORS}, (keras.Model,), as_network, functions=True)
PUBLISHED = {
    "MetaGAN attention SSE": Spec("MetaGAN", {"mixer": "attention", "excitation": "sse"}),
    "MetaGAN attention CSE": Spec("MetaGAN", {"mixer": "attention", "excitation": "cse"}),
    "MetaGAN attention CSSE": Spec("MetaGAN", {"mixer": "attention", "excitation": "csse"}),
    "MetaGAN conv SSE": Spec("MetaGAN", {"mixer": "conv", "excitation": "sse"}),
    "DUnet": Spec("DUnet"),
}
PUBLISHED_SHAPE = (2, 512, 512, 3)
STEP_SHAPE = (16, 96, 96, 3)


@dataclasses.dataclass(frozen=True)
class Task:
    """One row to measure, as plain data that can be passed to another process.

    Args:
        label: name of the row.
        mode: `"inference"`, `"training"` (forward and backward pass) or `"step"` (the whole train step).
        shape: (N, H, W, C) of the network's input; in a step, of the batch of HR patches.
        compiler: `"xla"`, `"graph"` or `"eager"`.
        precision: the Keras policy.
        device: `"cpu"` or `"gpu:0"` ...
        network: the network to build; None for the step of an experiment.
        experiment: in a step, the JSON of the experiment, reduced to one stage; otherwise "".
        real_data: whether the experiment's own pipeline feeds the step.
    """

    label: str
    mode: str
    shape: tuple[int, ...]
    compiler: str
    precision: str
    device: str
    network: Spec | None = None
    experiment: str = ""
    real_data: bool = False

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        raw = json.loads(text)
        network = None if raw["network"] is None else Spec(**raw["network"])
        return cls(**{**raw, "shape": tuple(raw["shape"]), "network": network})


def parse_network(text: str) -> tuple[str, Spec]:
    """Label and spec of `NAME`, `module:NAME`, either with `:KEY=VALUE,...`, or a row of the published table.

    A value is JSON, or a plain word.
    """
    if text in PUBLISHED:
        return text, PUBLISHED[text]
    name, _, arguments = text.partition(":")
    first, _, rest = arguments.partition(":")
    if name not in CATALOG and first.isidentifier():
        name, arguments = f"{name}:{first}", rest
    find(name, CATALOG, "--networks")
    config = {}
    for item in _split(arguments):
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise InputError(f"--networks {text}: expected NAME:KEY=VALUE,KEY=VALUE, found {item!r} after the colon")
        try:
            config[key] = json.loads(value)
        except json.JSONDecodeError:
            config[key] = value
    return text, Spec(name, config)


def _split(arguments: str) -> list[str]:
    """Splits at commas outside brackets."""
    parts, depth = [""], 0
    for character in arguments:
        depth += (character in "[{") - (character in "]}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]


def parse_shape(text: str) -> tuple[int, ...]:
    """`2,512,512,3` as a shape (N, H, W, C)."""
    parts = text.strip("[]() ").split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"--shape {text}: expected N,H,W,C, four positive numbers, e.g. 2,512,512,3")
    return tuple(int(part) for part in parts)


def choices(option: str, text: str, known: Sequence[str]) -> list[str]:
    """Splits a comma-separated list and checks each name."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise InputError(f"{option}: unknown name {name!r}{suggest(name, known)}")
    if not names:
        raise InputError(f"{option}: empty; expected one or more of {', '.join(known)}")
    return names


def is_experiment(text: str) -> bool:
    """Whether `text` names an experiment file, not a network."""
    return text.endswith(".json")


def experiment_networks(path: str, overrides: Sequence[str]) -> list[tuple[str, Spec]]:
    """The networks of an experiment with its scale and patch size, for the modes without a step."""
    experiment = load_experiment(path, list(overrides))
    found = []
    for role, catalog in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        spec = getattr(experiment, role)
        if spec is None:
            continue
        constructor = find(spec.class_name, catalog, f"{role}.class_name")
        takes_scale = role == "generator" and "scale" in arguments_of(constructor)
        own = {"scale": experiment.scale} if takes_scale else {}
        found.append((f"{experiment.name} {role}", Spec(spec.class_name, {**own, **spec.config})))
    return found


def step_experiment(
    text: str,
    shape: tuple[int, ...] | None,
    precision: str | None,
    stage: str | None = None,
    overrides: Sequence[str] = (),
    data: str | None = None,
) -> tuple[str, Experiment]:
    """Label and one-stage experiment whose train step is to be measured.

    Args:
        text: an experiment file or the name of a network: a generator is trained on the mean absolute error, a
            discriminator against SRResNet x4.
        shape: (N, H, W, 3) of the HR patches; None: that of the experiment, or 16 of 96 x 96.
        precision: None: that of the experiment, or float32.
        stage: name of the stage; default: the last one.
        overrides: `KEY=JSON` for experiment files.
        data: an experiment file whose `data` feeds the step.
    """
    source = None if data is None else load_experiment(data, list(overrides) if data == text else [])
    if is_experiment(text):
        experiment = load_experiment(text, list(overrides))
        chosen = _stage(experiment, stage, text)
        label, sizes = f"{experiment.name} {chosen.name}", _sizes(experiment, chosen)
    else:
        label, spec = parse_network(text)
        experiment = _plain_experiment(spec, 4 if source is None else source.scale)
        chosen, sizes = experiment.stages[0], {}
    if source is not None and source.scale != experiment.scale:
        raise InputError(f"--data {data}: its scale is {source.scale}, but the scale of {text} is {experiment.scale}")
    if shape is not None:
        if shape[1] != shape[2] or shape[3] != 3:
            raise InputError(f"--shape {shape}: a step needs square RGB patches, e.g. {','.join(map(str, STEP_SHAPE))}")
        sizes = {"batch_size": shape[0], "patch_size": shape[1]}
    own = (source or experiment).data
    return label, dataclasses.replace(
        experiment,
        data=dataclasses.replace(
            own,
            batch_size=sizes.get("batch_size", own.batch_size),
            patch_size=sizes.get("patch_size", own.patch_size),
        ),
        stages=(dataclasses.replace(chosen, patch_size=None, batch_size=None),),
        # Settings of other stages have no effect on this one.
        discriminator=None if chosen.adversarial is None else experiment.discriminator,
        patience=None,
        precision=cast(Any, precision) or experiment.precision,
    )


def _sizes(experiment: Experiment, stage) -> dict[str, int]:
    return {
        "batch_size": stage.batch_size or experiment.data.batch_size,
        "patch_size": stage.patch_size or experiment.data.patch_size,
    }


def _stage(experiment: Experiment, name: str | None, path: str):
    if name is None:
        return experiment.stages[-1]
    for stage in experiment.stages:
        if stage.name == name:
            return stage
    raise InputError(f"--stage: {path} has no stage {name!r}{suggest(name, [s.name for s in experiment.stages])}")


def _plain_experiment(spec: Spec, scale: int) -> Experiment:
    adam = {"class_name": "Adam", "config": {"learning_rate": 1e-4}}
    stage = {"name": "step", "steps": 1000, "content": [{"class_name": "MeanAbsoluteError"}]}
    raw = {
        "name": "step",
        "scale": spec.config.get("scale", scale),
        "data": {
            "train": [{"class_name": "SamplePhotographs"}],
            "batch_size": STEP_SHAPE[0],
            "patch_size": STEP_SHAPE[1],
        },
        "generator": {"class_name": spec.class_name, "config": spec.config},
        "stages": [{**stage, "generator_optimizer": adam}],
    }
    if spec.class_name in DISCRIMINATORS:
        raw["generator"] = {"class_name": "SRResNet"}
        raw["scale"] = scale
        raw["discriminator"] = {"class_name": spec.class_name, "config": spec.config}
        adversarial = {"class_name": "BinaryCrossentropy", "weight": 1e-3}
        raw["stages"][0] |= {"adversarial": adversarial, "discriminator_optimizer": adam}
    return parse_experiment(raw)


def step_job(
    text: str, shape, compiler: str, precision: str | None, device: str, stage, overrides, data: str | None
) -> Task:
    """The job of one train step, with explicit shape and precision even if the experiment sets them."""
    label, experiment = step_experiment(text, shape, precision, stage, overrides, data)
    experiment = dataclasses.replace(experiment, jit_compile=compiler == "xla")
    side = experiment.data.patch_size
    return Task(
        label=label,
        mode="step",
        shape=(experiment.data.batch_size, side, side, 3),
        compiler=compiler,
        precision=experiment.precision,
        device=device,
        network=None if is_experiment(text) else parse_network(text)[1],
        experiment=to_json(experiment),
        real_data=data is not None,
    )


def exists(path: str) -> str:
    """Returns the path if the file exists."""
    if not Path(path).is_file():
        raise InputError(f"no such file: {path}; pass an experiment, e.g. experiments/srgan_x4.json")
    return path
