"""Text of `fit --dry-run`: parameters, receptive fields, memory and data, before anything runs."""

import math

import psutil

from sr_gan_tf.config import Experiment, patch_size
from sr_gan_tf.data.augmentation import build_augmentations, check_cutblur
from sr_gan_tf.data.catalog import build_degradation, build_sources, check_degradation
from sr_gan_tf.data.estimating import estimate
from sr_gan_tf.data.sources import Source
from sr_gan_tf.errors import Unavailable
from sr_gan_tf.inference.receptive_field import receptive_field
from sr_gan_tf.networks import Network
from sr_gan_tf.training.advice import warnings_of_run, warnings_of_stage
from sr_gan_tf.training.assembly import Networks, build_networks, build_stage
from sr_gan_tf.training.graph_memory import peak_bytes, step_function
from sr_gan_tf.training.initial_weights import check_initial_weights
from sr_gan_tf.training.session import update_size

# Memory of allocator and kernels beyond the tensors, measured on a CPU (tests/training/test_dry_run.py).
WORKSPACE = 1.5


def describe_run(experiment: Experiment) -> str:
    """The text of a dry run. Builds and traces every stage; trains and writes nothing."""
    networks = build_networks(experiment)
    lines = [_network_line("generator", networks.generator)]
    if networks.discriminator is not None:
        lines.append(_network_line("discriminator", networks.discriminator))
    for index, stage in enumerate(experiment.stages):
        side = patch_size(experiment, stage)
        text = (
            f"stage {stage.name}: {stage.steps:,} steps of {update_size(experiment, stage)} patches of {side} x {side}"
        )
        try:
            text += f"; resident memory about {estimate_memory(experiment, index, networks) / 1e9:.2f} GB"
        except Unavailable as error:
            text += f"; cannot run on this machine yet: {error}"
        lines.append(text)
        try:
            copied = check_initial_weights(experiment, index, networks.generator, networks.discriminator)
            lines += [f"  initial weights of the {line}" for line in copied]
        except Unavailable as error:
            lines.append(f"  initial weights: not available yet: {error}")
        lines += [f"  {warning}" for warning in warnings_of_stage(experiment, index, networks.discriminator)]
    return "\n".join(lines + _data_lines(experiment) + warnings_of_run(experiment))


def estimate_memory(experiment: Experiment, index: int, networks: Networks) -> float:
    """Peak resident memory of a training process in this stage, in bytes (on CPU).

    The sum of the process size, with networks and optimizers, and of the peak of live tensors in the graph of the step.
    """
    stage = experiment.stages[index]
    side, batch = patch_size(experiment, stage), update_size(experiment, stage)
    small = side // experiment.scale
    trainer = build_stage(experiment, index, networks)
    function = step_function(trainer, [(batch, small, small, 3), (batch, side, side, 3)])
    return psutil.Process().memory_info().rss + WORKSPACE * peak_bytes(function)


def _network_line(role: str, network: Network) -> str:
    trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    other = sum(math.prod(weight.shape) for weight in network.non_trainable_weights)
    field = receptive_field(network)
    sees = f"{field.size} x {field.size} pixels" if field.finite else f"the whole picture ({field.why})"
    text = f"{role}: {network.title}, {trainable:,} trainable parameters, {other:,} others; sees {sees}"
    merged = network.for_inference() if role == "generator" else network
    if merged is not network:
        text += f"; merged for inference: {sum(math.prod(weight.shape) for weight in merged.weights):,}"
    return text


def _data_lines(experiment: Experiment) -> list[str]:
    """Pictures and tiles of each source, or why it is not available."""
    lines = []
    degradation = build_degradation(experiment.data, experiment.scale)
    augmentations = build_augmentations(experiment.data, experiment.scale)
    trained: list[Source] = []
    for role, specs in (("train", experiment.data.train), ("validation", experiment.data.validation)):
        for number, spec in enumerate(specs):
            where = f"data.{role}.{number}"
            try:
                source = build_sources([spec], f"data.{role}", experiment.scale, number)[0]
                check_degradation(
                    experiment.data.degradation, spec, source, "train" if role == "train" else "validation"
                )
                if not source.is_here:
                    lines.append(f"{where} ({spec.class_name}): not downloaded yet; downloaded when training starts")
                    continue
                text = f"{len(source):,} pictures"
                if role == "train":
                    trained.append(source)
                    needed = estimate(source, degradation)
                    text += f", {needed.megapixels:.1f} megapixels, tiles on disk {needed.gigabytes:.2f} GB"
            except Unavailable as error:
                text = f"not available: {error}"
            lines.append(f"{where} ({spec.class_name}): {text}")
    if len(trained) == len(experiment.data.train):
        check_cutblur(augmentations, degradation, trained)
    return lines
