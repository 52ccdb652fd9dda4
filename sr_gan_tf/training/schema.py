"""The JSON schema of experiment files, for editors and validators: names and arguments come from the constructors."""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticUserError

from sr_gan_tf.build import arguments_of
from sr_gan_tf.config import WRITTEN_BY, Experiment
from sr_gan_tf.data.augmentation import AUGMENTATIONS
from sr_gan_tf.data.catalog import DEGRADATIONS, SOURCES
from sr_gan_tf.discriminators import DISCRIMINATORS
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES
from sr_gan_tf.registry.parts import Catalog
from sr_gan_tf.training.degraded_only import DegradedOnly
from sr_gan_tf.training.optimizers import OPTIMIZERS
from sr_gan_tf.training.schedules import SCHEDULES
from sr_gan_tf.training.teacher import Teacher

# These contain losses or models, so a later package registers them than the other losses.
_WRAPPERS = {"DegradedOnly": DegradedOnly, "Teacher": Teacher}
_CONTENT = Catalog(CONTENT_LOSSES.kind, {**CONTENT_LOSSES, **_WRAPPERS}, CONTENT_LOSSES.bases)
# For each location in the file: its catalog, and the arguments that the experiment provides.
_PLACES: dict[tuple[str, str], tuple[Catalog, tuple[str, ...]]] = {
    ("Experiment", "generator"): (GENERATORS, ("scale",)),
    ("Experiment", "discriminator"): (DISCRIMINATORS, ("image_size",)),
    ("Data", "train"): (SOURCES, ("scale",)),
    ("Data", "validation"): (SOURCES, ("scale",)),
    ("Data", "degradation"): (DEGRADATIONS, ("scale",)),
    ("Data", "augmentations"): (AUGMENTATIONS, ("scale",)),
    ("Stage", "content"): (_CONTENT, ("scale",)),
    ("Stage", "adversarial"): (ADVERSARIAL_LOSSES, ()),
    ("Stage", "features"): (FEATURE_LOSSES, ()),
    ("Stage", "penalties"): (PENALTIES, ()),
    ("Stage", "generator_optimizer"): (OPTIMIZERS, ()),
    ("Stage", "discriminator_optimizer"): (OPTIMIZERS, ()),
    ("Balance", "instance_noise"): (SCHEDULES, ()),
}
_OWN_PART = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"


def json_schema() -> dict:
    """JSON schema (2020-12) of the experiment file: each object with the arguments, types and defaults of its class."""
    schema = TypeAdapter(Experiment).json_schema()
    schema["properties"] |= {"$schema": {"type": "string"}, WRITTEN_BY: {"type": "string"}}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema["$defs"]
    owners = definitions | {"Experiment": schema}
    for (owner, field), (catalog, given) in _PLACES.items():
        owners[owner]["properties"][field] = _with_parts(
            owners[owner]["properties"][field], catalog, given, definitions
        )
    for name in ("Spec", "SourceSpec", "Term"):
        definitions.pop(name, None)
    return json.loads(json.dumps(schema))  # converts tuples among the defaults to lists


def _with_parts(value: Any, catalog: Catalog, given: Iterable[str], definitions: dict) -> Any:
    """The schema of a field, with the general object replaced by those of the catalog."""
    if isinstance(value, dict) and "$ref" in value:
        kind = value["$ref"].rpartition("/")[2]
        if kind not in ("Spec", "SourceSpec", "Term"):
            return value
        return {**value, "$ref": f"#/$defs/{_define(catalog, given, kind, definitions)}"}
    if isinstance(value, dict):
        if value == {"type": "string"} and catalog is AUGMENTATIONS:
            return {"enum": list(AUGMENTATIONS)}
        return {
            key: item if key in ("default", "description") else _with_parts(item, catalog, given, definitions)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_parts(item, catalog, given, definitions) for item in value]
    return value


