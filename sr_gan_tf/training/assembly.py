"""From an experiment to objects: the networks, and for each stage its losses, optimizers and trainer."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import keras
import numpy as np

from sr_gan_tf import distribution
from sr_gan_tf.build import build
from sr_gan_tf.config import Experiment, Spec, Term, batch_size, patch_size
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.models import load, load_network
from sr_gan_tf.networks import Discriminator, Generator, Network
from sr_gan_tf.runs.checkpoints import read_newest
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.training.gan import GAN, Stabilisers
from sr_gan_tf.training.optimizers import build_optimizer, build_schedule
from sr_gan_tf.training.supervised import Supervised
from sr_gan_tf.training.terms import WeightedLoss
from sr_gan_tf.training.validation import load_metrics


@dataclasses.dataclass
class Networks:
    """The networks of a run; they outlive its stages."""

    generator: Generator
    average: Generator
    discriminator: Discriminator | None


def build_networks(experiment: Experiment) -> Networks:
    """Both networks and the generator's average, initialised from the experiment's seed.

    Sets the global precision policy and the global seed: the same experiment gives the same weights.

    Raises:
        InputError: for anything in the experiment that doesn't fit together.
    """
    keras.config.set_dtype_policy(experiment.precision)
    keras.utils.set_random_seed(experiment.seed)
    check_sizes(experiment)
    load_metrics(experiment)
    generator = build(experiment.generator, GENERATORS, "generator", scale=experiment.scale)
    discriminator = None
    adversarial = [stage for stage in experiment.stages if stage.adversarial is not None]
    if adversarial and experiment.discriminator is None:
        raise InputError(f"discriminator: missing, but the stage {adversarial[0].name!r} is adversarial; add one")
    if adversarial:
        sizes = {patch_size(experiment, stage) for stage in adversarial}
        discriminator = build(
            cast(Spec, experiment.discriminator), DISCRIMINATORS, "discriminator", image_size=min(sizes)
        )
        check_discriminator(discriminator, sizes)
    networks = Networks(generator, generator.copy(), discriminator)
    if experiment.distribution is not None:
        for network in (networks.generator, networks.average, discriminator):
            if network is not None:
                distribution.prepare_network(network)
    return networks


def check_sizes(experiment: Experiment) -> None:
    """Patches are multiples of the scale; stage names are different; adversarial stages are complete."""
    for index, stage in enumerate(experiment.stages):
        size, scale = patch_size(experiment, stage), experiment.scale
        if size % scale:
            near = (size // scale * scale or scale, (size // scale + 1) * scale)
            raise InputError(
                f"data.patch_size: {size} is no multiple of the scale {scale}; the nearest are {near[0]} and {near[1]}"
            )
        if stage.adversarial is None:
            for key in ("features", "penalties", "discriminator_optimizer", "discriminator_initial_weights"):
                if getattr(stage, key):
                    raise InputError(f"stages.{index}.{key}: of no use without `adversarial`; add that or leave it out")
            if not stage.content:
                raise InputError(f"stages.{index}.content: empty, nothing to learn from; add a content loss")
        elif stage.discriminator_optimizer is None:
            raise InputError(f"stages.{index}.discriminator_optimizer: missing, the stage is adversarial; add one")
    games = [stage.adversarial is not None for stage in experiment.stages]
    for index in range(1, len(games) - 1):
        if not games[index] and any(games[:index]) and any(games[index:]):
            raise InputError(
                f"stages.{index}: supervised between adversarial stages, so that a resumed run would lose the "
                "discriminator; give it an adversarial loss of weight 0"
            )
    names = [stage.name for stage in experiment.stages]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"stages: two are called {name!r}; give each its own name")


def check_discriminator(discriminator: Discriminator, sizes: set[int]) -> None:
    """The training patches must fit the discriminator."""
    fixed = discriminator.input_shape[1]
    for size in sizes:
        if fixed is not None and size != fixed:
            raise InputError(
                f"discriminator: {type(discriminator).__name__} is made for patches of {fixed}, but a stage has "
                f"patches of {size}; use one patch size in all adversarial stages"
            )
        multiple = discriminator.size_multiple
        if size % multiple:
            below, above = size // multiple * multiple, (size // multiple + 1) * multiple
            near = f"{below} and {above}" if below else f"{above}"
            raise InputError(
                f"data.patch_size: {type(discriminator).__name__} needs a multiple of {multiple}, found {size}; "
                f"the nearest: {near}"
            )


def build_stage(experiment: Experiment, index: int, networks: Networks) -> Supervised:
    """The compiled trainer of a stage: `GAN` where it is adversarial, else `Supervised`."""
    stage, where = experiment.stages[index], f"stages.{index}"
    content = _terms(stage.content, CONTENT_LOSSES, f"{where}.content", scale=experiment.scale)
    generator_optimizer = build_optimizer(stage.generator_optimizer, f"{where}.generator_optimizer")
    for term in content:
        smallest = getattr(term.loss, "smallest_size", 1)
        if patch_size(experiment, stage) < smallest:
            raise InputError(
                f"{where}.content: {term.name} needs patches of at least {smallest}, found "
                f"{patch_size(experiment, stage)}; raise data.patch_size"
            )
    distribute = experiment.distribution is not None
    # XLA refuses the collective operations on a CPU, and gains little between them on a GPU.
    jit_compile = False if distribute else experiment.jit_compile
    if distribute:
        distribution.prepare_optimizer(generator_optimizer)
    if stage.adversarial is None:
        trainer = Supervised(networks.generator, networks.average, experiment.ema_decay)
        trainer.compile(generator_optimizer, content, jit_compile=jit_compile)
        return trainer
    trainer = GAN(
        networks.generator,
        cast(Discriminator, networks.discriminator),
        networks.average,
        experiment.ema_decay,
        seed=experiment.seed,
    )
    discriminator_optimizer = build_optimizer(
        cast(Spec, stage.discriminator_optimizer), f"{where}.discriminator_optimizer"
    )
    if distribute:
        distribution.prepare_optimizer(discriminator_optimizer)
    side = patch_size(experiment, stage)
    balance = {field.name: getattr(stage.balance, field.name) for field in dataclasses.fields(Stabilisers)}
    noise = balance["instance_noise"]
    balance["instance_noise"] = build_schedule(noise, f"{where}.balance.instance_noise") if noise else None
    if stage.balance.discriminator_warm_up >= stage.steps:
        raise InputError(
            f"{where}.balance.discriminator_warm_up: {stage.balance.discriminator_warm_up} leaves the generator none "
            f"of the stage's {stage.steps} steps; lower it"
        )
    half = batch_size(experiment, stage) // 2
    if 0 < stage.balance.replay_buffer < half:
        raise InputError(
            f"{where}.balance.replay_buffer: {stage.balance.replay_buffer} pictures cannot give half of a batch, "
            f"{half}; raise it, or lower data.batch_size"
        )
    trainer.compile(
        generator_optimizer,
        discriminator_optimizer,
        content,
        _terms([stage.adversarial], ADVERSARIAL_LOSSES, f"{where}.adversarial")[0],
        _terms(stage.features, FEATURE_LOSSES, f"{where}.features"),
        _terms(stage.penalties, PENALTIES, f"{where}.penalties"),
        Stabilisers(**balance),
        picture_shape=(batch_size(experiment, stage), side, side, 3),
        jit_compile=jit_compile,
    )
    return trainer


def check_initial_weights(experiment: Experiment, index: int, networks: Networks) -> None:
    """Raises InputError where the weights that a stage names can't be had, or none of them fits."""
    stage = experiment.stages[index]
    for source, target in (
        (stage.initial_weights, networks.generator),
        (stage.discriminator_initial_weights, networks.discriminator),
    ):
        if source is not None:
            matching(_source(source), cast(Network, target), source)


