"""Initial weights: copies weights from a shipped model, a run or a file into the networks of a stage.

Weights are copied by name and shape, which alone is not sufficient: a merged network has different weights than the one
it was merged from, and two networks with equal weights compute different functions if, say, their input gains differ. A
transfer is therefore planned first, and rejected if weights would match only by chance.
"""

import dataclasses
import inspect
from pathlib import Path
from typing import cast

import numpy as np

from sr_gan_tf.build import build
from sr_gan_tf.config import Experiment, Spec, patch_size
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.models import load, load_network
from sr_gan_tf.networks import Discriminator, Generator, Network, computing
from sr_gan_tf.runs.checkpoints import read_newest
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.shipped import shipped_models
from sr_gan_tf.training.checks import check_earlier_stages_remain

# The share of the weights that could fit which must fit.
SUFFICIENT = 0.9
# Constructor arguments that do not affect the function. SPAN's `initial_gate` does unless it is merged: it centers the
# features.
_FREE = ("name", "scale", "image_size", "merged", "published_graph", "initial_gain", "initial_output_gain")
_FREE_IF_MERGED = ("initial_gate",)


@dataclasses.dataclass(frozen=True)
class Transfer:
    """Weights to be copied.

    Attributes:
        pairs: (target's variable, source's) of the same name and shape.
        report: what is copied and what is not, in one line.
    """

    pairs: list[tuple]
    report: str

    def apply(self) -> None:
        """Copies the weights."""
        for variable, other in self.pairs:
            variable.assign(np.asarray(other))


def transfer(source: Network, target: Network, where: str, partial: bool = False) -> str:
    """Copies what `plan_transfer` plans; returns its report."""
    plan = plan_transfer(source, target, where, partial)
    plan.apply()
    return plan.report


def plan_transfer(source: Network, target: Network, where: str, partial: bool = False) -> Transfer:
    """Plans which weights one network can copy from another.

    All arguments that define the function must be equal. If all weights of the target are available, both networks must
    compute the same function.

    Args:
        source: the network to copy from; one in its training form can also initialize a merged network.
        target: the network to initialize.
        where: the source's name, for messages.
        partial: whether to copy whatever has the same name and shape, if anything does.

    Raises:
        InputError: nothing fits; or, unless `partial`, less than `SUFFICIENT` of the weights that could fit do, or the
            networks compute different functions.
    """
    if isinstance(source, Generator) and getattr(target, "merged", False) and not getattr(source, "merged", True):
        source = source.for_inference()
    pairs = matching(source, target, where)
    taken = {variable.path for variable, _ in pairs}
    missing = [variable.path for variable in target.variables if variable.path not in taken]
    report = f"{len(pairs)} of {len(target.variables)} weights from {where}"
    report += f"; missing: {_listed(missing)}" if missing else ""
    differences = _differences(source, target)
    if partial:
        return Transfer(pairs, report + (f"; other arguments: {_text(differences)}" if differences else ""))
    way_out = 'set "partial": true in the stage to copy the weights that fit'
    if getattr(source, "merged", False) and not getattr(target, "merged", True):
        raise InputError(
            f"{where} is merged for inference: only {len(pairs)} of {len(target.variables)} weights fit a "
            f"{type(target).__name__} to be trained; name the same network in its training form (a run folder, the "
            "file that python -m sr_gan_tf.convert RUN writes, or a file of milestones/), or set "
            "generator.config.merged=true"
        )
    possible = _possible(source, target)
    fitting = sum(variable.path in possible for variable, _ in pairs)
    if fitting < SUFFICIENT * len(possible):
        raise InputError(
            f"{where}: only {fitting} of the {len(possible)} weights that could fit this {type(target).__name__} do "
            f"({fitting / len(possible):.0%}, expected {SUFFICIENT:.0%}){_because(differences)}; name a file of the "
            f"same network, or {way_out}"
        )
    if differences or (not missing and not _equal(source, target, pairs)):
        found = f": {_text(differences)}" if differences else ""
        raise InputError(
            f"{where} computes a different function than this {type(target).__name__} with the same weights{found}; "
            f"set equal arguments for both, or {way_out}"
        )
    return Transfer(pairs, report)


