"""The experiment file: frozen dataclasses, loading and overrides.

Settings of a run are dataclasses that pydantic checks; it reports all errors at once, each with its path in the file.
Objects (networks, losses, optimizers, sources ...) are `{"class_name": ..., "config": {...}}`, as in Keras; the
constructor's signature is their schema (build.py). This module does not import any networks; the commands do.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sr_gan_tf.errors import InputError, describe_errors
from sr_gan_tf.json_files import override, put, read_json
from sr_gan_tf.registry.imports import imported, is_allowed, register_experiment_file

_STRICT = ConfigDict(extra="forbid")
NotNegative = Annotated[float, Field(ge=0)]

WRITTEN_BY = "$written_by"  # in a run folder's experiment.json: the version whose defaults the experiment relies on
_SMALLEST, _LARGEST = 2.0**-126, 2.0**127 * (2 - 2.0**-23)  # the positive numbers with which float32 computes
VALIDATION_METRICS = ("psnr_y", "ssim_y")  # by default


@dataclass(frozen=True, config=_STRICT)
class Spec:
    """An object to build: its name in a catalog and its constructor arguments."""

    class_name: str
    config: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SourceSpec(Spec):
    """A data source; with several sources, samples are drawn in proportion to `weight`."""

    weight: float = Field(default=1.0, gt=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Term(Spec):
    """A loss and its weight: a number, or a schedule over the steps of the stage (for example a ramp)."""

    weight: NotNegative | Spec = 1.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Data:
    """Sources of images, and how they become batches of (lr, hr)."""

    train: tuple[SourceSpec, ...] = Field(min_length=1)
    validation: tuple[SourceSpec, ...] = ()
    degradation: Spec = Spec("Bicubic")
    patch_size: int = Field(default=96, gt=0, description="side of the training patches (HR pixels)")
    batch_size: int = Field(default=16, gt=0)
    augmentations: tuple[str | Spec, ...] = ("flip", "turn")
    on_bad_file: Literal["error", "skip"] = "skip"
    cache_dir: str | None = Field(
        default=None, min_length=1, description="folder for decoded tiles; default: the user's cache folder"
    )
    minimum_detail: float = Field(default=0.0, ge=0, description="exclude tiles with less detail (gray levels)")
    validation_limit: int | None = Field(default=None, gt=0, description="maximum number of validation images")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Balance:
    """Balances generator and discriminator; everything is off by default."""

    discriminator_steps: int = Field(default=1, ge=1, le=100, description="discriminator updates per generator update")
    discriminator_every: int = Field(default=1, ge=1, description="update the discriminator only on every n-th step")
    accuracy_bound: float | None = Field(
        default=None, gt=0.5, lt=1, description="the discriminator rests while its accuracy is above this"
    )
    adaptive_d: float | None = Field(
        default=None,
        gt=0.5,
        lt=1,
        description="the discriminator rests while the moving average of its accuracy is above this",
    )
    discriminator_warm_up: int = Field(
        default=0, ge=0, description="steps at the start of the stage in which only the discriminator trains"
    )
    instance_noise: NotNegative | Spec = Field(
        default=0.0, description="standard deviation of the noise on the discriminator's inputs, or a schedule"
    )
    replay_buffer: int = Field(
        default=0, ge=0, description="number of generated images to keep; half of each batch is drawn from them"
    )
    historical_averaging: float = Field(
        default=0.0, ge=0, description="weight of the squared distance from the average of past weights"
    )


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Stage:
    """A part of the run with its own losses and optimizers; supervised unless it has `adversarial`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    steps: int = Field(gt=0, description="generator updates")
    generator_optimizer: Spec
    content: tuple[Term, ...] = ()
    adversarial: Term | None = None
    features: tuple[Term, ...] = ()
    penalties: tuple[Term, ...] = ()
    discriminator_optimizer: Spec | None = None
    balance: Balance = Balance()
    initial_weights: str | None = Field(
        default=None, description="generator to start from: a shipped name, a run folder or a .keras file"
    )
    discriminator_initial_weights: str | None = Field(
        default=None, description="discriminator to start from: a run folder or a .keras file"
    )
    partial: bool = Field(default=False, description="copy all initial weights that fit")
    patch_size: int | None = Field(default=None, gt=0, description="overrides data.patch_size")
    batch_size: int | None = Field(default=None, gt=0, description="overrides data.batch_size")
    accumulate: int = Field(default=1, gt=0, description="number of batches per update, with the memory of one")
    recompute: bool = Field(default=False, description="store only the feature maps between the generator's blocks")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Experiment:
    """An experiment: everything that a run depends on."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    scale: int = Field(ge=1, le=16)
    data: Data
    generator: Spec
    stages: tuple[Stage, ...] = Field(min_length=1)
    discriminator: Spec | None = None
    note: str = Field(default="", description="source, cost and expected results")
    seed: int = Field(default=1234, ge=0, lt=2**31)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    deterministic: bool = False
    jit_compile: bool | Literal["auto"] = "auto"
    distribution: Literal["mirrored", "multi_worker"] | None = Field(
        default=None, description="splits each batch among the GPUs of the machine, or among the processes in TF_CONFIG"
    )
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    validate_every: int = Field(default=5000, gt=0)
    checkpoint_every: int = Field(default=1000, gt=0)
    sample_every: int | None = Field(
        default=None, gt=0, description="steps between sample images; default: validate_every"
    )
    log_every: int = Field(default=50, gt=0)
    validation_metrics: tuple[str, ...] = Field(
        default=VALIDATION_METRICS, min_length=1, description="names of metrics or groups (docs/evaluation.md)"
    )
    best_metric: str | None = Field(
        default=None,
        description="selects best.keras in every stage; default: psnr_y; adversarial stages keep last.keras",
    )
    patience: int | None = Field(
        default=None, gt=0, description="ends a stage after this many validations without improvement"
    )
    max_bad_steps: int = Field(default=10, gt=0, description="consecutive non-finite steps that stop the run")
    histograms: bool = False
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = Field(
        default=("tensorboard",), description="where the curves of the run go; wandb and mlflow are optional extras"
    )
    imports: tuple[str, ...] = Field(
        default=(), description="modules with custom parts; imported only if the user allows it (--import)"
    )

    @classmethod
    def load(cls, path: str | Path) -> "Experiment":
        """Reads an experiment file.

        Args:
            path: the JSON file, or a run folder.

        Raises:
            InputError: the file is missing or not JSON, or a value is invalid.

        Example:
            >>> Experiment.load("experiments/quickstart.json").override({"stages.0.steps": 100}, seed=7)
        """
        return load_experiment(Path(path) / "experiment.json" if Path(path).is_dir() else path)

    @classmethod
    def from_dict(cls, raw: dict) -> "Experiment":
        """Creates an experiment from the data of its JSON file.

        Raises:
            InputError: a value is invalid.
        """
        return parse_experiment(json.loads(json.dumps(raw)))

    def to_dict(self) -> dict:
        """The data of the experiment's JSON file."""
        return json.loads(to_json(self))

    def override(self, changes: Mapping[str, Any] | None = None, /, **top: Any) -> "Experiment":
        """Returns a copy with other values, checked like a file.

        Args:
            changes: dotted path to value, e.g. `{"stages.0.steps": 100, "data.train.0.config.path": "photos"}`.
            **top: top-level values, e.g. `seed=7`.

        Raises:
            InputError: a path does not exist, or a value is invalid.
        """
        raw = self.to_dict()
        for key, value in {**(changes or {}), **top}.items():
            try:
                value = json.loads(json.dumps(value, default=_plain))
            except TypeError as error:
                raise InputError(f"override: {key}: {value!r} is not a JSON value; use numbers, text, lists") from error
            put(raw, key, value, f"override: {key}")
        return parse_experiment(raw)


