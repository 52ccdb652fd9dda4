"""`build(spec, catalog, where)` creates an object of the experiment file; its constructor is the schema."""

import dataclasses
import inspect
import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError, describe_errors, suggest
from sr_gan_tf.registry.imports import describe_fault
from sr_gan_tf.registry.parts import Catalog, find, undefined_methods

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def build(spec: Spec, catalog: Mapping[str, type], where: str, **given: Any) -> Any:
    """Creates the object that `spec` names.

    Args:
        spec: class name and constructor arguments.
        catalog: the valid names and what they build; a `Catalog` also accepts custom parts.
        where: path in the experiment file, for messages, e.g. `"stages.0.content.1"`.
        **given: values that the experiment sets elsewhere (`scale`, `image_size`), passed to constructors that accept
            them.

    Returns:
        The object.

    Raises:
        InputError: an unknown class or argument (with "did you mean"), a value of the wrong type or that the
            constructor rejects, or one that contradicts `given`.
    """
    constructor = find(spec.class_name, catalog, f"{where}.class_name")
    is_own = spec.class_name not in catalog
    missing = undefined_methods(constructor) if is_own and isinstance(constructor, type) else []
    if missing:
        raise InputError(f"{where}.class_name: {spec.class_name} does not define {' and '.join(missing)}; add it")
    parameters = arguments_of(constructor)
    config = dict(spec.config)
    for key in config:
        if key not in parameters:
            raise InputError(
                f"{where}.config.{key}: {spec.class_name} takes no such argument{suggest(key, parameters)}"
                if parameters
                else f"{where}.config.{key}: {spec.class_name} takes no arguments; remove it"
            )
    for key, value in given.items():
        if key not in parameters:
            continue
        if config.setdefault(key, value) != value:
            raise InputError(
                f"{where}.config.{key}: is {config[key]!r}, but that of the experiment is {value!r}; remove it here"
            )
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in config:
            raise InputError(f"{where}.config.{key}: {spec.class_name} needs this argument; add it")
    for key, value in config.items():
        config[key] = _checked(value, parameters[key].annotation, f"{where}.config.{key}")
    try:
        built = constructor(**config)
    except InputError as error:
        # A remedy that is an override of this very object contains {where} in place of its path.
        raise type(error)(f"{where}: {error}".replace("{where}", where)) from error
    except (TypeError, ValueError) as error:
        place = f" ({describe_fault(error)})" if is_own and isinstance(error, TypeError) else ""
        raise InputError(f"{where}: {spec.class_name} rejects its configuration: {error}{place}") from error
    except Exception as error:
        if not is_own:
            raise
        raise InputError(f"{where}: {spec.class_name} cannot be created: {describe_fault(error)}; repair it") from error
    if not is_own or not isinstance(catalog, Catalog) or catalog.adapt is None:
        return built
    try:
        return catalog.adapt(built, **given)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def arguments_of(constructor: Any) -> dict[str, inspect.Parameter]:
    """Returns the named arguments of a constructor; if it passes `**kwargs` on, also those of its base classes."""
    try:
        signature = inspect.signature(constructor, eval_str=True)
    except (NameError, TypeError, SyntaxError):  # annotations that only a type checker can read
        signature = inspect.signature(constructor)
    parameters = signature.parameters.values()
    named = {item.name: item for item in parameters if item.kind in _NAMED}
    if isinstance(constructor, type) and any(item.kind is item.VAR_KEYWORD for item in parameters):
        owners = [base for base in constructor.__mro__[:-1] if "__init__" in vars(base)]
        for base in owners[1:]:
            for item in inspect.signature(vars(base)["__init__"]).parameters.values():
                if item.kind in _NAMED and item.default is not item.empty:
                    named.setdefault(item.name, item)
    return named


def _checked(value: Any, annotation: Any, where: str) -> Any:
    """Checks a value against the constructor's annotation; an argument without one accepts anything."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return value
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # an annotation that is no type, or a dataclass with its own configuration
        try:
            adapter = TypeAdapter(annotation)
        except PydanticUserError:
            return value
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        kinds = filter(dataclasses.is_dataclass, (annotation, *get_args(annotation)))
        fields = [field.name for kind in kinds for field in dataclasses.fields(kind)]
        problems = [{**problem, "loc": (where, *problem["loc"])} for problem in error.errors()]
        raise InputError(describe_errors(problems, lambda path: fields)) from error
