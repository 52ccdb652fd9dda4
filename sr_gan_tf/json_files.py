"""Reads JSON files with errors that name the location, and applies `KEY=JSON` overrides."""

import json
from pathlib import Path
from typing import Any

from sr_gan_tf.errors import InputError


def read_json(path: str | Path) -> dict:
    """A JSON object from a file, with an error that names line and column."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; pass an experiment file in JSON") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; pass the path of an experiment file") from error
    try:
        raw = json.loads(text, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except _DuplicateKey as error:
        raise InputError(f"{path}: the key {error} occurs twice in one object; keep one of them") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: expected a JSON object {{...}}, found {type(raw).__name__}")
    return raw


def override(raw: dict, text: str) -> None:
    """Applies one `KEY=JSON` of the command line, e.g. `stages.0.steps=100`."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InputError(f"--set {text}: expected KEY=JSON, e.g. --set stages.0.steps=100")
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError as error:
        raise InputError(f"--set {text}: {value!r} is not JSON ({error.msg}); put strings in double quotes") from error
    put(raw, key, parsed, f"--set {text}")


def put(raw: dict, key: str, value: Any, where: str) -> None:
    """Sets the value at a dotted path."""
    *path, last = key.split(".")
    place: Any = raw
    for part in path:
        place = _step(place, part, where)
    if isinstance(place, list):
        place[_index(place, last, where)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"{where}: {'.'.join(path)} is {place!r}, so nothing below it can be set")


def _step(place: Any, part: str, where: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, part, where)]
    if isinstance(place, dict):
        return place.setdefault(part, {})
    raise InputError(f"{where}: {part!r} is a plain value, so nothing below it can be set")


def _index(place: list, part: str, where: str) -> int:
    if not part.isdigit() or int(part) >= len(place):
        raise InputError(f"{where}: {part!r} is not an index in a list of {len(place)}; use 0 to {len(place) - 1}")
    return int(part)


class _DuplicateKey(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict:
    result = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKey(repr(key))
        result[key] = value
    return result
