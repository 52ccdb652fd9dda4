"""Checks the settings of an experiment before anything is built; a setting without effect is an error.

A setting that equals its default counts as not given.
"""

import dataclasses

import numpy as np

from sr_gan_tf.config import VALIDATION_METRICS, Balance, Data, Experiment, Spec, Stage, Term, chosen_by, patch_size
from sr_gan_tf.errors import InputError
from sr_gan_tf.training.schedules import build_schedule


def check_settings(experiment: Experiment) -> None:
    """Raises InputError for settings that contradict each other or have no effect."""
    for index, stage in enumerate(experiment.stages):
        _check_patches(experiment, stage)
        _check_balance(stage, f"stages.{index}")
        _check_weights(stage, f"stages.{index}")
        _check_memory(experiment, stage, f"stages.{index}")
        if stage.partial and not (stage.initial_weights or stage.discriminator_initial_weights):
            raise InputError(f"stages.{index}.partial: has no effect without initial_weights; remove it")
    if np.float32(experiment.ema_decay) == 1:
        raise InputError(
            f"ema_decay: {experiment.ema_decay} is 1 in float32, so the average would never change; expected at most "
            "0.9999999"
        )
    _check_order(experiment)
    _check_discriminator(experiment)
    _check_validation(experiment)
    _check_data(experiment)
    _check_generator(experiment)
    if experiment.histograms and "tensorboard" not in experiment.trackers:
        raise InputError('histograms: has no effect without "tensorboard" in trackers; remove it, or add that')
    for key in ("validation_metrics", "trackers", "imports"):
        for name in getattr(experiment, key):
            if getattr(experiment, key).count(name) > 1:
                raise InputError(f"{key}: {name!r} occurs twice; remove one")


def _check_patches(experiment: Experiment, stage: Stage) -> None:
    size, scale = patch_size(experiment, stage), experiment.scale
    if size % scale:
        near = (size // scale * scale or scale, (size // scale + 1) * scale)
        raise InputError(
            f"data.patch_size: {size} is not a multiple of the scale {scale}; the nearest are {near[0]} and {near[1]}"
        )


def _check_balance(stage: Stage, where: str) -> None:
    """Checks that a stage is either adversarial and complete, or supervised and without discriminator settings."""
    if stage.adversarial is not None:
        if stage.discriminator_optimizer is None:
            raise InputError(f"{where}.discriminator_optimizer: missing, but the stage is adversarial; add one")
        return
    for key in ("features", "penalties", "discriminator_optimizer", "discriminator_initial_weights"):
        if getattr(stage, key):
            raise InputError(f"{where}.{key}: has no effect without `adversarial`; remove it, or add `adversarial`")
    for name, value in dataclasses.asdict(stage.balance).items():
        if value != getattr(Balance(), name):
            raise InputError(
                f"{where}.balance.{name}: has no effect without `adversarial`; remove it, or add `adversarial`"
            )
    if not stage.content:
        raise InputError(f"{where}.content: empty, so there is nothing to learn from; add a content loss")


def _check_memory(experiment: Experiment, stage: Stage, where: str) -> None:
    """Checks that batches are not accumulated twice, and that neither setting meets several devices."""
    for key, is_set in (("accumulate", stage.accumulate > 1), ("recompute", stage.recompute)):
        if is_set and experiment.distribution is not None:
            raise InputError(f"{where}.{key}: cannot be combined with distribution; remove one of them")
    for key in ("generator_optimizer", "discriminator_optimizer"):
        optimizer = getattr(stage, key)
        if stage.accumulate > 1 and optimizer is not None and optimizer.config.get("gradient_accumulation_steps"):
            raise InputError(
                f"{where}.{key}.config.gradient_accumulation_steps: the stage already accumulates "
                f"{stage.accumulate} batches per update; remove one of the two settings"
            )


def _check_weights(stage: Stage, where: str) -> None:
    """Checks that the generator has a loss, and that every term has an effect.

    An adversarial loss of weight 0 still trains the discriminator.
    """
    total = 0.0
    for key in ("content", "features", "penalties"):
        for number, term in enumerate(getattr(stage, key)):
            largest = _largest(term, f"{where}.{key}.{number}.weight", stage.steps)
            if largest == 0:
                raise InputError(f"{where}.{key}.{number}.weight: 0 has no effect; remove the term, or set its weight")
            total += largest if key != "penalties" else 0.0
    if stage.adversarial is not None:
        total += _largest(stage.adversarial, f"{where}.adversarial.weight", stage.steps)
    if total == 0:
        raise InputError(
            f"{where}: the generator has nothing to learn from, because the adversarial weight is 0 and there is no "
            "other term; raise adversarial.weight or add a content loss"
        )
    noise = stage.balance.instance_noise
    if (
        isinstance(noise, Spec)
        and _largest(Term("noise", weight=noise), f"{where}.balance.instance_noise", stage.steps) == 0
    ):
        raise InputError(f"{where}.balance.instance_noise: is 0 throughout the stage and has no effect; remove it")


def _largest(term: Term, where: str, steps: int) -> float:
    """The term's largest weight at up to 130 steps of the stage and at the schedule's boundaries."""
    weight = build_schedule(term.weight, where, steps or None)
    if not isinstance(term.weight, Spec):
        return float(term.weight)
    places = {round(place * (steps - 1) / 64) for place in range(65)}
    places |= {step for step in term.weight.config.get("boundaries", ()) if step < steps}
    places |= {step + 1 for step in places if step + 1 < steps}
    return max(float(weight(int(step))) for step in places)


def _check_order(experiment: Experiment) -> None:
    stages = experiment.stages
    games = [stage.adversarial is not None for stage in stages]
    for index in range(1, len(games) - 1):
        if not games[index] and any(games[:index]) and any(games[index:]):
            raise InputError(
                f"stages.{index}: supervised between adversarial stages, so a resumed run would lose the "
                "discriminator; add an adversarial loss of weight 0"
            )
    for index in range(1, len(stages)):
        if stages[index].initial_weights is not None and not stages[index].partial:
            check_earlier_stages_remain(experiment, index)
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"stages: two have the name {name!r}; rename one")