def load_initial_weights(experiment: Experiment, index: int, networks: Networks, say=print) -> None:
    """Takes over the weights that the stage names, generator's and discriminator's."""
    stage = experiment.stages[index]
    if stage.initial_weights is not None:
        report = transfer(_source(stage.initial_weights), networks.generator, stage.initial_weights)
        networks.average.set_weights(networks.generator.get_weights())
        say(f"generator: {report}")
    if stage.discriminator_initial_weights is not None:
        source = stage.discriminator_initial_weights
        say(f"discriminator: {transfer(_source(source), cast(Network, networks.discriminator), source)}")


def transfer(source: Network, target: Network, where: str) -> str:
    """Copies every weight whose name and shape fit; says what was left as it was.

    Raises:
        InputError: nothing fits.
    """
    pairs = matching(source, target, where)
    for variable, other in pairs:
        variable.assign(np.asarray(other))
    taken = {_name(variable) for variable, _ in pairs}
    left = [name for name in map(_name, target.variables) if name not in taken]
    total = len(target.variables)
    return f"{len(pairs)} of {total} weights from {where}" + (f"; not there: {', '.join(left)}" if left else "")


def matching(source: Network, target: Network, where: str) -> list[tuple]:
    """Pairs (target's variable, source's) of the same name and shape.

    Raises:
        InputError: there is none.
    """
    if hasattr(source, "wraps") and hasattr(target, "wraps"):
        # Layers that the user did not name have other numbers in every process; their order is the same.
        shapes = [[tuple(variable.shape) for variable in network.variables] for network in (source, target)]
        if shapes[0] == shapes[1]:
            return list(zip(target.variables, source.variables, strict=True))
    given = {_name(variable): variable for variable in source.variables}
    pairs = [(variable, given.get(_name(variable))) for variable in target.variables]
    pairs = [(one, other) for one, other in pairs if other is not None and tuple(other.shape) == tuple(one.shape)]
    if not pairs:
        raise InputError(
            f"{where}: none of its weights fits {type(target).__name__}; expected a file of the same network"
        )
    return pairs


