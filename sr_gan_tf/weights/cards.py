"""Cards of the shipped networks: training, data, license, limits, and the figures that `evaluate` prints."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.files import replacing, sha256

FOLDER = Path(__file__).parent
MANIFEST = FOLDER / "photographs" / "manifest.csv"


@dataclasses.dataclass(frozen=True)
class Card:
    """Description of one shipped network.

    Args:
        name: the name that `load` accepts.
        sha256: of the `.keras` file.
        scale: enlargement.
        parameters: of the shipped (merged) network.
        experiments: experiment files in the repository, in order of training.
        steps: total generator updates.
        hours: of training on two cores, with other work running.
        data: training data and their licenses.
        license: license of the weights.
        limits: unsuitable inputs and known weaknesses.
        figures: the output of `command`, by test set and model: `{"Set5": {"span_x4": {"psnr_y_crop4": ...}}}`.
        command: the command that prints the figures.
        bfloat16_loss_db: largest loss of PSNR-Y (dB) in bfloat16 on those sets.
        measured: `megapixels` of one served image, the `processor_seconds` that it takes, and the `peak` memory of the
            process in bytes; `export --deploy` derives limits and timeouts from it.
        lr: origin of the LR images of `figures`: read from the `folder`, or `made` from HR.
        degradation: what makes them, as in an experiment; None for bicubic. Requires `lr` "made".
    """

    name: str
    sha256: str
    scale: int
    parameters: int
    experiments: list[str]
    steps: int
    hours: float
    data: str
    license: str
    limits: str
    figures: dict[str, dict[str, dict[str, float]]] = dataclasses.field(default_factory=dict)
    command: str = ""
    bfloat16_loss_db: float | None = None
    measured: dict[str, float] | None = None
    lr: Literal["made", "folder"] = "folder"
    degradation: dict[str, Any] | None = None

    @property
    def weights(self) -> Path:
        return FOLDER / f"{self.name}.keras"

    def write(self) -> None:
        with replacing(FOLDER / f"{self.name}.json") as temporary:
            text = json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    def __str__(self) -> str:
        lines = [
            f"{self.name}: x{self.scale}, {self.parameters:,} parameters, {self.weights.stat().st_size / 1e6:.2f} MB",
            f"made by: {', '.join(self.experiments)}; {self.steps:,} steps, {self.hours:.1f} hours on two shared cores",
            f"data: {self.data}",
            f"license: {self.license}",
            f"limits: {self.limits}",
        ]
        if self.bfloat16_loss_db is not None:
            lines.append(f"in bfloat16: at most {self.bfloat16_loss_db:.3f} dB lower")
        if self.measured is not None:
            lines.append(
                f"served: an image of {self.measured['megapixels']:g} megapixels takes "
                f"{self.measured['processor_seconds']:.1f} s of processor time and "
                f"{self.measured['peak'] / 2**20:.0f} MiB in all"
            )
        for name, models in self.figures.items():
            for model, figures in models.items():
                values = "  ".join(f"{metric} {value:.4g}" for metric, value in figures.items())
                lines.append(f"{name:8} {model:24} {values}")
        return "\n".join([*lines, f"printed by: {self.command}"] if self.command else lines)


def cards() -> dict[str, Card]:
    """The cards of all shipped networks by name."""
    return {path.stem: read_card(path.stem) for path in sorted(FOLDER.glob("*.json"))}


def read_card(name: str) -> Card:
    """Reads the card of a shipped network.

    Raises:
        InputError: there is no shipped network of that name.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        known = [item.stem for item in sorted(FOLDER.glob("*.json"))]
        names = ", ".join(known) or "none"
        raise InputError(f"no shipped network {name!r}{suggest(name, known)}; expected one of: {names}")
    return Card(**american(json.loads(path.read_text(encoding="utf-8"))))


def american(card: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a card, with the key `licence` of versions before 0.2.0 renamed to `license`."""
    return {"license" if key == "licence" else key: value for key, value in card.items()}


def check_photographs(folder: Path) -> list[str]:
    """Compares a rebuilt folder of the training photographs with the manifest; returns the differences.

    Raises:
        InputError: `folder` is not such a folder.
    """
    if not any((folder / part).is_dir() for part in ("train", "valid")):
        raise InputError(f"{folder} contains neither train/ nor valid/; pass the folder of the rebuilt photographs")
    problems = []
    rows = manifest()
    for row in rows:
        path = folder / row["file"]
        if not path.is_file():
            problems.append(f"{row['file']}: missing")
        elif sha256(path) != row["sha256"]:
            problems.append(f"{row['file']}: content differs from the manifest")
    known = {row["file"] for row in rows}
    for path in sorted(folder.glob("*/*.webp")):
        if str(path.relative_to(folder)) not in known:
            problems.append(f"{path.relative_to(folder)}: not in the manifest")
    return problems


def manifest() -> list[dict[str, Any]]:
    """The training photographs, one row each: file, source, author, license, crop, SHA-256."""
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
