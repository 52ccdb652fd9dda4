"""The experiment file: frozen dataclasses, loading and overrides.

The run's own numbers are dataclasses checked by pydantic, all errors at once, each with its path in the file.
Objects (networks, losses, optimizers, sources ...) are `{"class_name": ..., "config": {...}}`, Keras's own words;
the constructor's signature is their schema (build.py). This file knows no network: the commands join them.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sr_gan_tf.errors import InputError, suggest

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Spec:
    """An object to build: its name in a catalogue and its constructor's arguments."""

    class_name: str
    config: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Source(Spec):
    """A data source; among several, samples are drawn in proportion to `weight`."""

    weight: float = Field(default=1.0, gt=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Term(Spec):
    """A loss and its weight: a number, or a schedule over the stage's steps (a ramp, a decay)."""

    weight: float | Spec = 1.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Data:
    """Where pictures come from and how they become batches of (lr, hr)."""

    train: tuple[Source, ...] = Field(min_length=1)
    validation: tuple[Source, ...] = ()
    degradation: Spec = Spec("Bicubic")
    patch_size: int = Field(default=96, gt=0, description="HR pixels a side")
    batch_size: int = Field(default=16, gt=0)
    augmentations: tuple[str | Spec, ...] = ("flip", "turn")
    on_bad_file: Literal["error", "skip"] = "skip"
    cache_dir: str | None = Field(
        default=None, description="folder of the decoded tiles; default: the user's cache folder"
    )
    minimum_detail: float = Field(default=0.0, ge=0, description="tiles flatter than this (grey levels) are left out")
    validation_limit: int | None = Field(default=None, gt=0, description="at most so many validation pictures")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Balance:
    """What keeps generator and discriminator in step; all off by default."""

    discriminator_steps: int = Field(default=1, ge=1, description="discriminator updates a generator update")
    discriminator_every: int = Field(default=1, ge=1, description="it is updated at each so many-th step only")
    accuracy_bound: float | None = Field(default=None, gt=0.5, le=1, description="the discriminator rests above it")
    instance_noise: float | Spec = Field(default=0.0, description="standard deviation, or a schedule of it")
    replay_buffer: int = Field(
        default=0, ge=0, description="generated pictures kept; half of each batch is drawn from them"
    )
    historical_averaging: float = Field(
        default=0.0, ge=0, description="weight of the distance from the average weights"
    )


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Stage:
    """A part of the run with its own losses and optimizers; without `adversarial` it is supervised."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    steps: int = Field(gt=0, description="generator updates")
    generator_optimizer: Spec
    content: tuple[Term, ...] = ()
    adversarial: Term | None = None
    features: tuple[Term, ...] = ()
    penalties: tuple[Term, ...] = ()
    discriminator_optimizer: Spec | None = None
    balance: Balance = Balance()
    initial_weights: str | None = None
    discriminator_initial_weights: str | None = None
    patch_size: int | None = Field(default=None, gt=0, description="instead of the data's")
    batch_size: int | None = Field(default=None, gt=0, description="instead of the data's")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Experiment:
    """One whole experiment: everything that a run depends on stands here."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    scale: int = Field(ge=1, le=16)
    data: Data
    generator: Spec
    stages: tuple[Stage, ...] = Field(min_length=1)
    discriminator: Spec | None = None
    note: str = Field(default="", description="paper, hours, expected figures")
    seed: int = Field(default=1234, ge=0, lt=2**31)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    deterministic: bool = False
    jit_compile: bool | Literal["auto"] = "auto"
    distribution: Literal["mirrored", "multi_worker"] | None = Field(
        default=None, description="share each batch among the machine's GPUs, or among the processes of TF_CONFIG"
    )
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    validate_every: int = Field(default=5000, gt=0)
    checkpoint_every: int = Field(default=1000, gt=0)
    sample_every: int | None = Field(default=None, gt=0, description="picture strips; default: at each validation")
    log_every: int = Field(default=50, gt=0)
    validation_metrics: tuple[str, ...] = Field(
        default=("psnr_y", "ssim_y"), min_length=1, description="names of metrics or of groups, see docs/evaluation.md"
    )
    best_metric: str = Field(default="psnr_y", description="the metric that chooses best.keras")
    patience: int | None = Field(
        default=None, gt=0, description="validations without a better one before the stage ends"
    )
    max_bad_steps: int = Field(default=10, gt=0, description="non-finite steps in a row that stop the run")
    histograms: bool = False


def patch_size(experiment: Experiment, stage: Stage) -> int:
    """HR pixels a side of the stage's training patches."""
    return stage.patch_size or experiment.data.patch_size


def batch_size(experiment: Experiment, stage: Stage) -> int:
    """Pictures a step in the stage."""
    return stage.batch_size or experiment.data.batch_size


_EXPERIMENT = TypeAdapter(Experiment)


def json_schema() -> dict:
    """JSON schema of the experiment file, for editors."""
    schema = _EXPERIMENT.json_schema()
    schema["properties"]["$schema"] = {"type": "string"}
    return schema


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Reads an experiment file and applies `KEY=JSON` overrides, e.g. `stages.0.steps=100`.

    Raises:
        InputError: for a missing file, broken JSON (with line and column) or any value that doesn't fit.
    """
    raw = read_json(path)
    for override in overrides:
        _override(raw, override)
    return parse_experiment(raw, str(path))


def read_json(path: str | Path) -> dict:
    """A JSON object from a file, with an error that names line and column."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; give an experiment file in JSON") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give the path of an experiment file") from error
    try:
        raw = json.loads(text, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except _DuplicateKey as error:
        raise InputError(f"{path}: the key {error} stands twice in one object; keep one of them") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: expected a JSON object {{...}}, found {type(raw).__name__}")
    return raw


def parse_experiment(raw: dict, where: str = "experiment") -> Experiment:
    """A checked `Experiment` from plain JSON data; every error is named with its path."""
    raw = {key: value for key, value in raw.items() if key != "$schema"}
    _check_finite(raw, where)
    try:
        return _EXPERIMENT.validate_python(_lists_to_tuples(raw))
    except ValidationError as error:
        raise InputError(f"{where}: " + "; ".join(_describe(item) for item in error.errors())) from error


def to_json(experiment: Experiment) -> str:
    """The resolved experiment as the JSON text that is written into the run folder."""
    return json.dumps(dataclasses.asdict(experiment), indent=2) + "\n"


class _DuplicateKey(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict:
    result = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKey(repr(key))
        result[key] = value
    return result


def _override(raw: dict, override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set {override}: expected KEY=JSON, e.g. --set stages.0.steps=100")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"--set {override}: {text!r} is not JSON ({error.msg}); put strings in double quotes"
        ) from error
    *path, last = key.split(".")
    place: Any = raw
    for part in path:
        place = _step(place, part, override)
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"--set {override}: {'.'.join(path)} holds {place!r}, nothing below it can be set")


def _step(place: Any, part: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, part, override)]
    if isinstance(place, dict):
        return place.setdefault(part, {})
    raise InputError(f"--set {override}: nothing below {part!r} can be set, since a plain value stands there")


