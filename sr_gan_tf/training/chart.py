"""losses.png: generator and discriminator terms, the value of a guess, validation PSNR and SSIM over the steps."""

import gc
import math
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from sr_gan_tf.files import replacing
from sr_gan_tf.runs.history import History

# Loss terms of a guessing discriminator, with output 1/2 of a sigmoid, or 1/2 and 0 without one.
GUESSES = {
    "BinaryCrossentropy": (math.log(2), "-log(0.5) = 0.693"),
    "RelativisticAverage": (math.log(2), "-log(0.5) = 0.693"),
    "RelativisticPair": (math.log(2), "-log(0.5) = 0.693"),
    "LeastSquares": (0.25, "(0.5)² = 0.25"),
    "Hinge": (1.0, "max(0, 1 - 0) = 1"),
}


def guesses(columns: Iterable[str]) -> dict[str, float]:
    """Maps labels to guess values for the adversarial losses in a history."""
    known = [GUESSES[name] for name in sorted(columns) if name in GUESSES]
    return {label: value for value, label in known}


def draw_chart(history: History, path: Path, title: str) -> None:
    """Draws the history; omits panels without data."""
    _draw(history, path, title)
    # The parts of a figure reference each other, so Python would keep it and its pixels until a rare full collection.
    # The memory of a training with many charts would grow.
    gc.collect()


def _draw(history: History, path: Path, title: str) -> None:
    columns = history.columns()
    generator = [name for name in columns if name == "generator_loss" or name.endswith(".weighted")]
    discriminator = [
        name for name in columns if name in ("discriminator_loss", "discriminator_real", "discriminator_fake")
    ]
    panels = [panel for panel in (generator, discriminator) if panel]
    validation = [name for name in columns if name.startswith("validation/")]
    quality = [[name for name in validation if metric in name] for metric in ("psnr", "ssim")]
    panels += [panel for panel in quality if panel]
    figure = Figure(figsize=(9, 2.6 * max(len(panels), 1) + 0.6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(max(len(panels), 1), 1, squeeze=False, sharex=True)[:, 0]
    for axis, names in zip(axes, panels, strict=False):
        for name in names:
            steps, values = history.series(name)
            if len(values) == 1 and "bicubic" in name:
                # Bicubic does not train: its single value is a horizontal line.
                axis.axhline(values[0], color="gray", linestyle="--", linewidth=1, label="bicubic")
                continue
            axis.plot(
                steps,
                values,
                label=name.removeprefix("validation/"),
                linewidth=1.2,
                marker="." if len(steps) < 30 else "",
            )
        if names is discriminator:
            for label, value in guesses(columns).items():
                axis.axhline(value, color="gray", linestyle="--", linewidth=1, label=label)
        if names is generator and all(value > 0 for name in names for value in history.series(name)[1]):
            axis.set_yscale("log")
        axis.set_ylabel(_label(names, generator, discriminator))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="best")
        for border in _stage_borders(history):
            axis.axvline(border, color="gray", linewidth=0.6, linestyle=":")
    axes[-1].set_xlabel("step")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _label(names: list[str], generator: list[str], discriminator: list[str]) -> str:
    if names is generator:
        return "generator terms"
    if names is discriminator:
        return "discriminator terms"
    return "PSNR-Y, dB" if "psnr" in names[0] else "SSIM-Y"


def _stage_borders(history: History) -> list[int]:
    stages = history.stages
    return [step for step, before, after in zip(history.steps, stages, stages[1:], strict=False) if before != after]
