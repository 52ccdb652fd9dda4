"""Replaces the pictures or the trunk of an experiment, and lists what it needs but is not available."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from sr_gan_tf.build import build
from sr_gan_tf.config import Experiment, SourceSpec, Stage
from sr_gan_tf.data.catalog import build_sources
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.discriminators.trunk_features import discriminator_on_trunk
from sr_gan_tf.errors import InputError, Unavailable, one_line
from sr_gan_tf.losses import CONTENT_LOSSES
from sr_gan_tf.losses.vgg import on_vgg16
from sr_gan_tf.shipped import shipped_models

# Content losses with a trunk whose weights can be selected.
_TRUNK_LOSSES = ("VGGFeatures", "GramStyle")
# The discriminator with such a trunk.
_TRUNK_DISCRIMINATOR = "FeatureDiscriminator"
# Content losses that contain another one, by the name of that argument.
_CONTAINERS = {"DegradedOnly": "loss", "Teacher": "distance"}


def with_folders(experiment: Experiment, train: Sequence[str] = (), validation: Sequence[str] = ()) -> Experiment:
    """The experiment with folders of pictures instead of its sources; an empty list leaves them unchanged."""
    data = experiment.data
    if train:
        data = dataclasses.replace(data, train=_folders(train))
    if validation:
        data = dataclasses.replace(data, validation=_folders(validation))
    return dataclasses.replace(experiment, data=data)


def _folders(paths: Sequence[str]) -> tuple[SourceSpec, ...]:
    return tuple(SourceSpec("Folder", {"path": path}) for path in paths)


def with_trunk(experiment: Experiment, weights: str) -> Experiment:
    """The experiment with the same trunk for all perceptual losses and a `FeatureDiscriminator`.

    Args:
        experiment: the recipe.
        weights: `"imagenet"` (keeps the network of each loss), or `"lpips"` or `"hed"`, which are VGG16: layers of a
            VGG19 are replaced with those of VGG16.

    Raises:
        InputError: neither a loss nor the discriminator has a trunk.
    """
    stages: list[Stage] = []
    changed = 0
    for stage in experiment.stages:
        content = tuple(
            dataclasses.replace(term, config=_on_trunk(term.class_name, term.config, weights)) for term in stage.content
        )
        changed += sum(_has_trunk(term.class_name, term.config) for term in content)
        stages.append(dataclasses.replace(stage, content=content))
    discriminator = experiment.discriminator
    if discriminator is not None and discriminator.class_name == _TRUNK_DISCRIMINATOR:
        config = discriminator_on_trunk(discriminator.config, weights)
        discriminator = dataclasses.replace(discriminator, config=config)
        changed += 1
    if not changed:
        raise InputError(
            f"--trunk {weights}: has no effect without a perceptual loss ({' or '.join(_TRUNK_LOSSES)}) or a "
            f"{_TRUNK_DISCRIMINATOR}; remove it"
        )
    return dataclasses.replace(experiment, stages=tuple(stages), discriminator=discriminator)


def _has_trunk(name: str, config: dict) -> bool:
    """Whether a content loss, or the one that it contains, has a trunk."""
    inner = config.get(_CONTAINERS.get(name, ""))
    if isinstance(inner, dict):
        return _has_trunk(inner.get("class_name", ""), inner.get("config", {}))
    return name in _TRUNK_LOSSES


def _on_trunk(name: str, config: dict, weights: str) -> dict:
    """The arguments of a content loss with other weights of its trunk."""
    if not _has_trunk(name, config):
        return config
    if name in _CONTAINERS:
        key = _CONTAINERS[name]
        inner = config[key]
        return {**config, key: {**inner, "config": _on_trunk(inner["class_name"], inner.get("config", {}), weights)}}
    config = dict(config) | {"weights": weights}
    if weights != "imagenet":
        if "layers" in config:
            config["layers"] = on_vgg16(config["layers"])
        config["network"] = "vgg16"
    return config


@dataclasses.dataclass(frozen=True)
class Missing:
    """Something that the experiment needs but this machine lacks.

    Args:
        what: its location in the experiment, and the problem.
        option: command line arguments that fix it.
    """

    what: str
    option: str


def missing(experiment: Experiment) -> list[Missing]:
    """Everything that the experiment needs but this machine lacks; downloads nothing."""
    return list(dict.fromkeys(_missing(experiment)))


def _missing(experiment: Experiment) -> Iterator[Missing]:
    for part in ("train", "validation"):
        option = "--train-data FOLDER" if part == "train" else "--validation-data FOLDER"
        for number, spec in enumerate(getattr(experiment.data, part)):
            where = f"data.{part}.{number}"
            try:
                source = build_sources([spec], f"data.{part}", experiment.scale, number)[0]
                if not source.is_here:
                    yield Missing(f"{where}: {source} is not downloaded", option)
            except Unavailable as error:
                yield Missing(one_line(error).partition(";")[0], option)
    discriminator = experiment.discriminator
    if discriminator is not None and discriminator.class_name == _TRUNK_DISCRIMINATOR:
        try:
            build(discriminator, DISCRIMINATORS, "discriminator")
        except Unavailable as error:
            yield Missing(one_line(error).partition(";")[0].partition(", or")[0], "--trunk lpips")
        except InputError:
            pass  # an error that shows when the networks are built
    for index, stage in enumerate(experiment.stages):
        for number, term in enumerate(stage.content):
            where = f"stages.{index}.content.{number}"
            try:
                build(term, CONTENT_LOSSES, where, scale=experiment.scale)
            except Unavailable as error:
                if _has_trunk(term.class_name, term.config):
                    yield Missing(one_line(error).partition(";")[0].partition(", or")[0], "--trunk lpips")
                else:
                    yield Missing(one_line(error), "")
            except InputError:
                continue  # an error that shows when the networks are built
        for key in ("initial_weights", "discriminator_initial_weights"):
            name = getattr(stage, key)
            if name is not None and name not in shipped_models() and not Path(name).exists():
                yield Missing(f"stages.{index}.{key}: no {name}", f"--set 'stages.{index}.{key}=\"FILE\"'")


def named_together(error: Unavailable, experiment: Experiment, command: Sequence[str]) -> Unavailable:
    """One message for everything that is missing, instead of one for the first item.

    Args:
        error: the error of the first missing item.
        experiment: the recipe.
        command: the arguments that the user typed, e.g. `["fit", "experiments/srgan_x4.json"]`.
    """
    found = missing(experiment)
    if len(found) < 2:
        return error
    options = " ".join(dict.fromkeys(item.option for item in found if item.option))
    texts = "; ".join(f"({number}) {item.what}" for number, item in enumerate(found, 1))
    return Unavailable(
        f"{len(found)} things are missing on this machine: {texts}; to use your own files, replace FOLDER in "
        f"python -m sr_gan_tf {shlex.join(command)} {options}"
    )
