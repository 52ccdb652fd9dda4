"""`build(spec, catalogue, where)` makes an object of the experiment file; its constructor is the schema."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError, suggest


def build(spec: Spec, catalogue: Mapping[str, type], where: str, **given: Any) -> Any:
    """Makes the object that `spec` names.

    Args:
        spec: class name and constructor arguments.
        catalogue: the names that may stand there and what they build.
        where: path in the experiment file, for messages, e.g. `"stages.0.content.1"`.
        **given: what the experiment says elsewhere once for all (`scale`, `image_size`), handed to constructors
            that take it.

    Raises:
        InputError: unknown class or argument (with "did you mean"), a value of the wrong type or that the
            constructor refuses, or one that contradicts `given`.
    """
    if spec.class_name not in catalogue:
        raise InputError(f"{where}.class_name: no {spec.class_name!r}{suggest(spec.class_name, catalogue)}")
    constructor = catalogue[spec.class_name]
    parameters = inspect.signature(constructor).parameters
    config = dict(spec.config)
    for key in config:
        if key not in parameters:
            raise InputError(
                f"{where}.config.{key}: {spec.class_name} takes no such argument{suggest(key, parameters)}"
            )
    for key, value in given.items():
        if key not in parameters:
            continue
        if config.setdefault(key, value) != value:
            raise InputError(
                f"{where}.config.{key}: is {config[key]!r}, but the experiment's own is {value!r}; leave it out here"
            )
    for key, parameter in parameters.items():
        required = parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if required and key not in config:
            raise InputError(f"{where}.config.{key}: {spec.class_name} needs this argument; add it")
    for key, value in config.items():
        config[key] = _checked(value, parameters[key].annotation, f"{where}.config.{key}")
    try:
        return constructor(**config)
    except InputError as error:
        # A remedy that is an override of this very object writes {where} for its place.
        raise type(error)(f"{where}: {error}".replace("{where}", where)) from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {spec.class_name} refuses its configuration: {error}") from error


def _checked(value: Any, annotation: Any, where: str) -> Any:
    """The value checked against the constructor's annotation; a name without one takes anything."""
    if annotation is inspect.Parameter.empty:
        return value
    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True)).validate_json(
            json.dumps(value), strict=True
        )
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join([where, *(str(part) for part in problem["loc"])])
        raise InputError(f"{place}: {problem['msg']}, found {problem['input']!r}") from error
