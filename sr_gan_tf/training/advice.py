"""Warnings about runs that may not behave as the user intended; the run continues."""

import contextlib
import json
import math
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from sr_gan_tf.config import Experiment, Stage
from sr_gan_tf.data.catalog import build_sources
from sr_gan_tf.devices import has_fast_bfloat16
from sr_gan_tf.errors import InputError, Unavailable
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.layers.spectral_norm import SpectralConv2D
from sr_gan_tf.losses import CONTENT_LOSSES
from sr_gan_tf.metrics import metric_named, score
from sr_gan_tf.models import shipped_models
from sr_gan_tf.networks import Discriminator
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.training.session import Session
from sr_gan_tf.training.supervised import Supervised

# The content losses that preserve the colors of a picture; others compare features, edges or averages.
_COMPARE_PIXELS = (
    "MeanAbsoluteError", "MeanSquaredError", "LogMeanSquaredError", "Charbonnier", "Huber", "MSSSIML1", "Teacher",
)  # fmt: skip
# The shipped models whose last training, or that of their teacher, was adversarial; their cards name its experiment.
_ADVERSARIAL = ("span_x4_gan", "span_x4_photo")


def warnings_of_run(experiment: Experiment) -> list[str]:
    """Warnings about all of a run that can be given before it begins; `fit --dry-run` prints them, too."""
    return slow_bfloat16(experiment) + lone_device(experiment) + equal_pairs(experiment)


def lone_device(experiment: Experiment) -> list[str]:
    """Warns about a distribution among the devices of a machine that has one."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if experiment.distribution != "mirrored" or len(devices) > 1:
        return []
    return [
        f'warning: "distribution": "mirrored" splits each batch among the GPUs of the machine, but TensorFlow finds '
        f"only {devices[0].name.removeprefix('/device:')}, which trains alone; remove it for faster steps"
    ]


def equal_pairs(experiment: Experiment) -> list[str]:
    """Warns about LR images that equal their HR images."""
    kind = experiment.data.degradation.class_name
    if experiment.scale != 1 or kind not in ("Bicubic", "Resize"):
        return []
    with contextlib.suppress(Unavailable):
        if any(source.has_lr for source in build_sources(experiment.data.train, "data.train", 1)):
            return []
    return [
        f"warning: at scale 1, {kind} leaves images as they are, so there is nothing to restore; set data.degradation "
        "to the fault that the network removes, e.g. NoiseJPEG"
    ]


def slow_bfloat16(experiment: Experiment) -> list[str]:
    """Warns if the machine only emulates the requested precision."""
    if experiment.precision != "mixed_bfloat16" or has_fast_bfloat16():
        return []
    return [
        "warning: this machine has no bfloat16 arithmetic, so mixed_bfloat16 is slower than float32; "
        "--set 'precision=\"float32\"' trains the same networks faster"
    ]


def warnings_of_stage(experiment: Experiment, index: int, discriminator: Discriminator | None) -> list[str]:
    """Warnings about a stage that can be given before it begins; `fit --dry-run` prints them, too."""
    found = cold_start(experiment.stages[index], index) + lost_texture(experiment, index)
    if discriminator is not None:
        found += unbounded_critic(experiment, index, discriminator)
        found += mixed_gradients(experiment, index, discriminator)
    return found


def cold_start(stage: Stage, index: int) -> list[str]:
    """Warns about an adversarial first stage without initial weights."""
    if stage.adversarial is None or index > 0 or stage.initial_weights is not None:
        return []
    return [
        f"warning: stage {stage.name!r} starts adversarial training from an untrained generator, which often "
        "fails; put a supervised stage before it or set initial_weights"
    ]


def note_batch_statistics(trainer: Supervised, index: int, say: Callable[[str], None]) -> None:
    """Tells which parts of a stage that accumulates gradients see one batch at a time."""
    if trainer.accumulate == 1:
        return
    seen = []
    for role in ("generator", "discriminator"):
        network = getattr(trainer, role, None)
        layers = network._flatten_layers() if network is not None else ()
        if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
            seen.append(f"the {role}'s batch normalization")
    if getattr(getattr(getattr(trainer, "adversarial", None), "loss", None), "needs_real", False):
        seen.append("the relativistic loss")
    if seen:
        say(
            f"note: stages.{index}.accumulate: {' and '.join(seen)} "
            f"{'use' if len(seen) > 1 else 'uses'} the statistics of one batch, not of all {trainer.accumulate}"
        )


def lost_texture(experiment: Experiment, index: int) -> list[str]:
    """A stage that continues an adversarially trained generator by content losses alone, and no other after it."""
    stage = experiment.stages[index]
    is_adversarial = any(
        later.adversarial is not None or _has_such_a_teacher(later) for later in experiment.stages[index:]
    )
    if stage.initial_weights is None or is_adversarial or not was_adversarial(stage.initial_weights):
        return []
    return [
        f"warning: {stage.initial_weights} was trained against a discriminator, and stage {stage.name!r} has none, "
        f"so its texture will be smoothed away; add stages.{index}.adversarial (docs/fine_tuning.md), or start "
        "from a model that was trained without one"
    ]


def _has_such_a_teacher(stage: Stage) -> bool:
    """Whether the stage learns the texture of an adversarially trained network."""
    models = [str(term.config.get("model")) for term in stage.content if term.class_name == "Teacher"]
    return any(was_adversarial(model) for model in models)


def unbounded_critic(experiment: Experiment, index: int, discriminator: Discriminator) -> list[str]:
    """Warns about the Wasserstein loss of a discriminator whose logits nothing bounds."""
    stage = experiment.stages[index]
    is_wasserstein = stage.adversarial is not None and stage.adversarial.class_name == "Wasserstein"
    if not is_wasserstein or stage.penalties or _has_bounded_slope(discriminator):
        return []
    return [
        f"warning: stage {stage.name!r} has the loss Wasserstein without a penalty, so the discriminator lowers its "
        f'loss without limit by larger logits; add {{"class_name": "GradientPenalty", "weight": 5}} to '
        f"stages.{index}.penalties, or use a discriminator whose kernels are all spectrally normalized"
    ]


def mixed_gradients(experiment: Experiment, index: int, discriminator: Discriminator) -> list[str]:
    """Warns about penalties on the gradient of each picture, where batch normalization mixes the pictures."""
    stage = experiment.stages[index]
    layers = discriminator._flatten_layers()
    if not stage.penalties or not any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        return []
    return [
        f"warning: stage {stage.name!r} has the penalty {stage.penalties[0].class_name} on the gradient of each "
        "picture, but the discriminator's batch normalization mixes the pictures of a batch; use a discriminator "
        "without it"
    ]


def _has_bounded_slope(discriminator: Discriminator) -> bool:
    """Whether every kernel is spectrally normalized or constrained."""
    bounded: set[str] = set()
    for layer in discriminator._flatten_layers():
        if isinstance(layer, (SpectralConv2D, keras.layers.SpectralNormalization)):
            bounded |= {variable.path for variable in layer.trainable_variables}
    return all(
        len(variable.shape) < 2 or variable.path in bounded or variable.constraint is not None
        for variable in discriminator.trainable_variables
    )


def was_adversarial(model: str) -> bool:
    """Whether a shipped model, a run folder or a file of one, or a trainer's file is known to come from a GAN."""
    if model in shipped_models():
        return model in _ADVERSARIAL
    path = Path(model)
    run = RunFolder(path if path.is_dir() else path.parent)
    if run.experiment_file.is_file() and (path.is_dir() or path in (run.best, run.last)):
        with contextlib.suppress(InputError):
            return any(stage.adversarial is not None for stage in run.experiment().stages)
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))["class_name"] == "GAN"
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return False


