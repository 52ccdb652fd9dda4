"""Checks what a `.keras` file's configuration names: Keras's harmless classes, this package's, and those allowed.

Keras builds any class that the configuration names, with the arguments given there. Therefore every class is first
looked up here, in the same way as Keras does, before Keras sees the file.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras import layers

from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.imports import import_module, is_allowed, remedy
from sr_gan_tf.registry.parts import known_to_keras, registered_class

_HARMLESS = (
    keras.Operation, keras.initializers.Initializer, keras.regularizers.Regularizer, keras.constraints.Constraint,
    keras.DTypePolicy, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
)  # fmt: skip
# These run foreign code, or read files that the configuration names.
_REFUSED = (
    layers.Lambda, layers.TFSMLayer, layers.JaxLayer, layers.FlaxLayer, layers.TorchModuleWrapper, layers.StringLookup,
    layers.IntegerLookup, layers.TextVectorization,
)  # fmt: skip
# Packages listed later register these; a command that only loads models hasn't imported them.
_TRAINERS = {"sr_gan_tf>GAN": "sr_gan_tf.training.gan", "sr_gan_tf>Supervised": "sr_gan_tf.training.supervised"}
# Values that Keras writes in the same form as a class.
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}


def check_configuration(configuration: Any, path: Path) -> None:
    """Looks up every class that a `.keras` file names, and imports those of modules that the user has allowed.

    Args:
        configuration: the content of the file's `config.json`.
        path: the file, for messages.

    Raises:
        InputError: it is not a model, or it names something that must not be built.
    """
    if not (isinstance(configuration, dict) and {"class_name", "config"} <= configuration.keys()):
        raise InputError(f"{path} cannot be loaded as a .keras model: its config.json describes no object")
    # The compile() arguments of the outermost model aren't read.
    read = {key: value for key, value in configuration.items() if key != "compile_config"}
    try:
        kinds = list(_classes(read, path))
    except RecursionError as error:
        raise InputError(f"{path} cannot be loaded as a .keras model: its config.json is nested too deeply") from error
    if not (isinstance(kinds[0], type) and issubclass(kinds[0], keras.Model)):
        raise InputError(f"{path} holds {str(configuration['class_name'])[:60]!r}, expected a Keras model")


def _classes(value: Any, path: Path) -> Iterator[type | None]:
    """Yields the classes that a value names, outermost first."""
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            kind = _class(value, path)
            yield kind
            if _takes_plain_values(kind):
                return
        for item in value.values():
            yield from _classes(item, path)
    elif isinstance(value, list):
        for item in value:
            yield from _classes(item, path)


def _takes_plain_values(kind: type | None) -> bool:
    """Whether a class takes its configuration as plain values: our networks do; wrappers and trainers build objects."""
    ours = kind is not None and kind.__module__.startswith("sr_gan_tf.")
    return ours and getattr(kind, "takes_plain_values", False)


def _class(value: dict, path: Path) -> type | None:
    name, module = value["class_name"], value.get("module")
    registered = value.get("registered_name", name)
    if name in _VALUES:
        return None
    if name == "function":
        _check_function(value, path)
        return None
    if registered in _TRAINERS:
        importlib.import_module(_TRAINERS[registered])
    kind = registered_class(registered) if isinstance(registered, str) else None
    if kind is None and isinstance(module, str) and isinstance(name, str):
        if re.fullmatch(r"keras(\.\w+)*", module):
            kind = _of_keras(module, name)
        elif is_allowed(module):
            kind = _of_user(module, name, registered)
        elif module.partition(".")[0] != "sr_gan_tf" and module not in sys.builtin_module_names:
            raise InputError(
                f"{path} needs {name[:60]!r} of the module {module[:60]!r}, which is imported only with your "
                f"permission; {remedy(module)}"
            )
    if kind is None or not issubclass(kind, _HARMLESS) or issubclass(kind, _REFUSED):
        raise InputError(f"{path} names {str(name)[:60]!r} of {str(module)[:60]!r}, which no model file may build")
    return kind


def _of_keras(module: str, name: str) -> type | None:
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except Exception:  # a module of another backend can raise anything
        return None
    return kind if isinstance(kind, type) and kind.__module__.startswith("keras.") else None


def _of_user(module: str, name: str, registered: Any) -> type | None:
    """Returns a class of a module that the user has allowed; Keras then finds it by its registered name."""
    loaded = sys.modules.get(module) or import_module(module, wait=False)
    kind = vars(loaded).get(name)
    if isinstance(kind, type) and hasattr(kind, "get_config"):
        known_to_keras(kind)
    return registered_class(registered) if isinstance(registered, str) else None


def _check_function(value: dict, path: Path) -> None:
    """Accepts an activation of Keras, or a function that the user's code has registered."""
    name, module = value["config"], value.get("module")
    known = isinstance(name, str) and (
        keras.saving.get_registered_object(name) is not None
        or (
            callable(getattr(keras.activations, name, None))
            and name not in ("get", "serialize", "deserialize")
            and (module in (None, "builtins") or str(module).startswith("keras.activations"))
        )
    )
    if not known:
        raise InputError(f"{path} names the function {str(name)[:60]!r}, which no model file may call")
