"""Measures shipped networks: writes their cards and verifies them."""

import dataclasses
import json
import math
import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sr_gan_tf.devices import processors
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.costs import parameters
from sr_gan_tf.evaluation.evaluator import watching
from sr_gan_tf.evaluation.figures import Evaluation, Method, evaluate
from sr_gan_tf.evaluation.methods import interpolations, model_method
from sr_gan_tf.evaluation.metric_choice import choose_metrics
from sr_gan_tf.evaluation.test_sets import find_set, parse_degradation
from sr_gan_tf.export_formats import deploying, model_card
from sr_gan_tf.export_formats.saved_model import Serving, write_saved_model
from sr_gan_tf.files import replacing, sha256
from sr_gan_tf.generators.wrapped import WrappedGenerator
from sr_gan_tf.inference.named_networks import in_precision, named_network
from sr_gan_tf.metrics.perceptual import lpips_at_hand, trunk_at_hand
from sr_gan_tf.networks import Generator
from sr_gan_tf.weights.cards import Card

METRICS = ["psnr_y", "ssim_y", "mean_color", "detail_ratio", "checkerboard_ratio"]
LEARNED_METRICS = ["lpips", "lpips_vgg"]  # measured if their weights are installed
TRUNK_METRICS = ["perceptual"]
# Different processors round convolutions differently; a card has two more digits than published figures.
_TOLERANCE = 0.005


def publish(model: str, about: Card, data: Sequence[str], beside: Sequence[str] = ()) -> Card:
    """Adds a generator and its measured card to the shipped networks.

    Args:
        model: run folder, `.keras` file, or `A:0.3,B:0.7` for the weighted mean of the weights of several models.
        about: a card without the measured parts.
        data: test sets as NAME=FOLDER.
        beside: other models as LABEL=MODEL, measured for comparison.
    """
    network = _generator(model)
    with replacing(about.weights) as temporary:
        network.save(temporary)
    return measure_again(about, data, beside)


def measure_again(about: Card, data: Sequence[str], beside: Sequence[str] = ()) -> Card:
    """Measures a shipped network and rewrites its card, e.g. after a metric was added."""
    network = _generator(str(about.weights))
    others = [(label, _generator(place)) for label, _, place in (item.partition("=") for item in beside)]
    result = _measure(about, network, data, others)
    coarse = model_method(about.name, in_precision(network, "bfloat16"), network.scale)
    rounded = _evaluate(about, [coarse], data, network.scale, ["psnr_y"])
    column = f"psnr_y_crop{network.scale}"
    losses = [
        exact.mean(about.name, column) - one.mean(about.name, column)
        for exact, one in zip(result.sets, rounded.sets, strict=True)
    ]
    card = dataclasses.replace(
        about,
        sha256=sha256(about.weights),
        scale=network.scale,
        parameters=parameters(network) or 0,
        figures=_figures(result),
        command=_command(about, data, beside, network.scale),
        bfloat16_loss_db=round(max(losses), 4) if losses else None,
        measured=measure_served(network),
    )
    card.write()
    return card


def _command(about: Card, data: Sequence[str], beside: Sequence[str], scale: int) -> str:
    """The `evaluate` command that prints the card's figures."""
    places = [item.partition("=") for item in data]
    sets = [f"--data {name}={name}/{_subfolder(Path(folder), scale)}" for name, _, folder in places]
    origin = ["--lr", about.lr]
    if about.degradation is not None:
        origin = ["--degradation", shlex.quote(json.dumps(about.degradation))]
    metrics = ",".join(METRICS + LEARNED_METRICS + TRUNK_METRICS)
    return " ".join(["python -m sr_gan_tf.evaluate", about.name, *beside, *sets, *origin, "--metrics", metrics])


def _subfolder(folder: Path, scale: int) -> str:
    """Without a folder of this scale, the HR images come from that of another one, e.g. Set5/x2."""
    return folder.name if re.fullmatch(r"x\d+", folder.name) else f"x{scale}"


def measure_served(network: Generator) -> dict[str, float]:
    """Measures `Card.measured`: the network as a SavedModel with default tiles, run in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        about = model_card.model_card(network.name, network)
        agreement = write_saved_model(network, Path(folder) / "served", about, Serving(), deploying.measure)
        return model_card.of_version(agreement.path)["measured"]


def verify(card: Card, data: Sequence[str]) -> list[str]:
    """Compares file, network and figures on the given sets with a card; returns the differences."""
    if not card.weights.is_file():
        return [f"{card.name}: {card.weights.name} is missing"]
    if sha256(card.weights) != card.sha256:
        return [f"{card.name}: the SHA-256 of {card.weights.name} differs from the card"]
    network = _generator(card.name)
    problems = []
    if (network.scale, parameters(network)) != (card.scale, card.parameters):
        problems.append(f"{card.name}: scale or parameters differ from the card")
    known = [item for item in data if item.partition("=")[0] in card.figures]
    if len(known) < len(data):
        raise InputError(f"--data: the card of {card.name} has figures only for {', '.join(card.figures) or 'no set'}")
    for name, models in _figures(_measure(card, network, known)).items():
        for metric, value in models[card.name].items():
            expected = card.figures[name][card.name].get(metric)
            if expected is not None and abs(value - expected) > _TOLERANCE:
                problems.append(f"{card.name}, {name}: {metric} is {value:.4f}, the card says {expected:.4f}")
    return problems


def _generator(place: str) -> Generator:
    _, network = named_network(place)
    if not isinstance(network, Generator):
        raise InputError(f"{place} is an exported model; pass the run folder or .keras file it was made from")
    if "," in place and isinstance(network, WrappedGenerator):
        raise InputError(f"{place}: their weights do not fit together; pass parts of one training")
    return network


def _evaluate(card: Card, methods: Sequence[Method], data: Sequence[str], scale: int, names: list[str]) -> Evaluation:
    """The metrics on the card's kind of LR images, with progress on standard error."""
    degradation = None
    if card.degradation is not None:
        degradation = parse_degradation(json.dumps(card.degradation), scale)
    sets = [find_set(item, scale, card.lr, degradation=degradation) for item in data]
    with watching(sets) as watch:
        return evaluate(methods, sets, scale, choose_metrics(names), watch=watch, jobs=processors())


def _measure(card: Card, network: Generator, data: Sequence[str], others=()) -> Evaluation:
    scale = network.scale
    methods = [model_method(label, one, scale) for label, one in [(card.name, network), *others]]
    names = METRICS + (LEARNED_METRICS if lpips_at_hand() else []) + (TRUNK_METRICS if trunk_at_hand() else [])
    return _evaluate(card, [*interpolations(scale), *methods], data, scale, names)


def _figures(result: Evaluation) -> dict[str, dict[str, dict[str, float]]]:
    """Means by set, method and metric; those that are undefined, like a grid at scale 1, are left out."""
    return {
        one.name: {
            method.name: {
                column: round(mean, 4)
                for column in result.columns
                if not math.isnan(mean := one.mean(method.name, column))
            }
            for method in result.methods
            if method.name != "nearest"
        }
        for one in result.sets
    }


__all__ = ["METRICS", "measure_again", "publish", "verify"]
