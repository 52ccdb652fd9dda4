"""losses.png: generator and discriminator terms, the 0.693 line, validation PSNR and SSIM over the run's steps."""

import math
from pathlib import Path

from matplotlib.figure import Figure

from sr_gan_tf.files import replacing
from sr_gan_tf.history import History

GUESS = math.log(2)  # -log(0.5): each term of a discriminator that guesses


def draw_chart(history: History, path: Path, title: str) -> None:
    """Draws what the history holds; panels without data are left out."""
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
                # Bicubic doesn't train: its one figure is a level.
                axis.axhline(values[0], color="grey", linestyle="--", linewidth=1, label="bicubic")
                continue
            axis.plot(
                steps,
                values,
                label=name.removeprefix("validation/"),
                linewidth=1.2,
                marker="." if len(steps) < 30 else "",
            )
        if names is discriminator:
            axis.axhline(GUESS, color="grey", linestyle="--", linewidth=1, label="-log(0.5) = 0.693")
        if names is generator and all(value > 0 for name in names for value in history.series(name)[1]):
            axis.set_yscale("log")
        axis.set_ylabel(_label(names, generator, discriminator))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="best")
        for border in _stage_borders(history):
            axis.axvline(border, color="grey", linewidth=0.6, linestyle=":")
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
    rows = history.rows
    return [
        int(before["step"]) for before, after in zip(rows, rows[1:], strict=False) if before["stage"] != after["stage"]
    ]
