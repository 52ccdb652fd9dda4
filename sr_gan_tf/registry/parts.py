"""Parts by name: catalogs, `register`, and the three ways to use a custom part in an experiment.

An experiment gives a module and name, `"class_name": "my_parts:MyGenerator"`; or the bare name of a class that was
registered by `register` (or Keras's `register_keras_serializable`); or a name that an installed package offers under
the entry point group `sr_gan_tf.parts`. imports.py decides which modules may be imported.
"""

import hashlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.registry.imports import (
    describe_fault,
    import_module,
    is_allowed,
    is_module_name,
    read_environment,
    remedy,
    unmet,
)

ENTRY_POINTS = "sr_gan_tf.parts"

# What was passed to `register`: name to the parts of that name (a loss and a metric may share one).
_parts: dict[str, list[Any]] = {}
_entry_points_loaded: list[bool] = []


class Catalog(dict):
    """The names that one key of an experiment may have, and the test that a custom part must pass.

    Args:
        kind: the kind of part in messages, e.g. `"generator"`.
        shipped: the package's parts by name.
        bases: classes from which a custom part must derive; a part that is no class (a metric) must be an instance.
        adapt: converts what a foreign constructor returned to a part of this kind. Called with the object and the
            `given` of `build`; raises ValueError to refuse the object. Without it, only `bases` are accepted.
        functions: whether a custom part may be a function that returns the object.
    """

    def __init__(
        self,
        kind: str,
        shipped: Mapping[str, Any],
        bases: tuple[type, ...],
        adapt: Callable[..., Any] | None = None,
        functions: bool = False,
    ):
        super().__init__(shipped)
        self.kind, self.bases, self.adapt, self.functions = kind, bases, adapt, functions

    def accepts(self, part: Any) -> bool:
        """Whether a part belongs to this catalog, as far as that is known before it is built."""
        if isinstance(part, type):
            return issubclass(part, self.bases)
        return isinstance(part, self.bases) or (self.functions and inspect.isfunction(part))

    @property
    def expected(self) -> str:
        names = " or ".join(f"{base.__module__.partition('.src')[0]}.{base.__qualname__}" for base in self.bases)
        return f"expected a subclass of {names}" + (", or a function that returns one" if self.functions else "")


def register(part: Any = None, /, *, name: str | None = None) -> Any:
    """Lets experiments use a custom part by its bare name; works as a decorator, with or without arguments.

    Classes that Keras can save (networks, layers, losses, optimizers) are registered with Keras as well, so that
    `.keras` files that contain them load.

    Args:
        part: a class, a function that returns a network, or a `Metric`.
        name: the name in experiments; default: the part's own.

    Returns:
        The part, unchanged.

    Example:
        >>> @sr_gan_tf.register
        ... class MyGenerator(keras.Model):
        ...     ...
        >>> experiment = experiment.override(generator={"class_name": "MyGenerator"})
    """
    if part is None:
        return lambda part: register(part, name=name)
    name = name or getattr(part, "__name__", None)
    if not name or ":" in name:
        raise ValueError(f"register: {name!r} cannot be the name of a part; pass name=..., without a colon")
    same = [one for one in _parts.get(name, []) if _origin(one) != _origin(part)]  # a notebook's cell may run again
    _parts[name] = [*same, part]
    if isinstance(part, type) and hasattr(part, "get_config"):
        known_to_keras(part, name)
    return part


def known_to_keras(part: type, name: str | None = None) -> None:
    """Registers a class with Keras as `MODULE>NAME`, unless it is registered already."""
    if keras.saving.get_registered_name(part) == part.__name__:
        keras.saving.register_keras_serializable(_package(part), name or part.__name__)(part)


def find(name: str, catalog: Mapping[str, Any], where: str) -> Any:
    """Returns the constructor (or metric) for a name in a catalog.

    Raises:
        InputError: no part has that name, it is of another kind, or its module may not be imported.
    """
    if not isinstance(catalog, Catalog):
        if name not in catalog:
            raise InputError(f"{where}: no {name!r}{suggest(name, catalog)}")
        return catalog[name]
    read_environment()
    if ":" in name:
        return _from_module(name, catalog, where)
    if name in catalog:
        rivals = [part for part in _parts.get(name, []) if catalog.accepts(part)]
        if rivals:
            raise InputError(
                f"{where}: {name!r} is a part of sr_gan_tf and the name of a {catalog.kind} registered by "
                f"{rivals[0].__module__}; register it under another name"
            )
        return catalog[name]
    own = _registered(name, catalog)
    if not own:
        _load_entry_points()
        own = _registered(name, catalog)
    if len(own) > 1:
        modules = " and ".join(sorted(f"{part.__module__}:{name}" for part in own))
        raise InputError(f"{where}: {name!r} is registered more than once; write one of {modules}")
    if own:
        return own[0]
    known = [*catalog, *(key for key in _parts if _registered(key, catalog))]
    module, _, bare = name.rpartition(".")
    hint = f"; a part of your own is written {module}:{bare}" if module else suggest(name, known)
    raise InputError(f"{where}: no {name!r}{hint}{unmet()}")