def matching(source: Network, target: Network, where: str) -> list[tuple]:
    """Pairs (target's variable, source's) of the same name and shape.

    Raises:
        InputError: there are none.
    """
    if hasattr(source, "wraps") and hasattr(target, "wraps"):
        # Unnamed layers have different numbers in every process, but the same order.
        shapes = [[tuple(variable.shape) for variable in network.variables] for network in (source, target)]
        if shapes[0] == shapes[1]:
            return list(zip(target.variables, source.variables, strict=True))
    given = {variable.path: variable for variable in source.variables}
    pairs = [(variable, given.get(variable.path)) for variable in target.variables]
    pairs = [(one, other) for one, other in pairs if other is not None and tuple(other.shape) == tuple(one.shape)]
    if not pairs:
        raise InputError(
            f"{where}: none of its weights fit {type(target).__name__}; expected a file of the same network"
        )
    return pairs


def check_initial_weights(experiment: Experiment, index: int, generator: Generator, discriminator) -> list[str]:
    """Describes what the stage will copy, one line per network; copies nothing.

    Raises:
        InputError: the weights are not available or do not fit.
    """
    return [f"{role}: {plan.report}" for role, plan in _plans(experiment, index, generator, discriminator)]


def load_initial_weights(experiment: Experiment, index: int, networks, say=print) -> None:
    """Copies the initial weights of the stage: of the generator (with its average) and the discriminator.

    Raises:
        InputError: as `check_initial_weights`.
    """
    for role, plan in _plans(experiment, index, networks.generator, networks.discriminator):
        plan.apply()
        if role == "generator":
            networks.average.set_weights(networks.generator.get_weights())
        say(f"{role}: {plan.report}")


def _plans(
    experiment: Experiment, index: int, generator: Generator, discriminator: Discriminator | None
) -> list[tuple[str, Transfer]]:
    stage = experiment.stages[index]
    plans: list[tuple[str, Transfer]] = []
    targets: tuple[tuple[str, str | None, Network | None], ...] = (
        ("generator", stage.initial_weights, generator),
        ("discriminator", stage.discriminator_initial_weights, discriminator),
    )
    for role, name, target in targets:
        if name is not None and target is not None:
            plan = plan_transfer(_source(name, role), target, name, stage.partial)
            if index > 0 and role == "generator" and len(plan.pairs) == len(target.variables):
                check_earlier_stages_remain(experiment, index)  # partial weights may turn out to be whole
            plans.append((role, plan))
    return plans


def _source(name: str, role: str) -> Network:
    """A generator by shipped name, run folder or file; a discriminator by run folder or file.

    Raises:
        Unavailable: there is no such file or folder yet.
        InputError: it contains something else.
    """
    if not Path(name).exists() and name not in shipped_models():
        raise Unavailable(f"no model {name!r}; expected a run folder or a .keras file{_shipped(role)}")
    if Path(name).suffix == ".keras":
        network = load_network(name)
        # A trainer's file (`GAN.save`, `ModelCheckpoint`) holds both.
        part = "average" if role == "generator" else "discriminator"
        return getattr(network, part, network) if hasattr(network, "average") else network
    if Path(name).is_dir():
        return averaged(name) if role == "generator" else discriminator_of(name)
    return load(name, allow_saved_model=False)


def _shipped(role: str) -> str:
    return f", or one of {', '.join(shipped_models())}" if role == "generator" else ""


def averaged(run: str | Path) -> Generator:
    """The averaged generator of a run's newest checkpoint in its training form, not merged.

    Raises:
        InputError: the folder contains no checkpoint.
    """
    experiment, tensors = _newest(run)
    generator = build(experiment.generator, GENERATORS, "generator", scale=experiment.scale)
    return _filled(generator, tensors, "average")