def patch_size(experiment: Experiment, stage: Stage) -> int:
    """Side of the stage's training patches in HR pixels."""
    return stage.patch_size or experiment.data.patch_size


def batch_size(experiment: Experiment, stage: Stage) -> int:
    """Images that pass through the networks at once in the stage."""
    return stage.batch_size or experiment.data.batch_size


def chosen_by(experiment: Experiment, stage: Stage) -> str | None:
    """The metric that selects the stage's best generator; None if the last one is kept.

    An adversarial stage lowers PSNR from its first step on, so PSNR would select the generator before the training.
    """
    if not experiment.data.validation:
        return None
    return experiment.best_metric or ("psnr_y" if stage.adversarial is None else None)


_EXPERIMENT = TypeAdapter(Experiment)


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Reads an experiment file and applies `KEY=JSON` overrides, e.g. `stages.0.steps=100`.

    Raises:
        InputError: the file is missing, the JSON is invalid (with line and column), or a value is invalid.
    """
    raw = read_json(path)
    for text in overrides:
        override(raw, text)
    experiment = parse_experiment(raw, str(path))
    register_experiment_file(path, experiment.imports)
    rest = [name for name in experiment.imports if not is_allowed(Path(name).name.removesuffix(".py"))]
    return dataclasses.replace(experiment, imports=(*rest, *imported()))


def parse_experiment(raw: dict, where: str = "experiment") -> Experiment:
    """Checks JSON data and returns an `Experiment`; every error states its path."""
    raw = {key: value for key, value in raw.items() if key not in ("$schema", WRITTEN_BY)}
    _check_numbers(raw, where)
    try:
        # Validated as JSON text: strict, so true and "1" are not numbers, but lists become tuples and 1 a float.
        return _EXPERIMENT.validate_json(json.dumps(_whole_numbers(raw)), strict=True)
    except ValidationError as error:
        raise InputError(f"{where}: {describe_errors(error.errors(), _owner)}") from error


def to_json(experiment: Experiment) -> str:
    """The resolved experiment as JSON text, as written into the run folder."""
    return json.dumps(dataclasses.asdict(experiment), indent=2) + "\n"


def _plain(value: Any) -> Any:
    """Converts parts of an experiment to JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(value)


