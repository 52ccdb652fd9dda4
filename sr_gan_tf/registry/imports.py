"""Modules with custom parts: keeps track of which ones the user has allowed, and imports them.

A file never decides which code runs. A module named by a file is imported only if the user has named it as well: with
`--import` on the command line, in the environment variable SR_GAN_TF_IMPORT, or through `import_parts` in Python.
"""

import argparse
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.quiet_start import import_tensorflow

VARIABLE = "SR_GAN_TF_IMPORT"

# Module name to the name under which it can be imported again: the absolute path for a file, otherwise the module name.
_allowed: dict[str, str] = {}
# Modules that the user has allowed but that can't be found until the experiment file's folder is known.
_waiting: list[str] = []
# Imports that files have requested, for messages: import to the requesting file.
_wanted: dict[str, str] = {}
_folders: list[Path] = []
_environment_read: list[bool] = []


def import_parts(name: str | Path) -> None:
    """Imports a module that defines custom parts, and allows experiments and `.keras` files to name it.

    Args:
        name: a module (`my_parts`, `my_package.parts`) or the path of a file (`parts/my_parts.py`).

    Raises:
        InputError: the module cannot be found, or importing it fails.
    """
    if not import_module(str(name), wait=False):
        raise InputError(f"--import {name}: no such module; give a module on Python's path, or the path of a .py file")


def add_import(parser: argparse.ArgumentParser, experiment: bool = False) -> None:
    """Adds `--import` to a command; with `experiment`, modules may also be in the experiment file's folder."""

    class Import(argparse.Action):
        def __call__(self, parser, namespace, values, option_string=None):
            if import_module(values, wait=experiment) is None and not experiment:
                import_parts(values)  # reports errors

    read_environment(wait=experiment)
    parser.add_argument(
        "--import", action=Import, dest="imports", metavar="MODULE", default=argparse.SUPPRESS,
        help="allow this module or .py file with custom parts; repeatable",
    )  # fmt: skip


def register_experiment_file(path: str | Path, wanted: tuple[str, ...] = ()) -> None:
    """Registers an experiment file: allowed modules may be in its folder; `wanted` are the imports that it requests.

    Raises:
        InputError: a module that the user allowed is neither on the path nor in that folder.
    """
    folder = Path(path).absolute().parent
    if folder not in _folders:
        _folders.append(folder)
    for name in wanted:
        if not is_allowed(_module_name(name)):
            _wanted[str(folder / name) if _is_path(name) else name] = str(path)
    for name in list(_waiting):
        _waiting.remove(name)
        if import_module(name, wait=False) is None:
            same = [item for item in _wanted if _module_name(item) == name]
            hint = f"; {path} was made with --import {same[0]}" if same else ""
            raise InputError(f"--import {name}: no such module on Python's path, nor {name}.py in {folder}{hint}")


def imported() -> tuple[str, ...]:
    """Returns what the user has imported, under the names with which it can be imported again."""
    return tuple(_allowed.values())


def is_allowed(module: str) -> bool:
    """Whether the user has allowed this module or a package that contains it; a path is no module."""
    return is_module_name(module) and any(module == name or module.startswith(f"{name}.") for name in _allowed)


def is_module_name(name: str) -> bool:
    """Whether a name can be a module's, e.g. `my_package.parts`; `my_parts.py` is a file name."""
    return not name.endswith(".py") and all(part.isidentifier() for part in name.split("."))


def remedy(module: str) -> str:
    """Tells how the user can allow a module that a file names."""
    name = next((wanted for wanted in _wanted if _module_name(wanted) == module), module)
    return f"if you trust it, pass --import {name}, set {VARIABLE}={name}, or call sr_gan_tf.import_parts({name!r})"


def unmet() -> str:
    """Message about imports that files have requested and the user has not allowed."""
    for name, file in _wanted.items():
        way = remedy(_module_name(name))
        return f"; {file} needs the module {name}, which is imported only with your permission: {way}"
    return ""