def discriminator_of(run: str | Path) -> Discriminator:
    """The discriminator of a run's newest checkpoint.

    Raises:
        InputError: the folder contains no checkpoint, or that of a supervised stage.
    """
    experiment, tensors = _newest(run)
    if "discriminator/00000" not in tensors:
        raise InputError(
            f"{run}: its newest checkpoint is that of a supervised stage and contains no discriminator; pass the "
            "folder of a run whose last stage is adversarial, or a .keras file"
        )
    return _filled(build_discriminator(experiment), tensors, "discriminator")


def build_discriminator(experiment: Experiment) -> Discriminator:
    """The experiment's discriminator, untrained, for the smallest patches of its adversarial stages."""
    sizes = [patch_size(experiment, stage) for stage in experiment.stages if stage.adversarial is not None]
    return build(cast(Spec, experiment.discriminator), DISCRIMINATORS, "discriminator", image_size=min(sizes))


def _newest(run: str | Path) -> tuple[Experiment, dict[str, np.ndarray]]:
    folder = RunFolder(run)
    newest = read_newest(folder.checkpoints)
    if newest is None:
        raise Unavailable(
            f"{run} contains no checkpoint; pass the folder of a run that has saved one, or a .keras file"
        )
    return folder.experiment(), newest[1]


def _filled(network: Network, tensors: dict[str, np.ndarray], part: str) -> Network:
    for index, variable in enumerate(network.variables):
        variable.assign(tensors[f"{part}/{index:05d}"])
    return network


def _possible(source: Network, target: Network) -> set[str]:
    """Paths of the target's weights that do not depend on its scale, or all if the scales are equal."""
    scale = getattr(source, "scale", None)
    if type(source) is not type(target) or scale in (None, getattr(target, "scale", None)):
        return {variable.path for variable in target.variables}
    twin = type(target).from_config(target.get_config() | {"scale": scale})
    shapes = {variable.path: tuple(variable.shape) for variable in twin.variables}
    return {variable.path for variable in target.variables if shapes.get(variable.path) == tuple(variable.shape)}


def _differences(source: Network, target: Network) -> dict[str, tuple]:
    """Differing arguments that define the function: name to (source's, target's)."""
    if type(source) is not type(target):
        return {}
    if hasattr(target, "wraps"):
        return {}  # layers that the user did not name have other numbers: what both compute is compared
    theirs, ours = source.get_config(), target.get_config()
    free = (*_FREE, *_FREE_IF_MERGED) if getattr(target, "merged", False) else _FREE
    return {
        name: (theirs[name], ours[name])
        for name in inspect.signature(type(target).__init__).parameters
        if name in ours and name not in free and theirs[name] != ours[name]
    }


def _equal(source: Network, target: Network, pairs: list[tuple]) -> bool:
    """Whether the target with these weights gives the outputs of the source for a noise picture."""
    if (getattr(source, "scale", None), source.input_shape) != (getattr(target, "scale", None), target.input_shape):
        return True  # nothing to compare; only the share of weights and the arguments count
    with computing("float32"):
        probe = type(target).from_config(target.get_config())
    places = {id(variable): place for place, variable in enumerate(target.variables)}
    for variable, other in pairs:
        probe.variables[places[id(variable)]].assign(np.asarray(other))
    multiple = target.size_multiple
    side = target.input_shape[1] or -(-max(16, target.minimum_size) // multiple) * multiple
    noise = np.random.default_rng(0).random((2, side, side, target.input_shape[-1]), "float32")
    expected, found = (np.asarray(network(noise, training=False), np.float64) for network in (source, probe))
    return bool(np.allclose(found, expected, rtol=1e-3, atol=1e-3 * max(1e-6, np.abs(expected).max())))


def _text(differences: dict[str, tuple]) -> str:
    return ", ".join(f"{name} is {theirs!r} there and {ours!r} here" for name, (theirs, ours) in differences.items())


def _because(differences: dict[str, tuple]) -> str:
    return f": {_text(differences)}" if differences else ""


def _listed(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