def warn_of_other_pictures(part: Literal["training", "validation"], step: int) -> None:
    """Warns about changed pictures: the weights remain valid, but the run is no longer the same."""
    now = {
        "training": "it trains on the current ones",
        "validation": "metrics refer to the current ones, and the best generator is selected anew",
    }[part]
    print(
        f"warning: the {part} pictures have changed since this run began; from step {step} on, {now}",
        file=sys.stderr,
    )


def warn_of_lost_rows(session: Session, notes: dict) -> None:
    """Warns about a history.csv that was emptied or truncated, for example by a power failure."""
    expected, found = notes.get("rows", 0), len(session.history)
    if found < expected:
        print(
            f"warning: {session.folder.history} has {found} rows up to step {session.step}, where {expected} were "
            "written; the run continues, but the missing rows are lost",
            file=sys.stderr,
        )


def warn_below_bicubic(session: Session, baseline: Mapping[str, float]) -> None:
    """Warns about a stage that ended below bicubic, with the most likely cause.

    An adversarial stage may trade fidelity for texture, so its threshold is 1.5 dB below bicubic.

    Args:
        session: at the end of the stage.
        baseline: values for bicubic, by metric.
    """
    experiment, stage, history = session.experiment, session.stage, session.history
    name = "psnr_y" if "psnr_y" in baseline else experiment.best_metric or ""
    reached = history.last(f"validation/{name}", stage.name)
    if name not in baseline or math.isnan(reached):
        return
    margin = 1.5 if stage.adversarial is not None and name.startswith("psnr") else 0.0
    if score(name, reached) >= score(name, baseline[name]) - margin:
        return
    metric = metric_named(name)
    figures = f"{metric.title} {reached:.{metric.digits}f}, bicubic {baseline[name]:.{metric.digits}f}"
    print(f"warning: stage {stage.name!r} ended below bicubic ({figures}); {_cause(session)}", file=sys.stderr)


def _cause(session: Session) -> str:
    """The most likely reason for a stage that ended below bicubic, and what to change."""
    experiment, stage, where = session.experiment, session.stage, f"stages.{session.stage_index}"
    skipped = session.history.last("skipped_steps", stage.name)
    if skipped > 0.01 * session.step:
        return (
            f"{skipped:.0f} steps were skipped because they were not finite; lower the learning rate or clip gradients"
        )
    if stage.initial_weights is None and session.stage_index > 0 and not _began_well(session):
        return "so did the previous stage; train that one longer, or set the initial_weights of stages.0"
    if stage.adversarial is not None:
        return f"its adversarial weight may be too high; lower {where}.adversarial.weight, or pretrain longer"
    # Losses of one's own may compare pixels.
    losses = [term.class_name for term in stage.content if term.weight != 0]
    if not any(name in _COMPARE_PIXELS or name not in CONTENT_LOSSES for name in losses):
        return f"none of its losses compares pixels; add MeanAbsoluteError to {where}.content"
    kind, config = GENERATORS.get(experiment.generator.class_name), experiment.generator.config
    published = getattr(kind, "PUBLISHED", {})
    chosen = [key for key, value in published.items() if key in config and config[key] == value]
    if chosen and stage.initial_weights is None and session.stage_index == 0:
        return f"the published initialization needs far more steps; remove {', '.join(chosen)} from generator.config"
    if stage.steps < 2000:
        return f"{session.stage_step} steps are few; raise {where}.steps"
    return f"its learning rate may be too high; lower that of {where}.generator_optimizer"


def _began_well(session: Session) -> bool:
    """Whether the previous stage ended at bicubic or above, if known."""
    before, history = session.experiment.stages[session.stage_index - 1].name, session.history
    reached, bicubic = history.last("validation/psnr_y", before), history.last("validation/bicubic_psnr_y")
    return not reached < bicubic