def read_environment(wait: bool = True) -> None:
    """Imports the modules listed in the environment variable, once."""
    if _environment_read:
        return
    _environment_read.append(True)
    for name in filter(None, (item.strip() for item in os.environ.get(VARIABLE, "").split(","))):
        if not import_module(name, wait) and not wait:
            raise InputError(f"{VARIABLE}={name}: no such module; give a module on Python's path, or a .py file")


def describe_fault(error: BaseException) -> str:
    """Describes an exception of the user's own code on one line, with its location."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    frames = [frame for frame in frames if str(Path(__file__).parents[1]) not in frame.filename]
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    text = re.sub(r"\x1b\[\d*m", "", one_line(error))  # Keras's messages contain codes for bold type
    return f"{type(error).__name__}: {text[:300]}{place}"


def import_module(name: str, wait: bool) -> ModuleType | None:
    """Returns the module, or None if it isn't found; with `wait`, it is then searched in the experiment's folder."""
    if _is_path(name):
        path = Path(name).expanduser().absolute()
        if not path.is_file() and not (path / "__init__.py").is_file():
            raise InputError(
                f"--import {name}: no such file; give a .py file, a package's folder or the name of a module"
            )
        return _execute(path)
    if not is_module_name(name):
        raise InputError(f"--import {name}: {name!r} is no name of a module; give e.g. my_parts or parts/my_parts.py")
    top, _, rest = name.partition(".")
    for folder in [Path.cwd(), *_folders] if name not in sys.modules and not _on_path(name) else ():
        if (folder / f"{name}.py").is_file():
            return _execute(folder / f"{name}.py")
        if (folder / top / "__init__.py").is_file():
            package = _execute(folder / top)
            return _guarded(name, lambda: importlib.import_module(name)) if rest else package
    if name not in sys.modules and not _on_path(name):
        if wait and name not in _waiting:
            _waiting.append(name)
        return None
    module = _guarded(name, lambda: importlib.import_module(name))
    _allow(name, _called(name))
    return module


def _called(name: str) -> str:
    """Returns the name with which an imported module can be imported again from another folder."""
    top = name.partition(".")[0]
    file = Path(getattr(sys.modules[top], "__file__", None) or "").absolute()
    if "site-packages" in file.parts or file.suffix != ".py":
        return name
    if file.name == "__init__.py":
        return str(file.parent) if file.parent.parent in (Path.cwd(), *_folders) else name
    return str(file) if file.stem == name else name


def _on_path(name: str) -> bool:
    top = name.partition(".")[0]
    return importlib.util.find_spec(top) is not None


def _is_path(name: str) -> bool:
    return name.endswith(".py") or os.sep in name


def _execute(path: Path) -> ModuleType:
    """Runs a file, or the folder of a package, as the module with its name."""
    name, known = path.stem, sys.modules.get(path.stem)
    file = path / "__init__.py" if path.is_dir() else path
    if not name.isidentifier():
        raise InputError(f"--import {path}: {name!r} is no name of a module; rename the file")
    if known is not None:
        if Path(getattr(known, "__file__", None) or "").absolute() != file:
            raise InputError(f"--import {path}: another module {name!r} is loaded already; rename the file")
        _allow(name, str(path))
        return known
    folders = [str(path)] if path.is_dir() else None
    specification = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if specification is None or specification.loader is None:
        raise InputError(f"--import {path}: Python cannot load it; give a .py file")
    module, loader = importlib.util.module_from_spec(specification), specification.loader
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # so that the file can import from its own folder
    try:
        _guarded(str(path), lambda: loader.exec_module(module))
    except InputError:
        del sys.modules[name]
        raise
    _allow(name, str(path))
    return module


def _guarded(name: str, action: Callable[[], Any]) -> Any:
    import_tensorflow()  # quietly, before the user's code imports it
    try:
        return action()
    except Exception as error:
        raise InputError(f"--import {name}: {describe_fault(error)}") from error


def _allow(module: str, called: str) -> None:
    _allowed[module] = called
    _wanted.pop(called, None)
    os.environ[VARIABLE] = ",".join(_allowed.values())  # for child processes


def _module_name(name: str) -> str:
    return Path(name).stem if _is_path(name) else name
