"""Builds the objects of an experiment: the networks, and the losses, optimizers and trainer of each stage."""

import dataclasses
from collections.abc import Sequence
from typing import cast

from sr_gan_tf import distribution
from sr_gan_tf.build import build
from sr_gan_tf.config import Experiment, Spec, Stage, Term, batch_size, patch_size
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.networks import Discriminator, Generator, computing
from sr_gan_tf.training.checks import check_settings
from sr_gan_tf.training.degraded_only import DegradedOnly  # noqa: F401 - registers the content term
from sr_gan_tf.training.gan import GAN, Balance
from sr_gan_tf.training.initial_weights import build_discriminator
from sr_gan_tf.training.optimizers import build_optimizer
from sr_gan_tf.training.randomness import seeded
from sr_gan_tf.training.schedules import build_schedule
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.teacher import Teacher  # noqa: F401 - registers the content term
from sr_gan_tf.training.terms import WeightedLoss
from sr_gan_tf.training.validation import load_metrics


@dataclasses.dataclass
class Networks:
    """The networks of a run, shared by its stages."""

    generator: Generator
    average: Generator
    discriminator: Discriminator | None


def build_networks(experiment: Experiment) -> Networks:
    """Both networks and the generator's average, initialized from the experiment's seed.

    The same experiment gives the same weights. The networks keep the precision policy of the experiment; the global
    policy and the global seeds do not change.

    Raises:
        InputError: parts of the experiment do not fit together.
    """
    check_settings(experiment)
    load_metrics(experiment)
    with seeded(experiment.seed), computing(experiment.precision):
        generator = build(experiment.generator, GENERATORS, "generator", scale=experiment.scale)
        discriminator = None
        sizes = {patch_size(experiment, stage) for stage in experiment.stages if stage.adversarial is not None}
        if sizes:
            discriminator = build_discriminator(experiment)
            check_discriminator(discriminator, sizes)
        networks = Networks(generator, generator.copy(), discriminator)
    if experiment.distribution is not None:
        for network in (networks.generator, networks.average, discriminator):
            if network is not None:
                distribution.prepare_network(network)
    return networks


def check_discriminator(discriminator: Discriminator, sizes: set[int]) -> None:
    """Checks that the training patches fit the discriminator."""
    fixed = discriminator.input_shape[1]
    for size in sizes:
        if fixed is not None and size != fixed:
            raise InputError(
                f"discriminator: {type(discriminator).__name__} is built for patches of {fixed}, but a stage has "
                f"patches of {size}; use one patch size in all adversarial stages"
            )
        multiple = discriminator.size_multiple
        least = -(-discriminator.minimum_size // multiple) * multiple
        if size % multiple:
            below, above = size // multiple * multiple, (size // multiple + 1) * multiple
            near = f"{below} and {above}" if below >= least else f"{max(above, least)}"
            raise InputError(
                f"data.patch_size: {type(discriminator).__name__} needs a multiple of {multiple}, found {size}; "
                f"the nearest: {near}"
            )
        if size < least:
            raise InputError(
                f"data.patch_size: {type(discriminator).__name__} needs at least {least}, found {size}; raise it"
            )


def build_stage(experiment: Experiment, index: int, networks: Networks) -> Supervised:
    """The compiled trainer of a stage: `GAN` if it is adversarial, otherwise `Supervised`."""
    stage, where = experiment.stages[index], f"stages.{index}"
    content = _terms(stage.content, CONTENT_LOSSES, f"{where}.content", scale=experiment.scale)
    generator_optimizer = build_optimizer(stage.generator_optimizer, f"{where}.generator_optimizer", stage.steps)
    for term in content:
        smallest = getattr(term.loss, "smallest_size", 1)
        if patch_size(experiment, stage) < smallest:
            raise InputError(
                f"{where}.content: {term.name} needs patches of at least {smallest}, found "
                f"{patch_size(experiment, stage)}; raise data.patch_size"
                f"{term.loss.remedy(patch_size(experiment, stage))}"
            )
    distribute = experiment.distribution is not None
    # XLA rejects collective operations on a CPU, and gains little between them on a GPU.
    jit_compile = False if distribute else experiment.jit_compile
    if distribute:
        distribution.prepare_optimizer(generator_optimizer)
    if stage.adversarial is None:
        trainer = Supervised(networks.generator, networks.average, experiment.ema_decay)
        _compile(trainer, stage, where, generator_optimizer, content, jit_compile=jit_compile)
        return trainer
    trainer = GAN(
        networks.generator,
        cast(Discriminator, networks.discriminator),
        networks.average,
        experiment.ema_decay,
        seed=experiment.seed,
    )
    discriminator_optimizer = build_optimizer(
        cast(Spec, stage.discriminator_optimizer), f"{where}.discriminator_optimizer", stage.steps
    )
    if distribute:
        distribution.prepare_optimizer(discriminator_optimizer)
    side = patch_size(experiment, stage)
    balance = {field.name: getattr(stage.balance, field.name) for field in dataclasses.fields(Balance)}
    noise = balance["instance_noise"]
    balance["instance_noise"] = build_schedule(noise, f"{where}.balance.instance_noise") if noise else None
    if stage.balance.discriminator_warm_up >= stage.steps:
        raise InputError(
            f"{where}.balance.discriminator_warm_up: {stage.balance.discriminator_warm_up} leaves the generator no "
            f"steps of the stage's {stage.steps}; lower it"
        )
    half = (batch_size(experiment, stage) + 1) // 2
    if 0 < stage.balance.replay_buffer < half:
        raise InputError(
            f"{where}.balance.replay_buffer: {stage.balance.replay_buffer} pictures cannot supply half of a batch, "
            f"{half}; raise it, or lower data.batch_size"
        )
    _compile(
        trainer,
        stage,
        where,
        generator_optimizer,
        discriminator_optimizer,
        content,
        _terms([stage.adversarial], ADVERSARIAL_LOSSES, f"{where}.adversarial")[0],
        _terms(stage.features, FEATURE_LOSSES, f"{where}.features"),
        _terms(stage.penalties, PENALTIES, f"{where}.penalties"),
        Balance(**balance),
        picture_shape=(batch_size(experiment, stage), side, side, 3),
        jit_compile=jit_compile,
    )
    return trainer


def _compile(trainer: Supervised, stage: Stage, where: str, *arguments, **named) -> None:
    """Compiles with the stage's settings for memory."""
    try:
        trainer.compile(*arguments, **named, accumulate=stage.accumulate, recompute=stage.recompute)
    except ValueError as error:
        if str(error).startswith("recompute: "):
            raise InputError(f"{where}.{error}") from error
        raise


def _terms(terms: Sequence[Term], catalog: dict, where: str, **given) -> list[WeightedLoss]:
    """Builds losses with their weights; numbers a class that occurs more than once."""
    built = []
    for index, term in enumerate(terms):
        place = f"{where}.{index}"
        bare = term.class_name.rpartition(":")[2]
        same = sum(earlier.class_name.rpartition(":")[2] == bare for earlier in terms[:index])
        name = bare if not same else f"{bare}_{same + 1}"
        built.append(
            WeightedLoss(name, build(term, catalog, place, **given), build_schedule(term.weight, f"{place}.weight"))
        )
    return built
