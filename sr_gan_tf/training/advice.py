"""Warnings about runs that may not behave as the user intended; the run continues."""

import contextlib
import json
import math
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from sr_gan_tf.config import Experiment, Stage
from sr_gan_tf.devices import has_fast_bfloat16
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.metrics import metric_named, score
from sr_gan_tf.models import shipped_models
from sr_gan_tf.runs.folder import RunFolder
from sr_gan_tf.training.session import Session

# The content losses that preserve the colors of a picture; others compare features, edges or averages.
_COMPARE_PIXELS = (
    "MeanAbsoluteError", "MeanSquaredError", "LogMeanSquaredError", "Charbonnier", "Huber", "MSSSIML1", "Teacher",
)  # fmt: skip
# The shipped models whose last training was adversarial; their cards name its experiment.
_ADVERSARIAL = ("span_x4_gan",)


def slow_bfloat16(experiment: Experiment) -> list[str]:
    """Warns if the machine only emulates the requested precision."""
    if experiment.precision != "mixed_bfloat16" or has_fast_bfloat16():
        return []
    return [
        "warning: this machine has no bfloat16 arithmetic, so mixed_bfloat16 is slower than float32; "
        "--set 'precision=\"float32\"' trains the same networks faster"
    ]


def warn_of_a_cold_start(stage: Stage, index: int, say: Callable[[str], None]) -> None:
    """Warns about an adversarial first stage without initial weights."""
    if stage.adversarial is not None and index == 0 and stage.initial_weights is None:
        say(
            f"warning: stage {stage.name!r} starts adversarial training from an untrained generator, which often "
            "fails; put a supervised stage before it or set initial_weights"
        )


def warn_of_lost_texture(experiment: Experiment, index: int, say: Callable[[str], None]) -> None:
    """A stage that continues an adversarially trained generator by content losses alone, and no other after it."""
    stage = experiment.stages[index]
    is_adversarial = any(later.adversarial is not None for later in experiment.stages[index:])
    if stage.initial_weights is not None and not is_adversarial and was_adversarial(stage.initial_weights):
        say(
            f"warning: {stage.initial_weights} was trained against a discriminator, and stage {stage.name!r} has none, "
            f"so its texture will be smoothed away; add stages.{index}.adversarial (docs/fine_tuning.md), or start "
            "from a model that was trained without one"
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
        return "so did the previous stage; train that one longer, or set initial_weights"
    if stage.adversarial is not None:
        return f"its adversarial weight may be too high; lower {where}.adversarial.weight, or pretrain longer"
    if not any(term.class_name in _COMPARE_PIXELS and term.weight != 0 for term in stage.content):
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