def _define(catalog: Catalog, given: Iterable[str], kind: str, definitions: dict) -> str:
    """Adds the objects of a catalog to the definitions, once; returns the name of the definition."""
    prefix = catalog.kind.replace(" ", "_")
    name = prefix if kind == "Spec" else f"{prefix}_{kind.lower()}"
    if name in definitions:
        return name
    definitions[name] = {}  # an optimizer may contain a schedule
    cases, needy = [], []
    for class_name, constructor in catalog.items():
        config = _configuration(constructor, catalog, set(given), definitions)
        if config["required"]:
            needy.append(class_name)
        definitions[f"{prefix}.{class_name}"] = config
        cases.append(
            {
                "if": {"properties": {"class_name": {"const": class_name}}, "required": ["class_name"]},
                "then": {"properties": {"config": {"$ref": f"#/$defs/{prefix}.{class_name}"}}},
            }
        )
    own = {"type": "string", "pattern": _OWN_PART, "description": "a custom part, module:Name"}
    names = {"enum": list(catalog), "description": f"a {catalog.kind} of the package"}
    properties: dict[str, Any] = {"class_name": {"anyOf": [names, own]}, "config": {"type": "object"}}
    if kind in ("SourceSpec", "Term"):
        weight = definitions[kind]["properties"]["weight"]
        properties["weight"] = _with_parts(weight, SCHEDULES, (), definitions)
    if needy:
        cases.append(
            {
                "if": {"properties": {"class_name": {"enum": needy}}, "required": ["class_name"]},
                "then": {"required": ["config"]},
            }
        )
    definitions[name] = {
        "type": "object", "properties": properties, "required": ["class_name"], "additionalProperties": False,
        "allOf": cases,
    }  # fmt: skip
    return name


def _configuration(constructor: Any, catalog: Catalog, given: set[str], definitions: dict) -> dict:
    """The schema of a constructor's arguments."""
    about = _sentences(constructor)
    parameters = arguments_of(constructor)
    return {
        "type": "object",
        "description": (inspect.getdoc(constructor) or "").partition("\n")[0],
        "properties": {
            name: _argument(name, item, about.get(name), catalog, definitions) for name, item in parameters.items()
        },
        "required": [
            name for name, item in parameters.items() if item.default is item.empty and name not in given
        ],
        "additionalProperties": False,
    }  # fmt: skip


def _argument(
    name: str, item: inspect.Parameter, sentence: str | None, catalog: Catalog, definitions: dict
) -> dict[str, Any]:
    if catalog is OPTIMIZERS and name == "learning_rate":
        schedule = _define(SCHEDULES, (), "Spec", definitions)
        found: dict[str, Any] = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"$ref": f"#/$defs/{schedule}"}]}
    else:
        found = _type(item, definitions)
    if sentence:
        found["description"] = sentence
    if item.default is not item.empty and _is_json(item.default):
        found["default"] = item.default
    return found


def _type(item: inspect.Parameter, definitions: dict) -> dict[str, Any]:
    """The schema of an argument's annotation; without one, of the type of its default."""
    annotation = item.annotation
    if annotation is item.empty or isinstance(annotation, str):
        default = item.default
        kinds = {bool: "boolean", str: "string"}
        if type(default) in kinds:
            return {"type": kinds[type(default)]}
        return {"type": "number"} if isinstance(default, (int, float)) else {}
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a dataclass has its own configuration
        adapter = TypeAdapter(annotation)
    found = adapter.json_schema()
    definitions.update(found.pop("$defs", {}))
    if found.get("type") == "object" and "title" in found:
        definitions[found["title"]] = found
        return {"$ref": f"#/$defs/{found['title']}"}
    return found


def _sentences(constructor: Any) -> dict[str, str]:
    """The first sentence about each argument in a Google-style docstring."""
    lines = (inspect.getdoc(constructor) or "").splitlines()
    if "Args:" not in lines:
        return {}
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break
        begin = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if begin:
            names = begin.group(1).split(", ")
        text = begin.group(2) if begin else line.strip()
        for name in names:
            found[name] = f"{found.get(name, '')} {text}".strip()
    return {name: re.split(r"(?<=[.;]) ", text)[0].rstrip(".;") for name, text in found.items() if text}


def _is_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_json, value))
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (bool, int, float, str))