def _whole_numbers(value: Any) -> Any:
    """Converts floats such as 1e5 to integers, except in `config`, which the constructor checks."""
    if isinstance(value, dict):
        return {key: item if key == "config" else _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


def _check_numbers(value: Any, where: str, path: str = "") -> None:
    """Rejects NaN and Infinity, which Python's JSON accepts (also as 1e999), and numbers that a tensor cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where}: {path}: expected a finite number, found {value}")
    size = abs(value) if isinstance(value, (int, float)) else 0
    if isinstance(value, int) and size >= 2**63:
        raise InputError(f"{where}: {path}: expected a number below 2**63, found {value:g}")
    if size > _LARGEST or 0 < size < _SMALLEST:
        fault = "infinite" if size > _LARGEST else "0"
        raise InputError(
            f"{where}: {path}: {value:g} is {fault} in float32; expected 0, or {_SMALLEST:.2g} to {_LARGEST:.2g}"
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _check_numbers(item, where, f"{path}.{key}" if path else str(key))


def _owner(path: tuple) -> dict[str, Any]:
    """Field names of the dataclass at `path` of an experiment."""
    fields: dict[str, Any] = {field.name: field for field in dataclasses.fields(Experiment)}
    for part in path:
        if part in _PLACES:
            fields = {field.name: field for field in dataclasses.fields(_PLACES[part])}
    return fields


_PLACES = {
    "data": Data, "train": SourceSpec, "validation": SourceSpec, "stages": Stage, "content": Term, "adversarial": Term,
    "features": Term, "penalties": Term, "balance": Balance, "generator": Spec, "discriminator": Spec,
    "generator_optimizer": Spec, "discriminator_optimizer": Spec, "degradation": Spec, "weight": Spec,
    "Spec": Spec,
}  # fmt: skip