def check_earlier_stages_remain(experiment: Experiment, index: int) -> None:
    """Refuses initial weights that replace the whole generator of the stages before, unless their discriminator stays.

    Raises:
        InputError: nothing of what the earlier stages train is used by this stage or a later one.
    """
    before, after = experiment.stages[:index], experiment.stages[index:]
    game = next((stage for stage in after if stage.adversarial is not None), None)
    if (
        game is not None
        and game.discriminator_initial_weights is None
        and any(stage.adversarial is not None for stage in before)
    ):
        return
    raise InputError(
        f"stages.{index}.initial_weights: replaces everything that the stages before it train, so they have no effect; "
        "remove them, or name the weights in stages.0"
    )


def _check_discriminator(experiment: Experiment) -> None:
    adversarial = [stage for stage in experiment.stages if stage.adversarial is not None]
    if adversarial and experiment.discriminator is None:
        raise InputError(f"discriminator: missing, but the stage {adversarial[0].name!r} is adversarial; add one")
    if experiment.discriminator is not None and not adversarial:
        raise InputError(
            "discriminator: has no effect, because no stage is adversarial; remove it, or add `adversarial`"
        )


def _check_validation(experiment: Experiment) -> None:
    """Checks settings that need validation pictures, or a stage that selects its best generator."""
    if not experiment.data.validation:
        given = {key: getattr(experiment, key) is not None for key in ("patience", "sample_every", "best_metric")}
        given["data.validation_limit"] = experiment.data.validation_limit is not None
        given["validation_metrics"] = experiment.validation_metrics != VALIDATION_METRICS
        for key, is_given in given.items():
            if is_given:
                raise InputError(f"{key}: has no effect without data.validation; remove it, or add validation pictures")
    if experiment.patience is not None and not any(chosen_by(experiment, stage) for stage in experiment.stages):
        raise InputError(
            "patience: has no effect, because all stages are adversarial and keep their last generator; set "
            "best_metric to the metric that selects the generator, or remove it"
        )


def _check_data(experiment: Experiment) -> None:
    data = experiment.data
    default = Data(train=data.train)
    for key in ("patch_size", "batch_size"):
        is_given = getattr(data, key) != getattr(default, key)
        if is_given and all(getattr(stage, key) for stage in experiment.stages):
            raise InputError(f"data.{key}: has no effect, because each stage sets its own; remove it, or theirs")
    for part, sources in (("train", data.train), ("validation", data.validation)):
        for number, source in enumerate(sources):
            if source.weight != 1 and (part == "validation" or len(sources) == 1):
                reason = (
                    "all validation pictures have equal weight" if part == "validation" else "it is the only source"
                )
                raise InputError(f"data.{part}.{number}.weight: has no effect, because {reason}; remove it")
    for index, stage in enumerate(experiment.stages):
        for number, term in enumerate(stage.content):
            if term.class_name == "DegradedOnly" and data.degradation.class_name == "Bicubic":
                raise InputError(
                    f"stages.{index}.content.{number}: DegradedOnly has no effect, because data.degradation, Bicubic, "
                    'leaves every picture clean; remove it, or degrade them, e.g. {"class_name": "Realistic"}'
                )
    augmentations = [Spec(one) if isinstance(one, str) else one for one in data.augmentations]
    for number, one in enumerate(augmentations):
        if one in augmentations[:number]:
            raise InputError(f"data.augmentations.{number}: {one.class_name!r} occurs twice; remove one")


def _check_generator(experiment: Experiment) -> None:
    """Rejects arguments that another one makes ineffective; networks accept them, because files may contain them."""
    name, given = experiment.generator.class_name, experiment.generator.config
    idle: list[tuple] = []
    if name == "SRResNet" and given.get("bounded"):
        idle.append(("value_range", [-1.0, 1.0], "on a bounded output"))
    if name in ("SRResNet", "SmallResidual") and experiment.scale == 1:
        idle.append(("upsampling", None, "at scale 1"))
    if name == "UNet" and given.get("num_downs", 8) < 6:
        idle.append(("dropout", 0.0, "with fewer than 6 `num_downs`: only layers of full width have it"))
    for key, default, reason in idle:
        if given.get(key, default) != default:
            raise InputError(f"generator.config.{key}: has no effect {reason}; remove it")