def _index(place: list, part: str, override: str) -> int:
    if not part.isdigit() or int(part) >= len(place):
        raise InputError(f"--set {override}: {part!r} is no place in a list of {len(place)}; use 0 to {len(place) - 1}")
    return int(part)


def _lists_to_tuples(value: Any) -> Any:
    """JSON lists stay lists inside an object's `config`, which belongs to its constructor."""
    if isinstance(value, dict):
        return {key: item if key == "config" else _lists_to_tuples(item) for key, item in value.items()}
    return tuple(_lists_to_tuples(item) for item in value) if isinstance(value, list) else value


def _check_finite(value: Any, where: str, path: str = "") -> None:
    """Python's JSON knows NaN and Infinity, also as 1e999; no setting may be one."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where}: {path}: expected a finite number, found {value}")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _check_finite(item, where, f"{path}.{key}" if path else str(key))


def _describe(item: Mapping[str, Any]) -> str:
    """One pydantic error as `path: what was expected, found what`."""
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "missing":
        return f"{path}: missing; add it"
    if item["type"] == "unexpected_keyword_argument":
        owner = _owner(item["loc"][:-1])
        return f"{path}: unknown key{suggest(str(item['loc'][-1]), owner)}"
    return f"{path}: {item['msg']}, found {item['input']!r}"


def _owner(path: tuple) -> dict[str, Any]:
    """Field names of the dataclass that stands at `path` of an experiment."""
    fields: dict[str, Any] = {field.name: field for field in dataclasses.fields(Experiment)}
    for part in path:
        if part in _PLACES:
            fields = {field.name: field for field in dataclasses.fields(_PLACES[part])}
    return fields


_PLACES = {
    "data": Data, "train": Source, "validation": Source, "stages": Stage, "content": Term, "adversarial": Term,
    "features": Term, "penalties": Term, "balance": Balance, "generator": Spec, "discriminator": Spec,
    "generator_optimizer": Spec, "discriminator_optimizer": Spec, "degradation": Spec, "weight": Spec,
}  # fmt: skip