def registered_class(name: str) -> type | None:
    """Returns the class that Keras knows by this registered name, including those of installed packages."""
    read_environment()
    found = keras.saving.get_registered_object(name)
    if found is None and not name.startswith("sr_gan_tf"):
        _load_entry_points()
        found = keras.saving.get_registered_object(name)
    return found if isinstance(found, type) else None


def undefined_methods(part: type) -> list[str]:
    """The methods, with their arguments, that a base class leaves to its subclasses and `part` does not define."""
    left = [name for name in dir(part) if getattr(getattr(part, name, None), "__isabstractmethod__", False)]
    for base, name in ((keras.losses.Loss, "call"), (keras.optimizers.schedules.LearningRateSchedule, "__call__")):
        if issubclass(part, base) and getattr(part, name) is getattr(base, name) and part.__call__ is base.__call__:
            left.append(name)
    return [f"{name}({', '.join([*inspect.signature(getattr(part, name)).parameters][1:])})" for name in left]


def source_digest(part: Any) -> bytes:
    """Hashes the file that defines a custom part; empty for the package's own parts."""
    kind = type(part)
    if kind.__module__.partition(".")[0] == "sr_gan_tf":
        return b""
    try:
        text = Path(inspect.getfile(kind)).read_bytes()
    except (TypeError, OSError):  # defined in a notebook or the interpreter
        text = kind.__qualname__.encode()
    return hashlib.sha256(text).digest()


def _registered(name: str, catalog: Catalog) -> list[Any]:
    """Returns the custom parts of that name and of the catalog's kind."""
    found = [part for part in _parts.get(name, []) if catalog.accepts(part)]
    for key, part in keras.saving.get_custom_objects().items():
        package, _, bare = key.rpartition(">")
        if bare == name and not package.startswith("sr_gan_tf") and catalog.accepts(part):
            found.append(part)
    return list({_origin(part): part for part in found}.values())


def _from_module(name: str, catalog: Catalog, where: str) -> Any:
    """Returns the part that "module:Name" refers to."""
    module_name, _, attribute = name.partition(":")
    if not is_module_name(module_name):
        raise InputError(f"{where}: {name!r} names no module; write MODULE:NAME, e.g. my_parts:MyGenerator")
    if not is_allowed(module_name):
        raise InputError(
            f"{where}: {name} is code of the module {module_name!r}, which is imported only with your permission; "
            f"{remedy(module_name)}"
        )
    module = sys.modules.get(module_name) or import_module(module_name, wait=False)
    known = [key for key, value in vars(module).items() if not key.startswith("_") and catalog.accepts(value)]
    part = vars(module).get(attribute)
    if part is None:
        raise InputError(f"{where}: {module_name} has no {attribute!r}{suggest(attribute, known)}")
    if not catalog.accepts(part) or _foreign(part, module_name):
        raise InputError(f"{where}: {name} is no {catalog.kind}; {catalog.expected}")
    if isinstance(part, type) and hasattr(part, "get_config"):
        known_to_keras(part)
    return part


def _foreign(part: Any, module: str) -> bool:
    """Whether a module merely imported this class or function from elsewhere."""
    if not isinstance(part, type) and not inspect.isfunction(part):
        return False
    return part.__module__.partition(".")[0] != module.partition(".")[0]


def _load_entry_points() -> None:
    """Imports the parts of installed packages, once; an entry point names a module, or a part in one."""
    if _entry_points_loaded:
        return
    _entry_points_loaded.append(True)
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            part = point.load()
        except Exception as error:
            raise InputError(
                f"the entry point {point.name!r} ({point.value}) cannot be loaded: {describe_fault(error)}; "
                "repair or uninstall its package"
            ) from error
        if not isinstance(part, ModuleType):
            register(part, name=point.name)


def _origin(part: Any) -> tuple:
    named = isinstance(part, type) or inspect.isfunction(part)
    return (part.__module__, part.__qualname__) if named else (id(part),)


def _package(part: type) -> str:
    """The package under which Keras knows a class: its module's name, even if that runs as the main program."""
    if part.__module__ != "__main__":
        return part.__module__
    file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(file).stem if file else "__main__"