def _source(name: str) -> Network:
    """A shipped name, run folder or file; a discriminator comes as a `.keras` file."""
    if Path(name).suffix == ".keras":
        return load_network(name)
    return averaged(name) if Path(name).is_dir() else load(name)


def averaged(run: str | Path) -> Generator:
    """The averaged generator of a run's newest checkpoint as it is trained, not merged, so that training can go on.

    Raises:
        InputError: the folder holds no checkpoint.
    """
    folder = RunFolder(run)
    newest = read_newest(folder.checkpoints)
    if newest is None:
        raise InputError(f"{run} holds no checkpoint; give the folder of a run that has saved one, or a .keras file")
    experiment = folder.experiment()
    generator = build(experiment.generator, GENERATORS, "generator", scale=experiment.scale)
    for index, variable in enumerate(generator.variables):
        variable.assign(newest[1][f"average/{index:05d}"])
    return generator


def _name(variable) -> str:
    """The variable's path inside its network: the layers of a functional graph know nothing of the network's name."""
    return variable.path


def _terms(terms: Sequence[Term], catalogue: dict, where: str, **given) -> list[WeightedLoss]:
    """Built losses with their weights; a class that stands there twice gets a number."""
    built = []
    for index, term in enumerate(terms):
        place = f"{where}.{index}"
        bare = term.class_name.rpartition(":")[2]
        same = sum(earlier.class_name.rpartition(":")[2] == bare for earlier in terms[:index])
        name = bare if not same else f"{bare}_{same + 1}"
        built.append(
            WeightedLoss(name, build(term, catalogue, place, **given), build_schedule(term.weight, f"{place}.weight"))
        )
    return built
