"""A user's mistake leads to one line `error: what, where, what was expected, how to fix it` and exit code 2."""

import argparse
import difflib
import functools
import io
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn


class InputError(ValueError):
    """An input of the user is invalid; the message is one line and says how to fix it."""


class Unavailable(InputError):
    """Something outside the experiment (a download, weights) is unavailable; the experiment itself is valid."""


class Unsupported(InputError):
    """A format cannot represent this network with any options; another format or network is needed."""


class Interrupted(KeyboardInterrupt):
    """Stopped by the user or by SIGTERM; the message says what was saved and how to resume."""


# Characters that change the direction in which a terminal shows text.
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises InputError: one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def command(main: Callable[[list[str] | None], int | None]) -> Callable[..., int]:
    """Turns a command's `InputError` into one line on standard error and exit code 2, and Ctrl-C into code 130."""

    @functools.wraps(main)
    def wrapped(argv: list[str] | None = None) -> int:
        for stream in (sys.stdout, sys.stderr):
            # File names that the terminal cannot show, or that are not valid text, are shown with escapes.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return main(argv) or 0
        except InputError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return 2
        except BrokenPipeError:
            # The reader of a pipe has closed it (`| head`): no failure of this program, and not worth a traceback.
            sys.stderr.close()
            return 128 + getattr(signal, "SIGPIPE", 13)  # Windows has no such signal
        except KeyboardInterrupt as interrupt:
            print(f"stopped: {one_line(interrupt) or 'by the user'}", file=sys.stderr)
            return 128 + signal.SIGINT

    return wrapped


def one_line(error: BaseException) -> str:
    """Returns the error's text on one line, without characters that would control a terminal."""
    return printable(" ".join(str(error).split()))


def printable(text: str) -> str:
    """Escapes control characters and direction marks, which a file's name may contain."""
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) == "Cc" or character in _DIRECTIONS else character
        for character in text
    )


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns `; did you mean 'SRResNet'?` if a known name is similar, otherwise the list of known names."""
    names = [item for item in known if item != "self"]
    lowered = {item.lower(): item for item in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lowered[close[0]]!r}?"
    return f"; expected one of {', '.join(names)}" if names else ""


# pydantic's names for the types of a value that may have several; they are no part of the value's path.
_MEMBERS = ("constrained-float", "constrained-int", "float", "int", "bool", "str", "Spec")
_SHOULD_BE = "Input should be "


def describe_errors(errors: Sequence[Mapping[str, Any]], keys: Callable[[tuple], Iterable[str]]) -> str:
    """All errors as `path: what was expected, found what`.

    Args:
        errors: those of pydantic's `ValidationError`.
        keys: the keys that an object has at a path, for suggestions.
    """
    places: dict[tuple, list[Mapping[str, Any]]] = {}
    for error in errors:
        places.setdefault(_place(error["loc"]), []).append(error)
    rest = [error for place, found in places.items() for error in _of_likely_type(place, found)]
    # A list of which all entries are wrong is not also too short.
    short = [error for error in rest if error["type"] == "too_short" and error["input"]]
    return "; ".join(_describe(error, keys) for error in rest if error not in short or len(rest) == len(short))


def _place(path: tuple) -> tuple:
    """The path up to the value that may have several types, or all of it."""
    return next((path[:index] for index, part in enumerate(path) if _is_member(part)), path)


def _is_member(part: Any) -> bool:
    return part in _MEMBERS or (isinstance(part, str) and "[" in part)


def _of_likely_type(place: tuple, errors: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors for the type that a value resembles, or one that names all types."""
    if errors[0]["loc"] == place:
        return errors
    objects = [error for error in errors if error["loc"][len(place)] == "Spec"]
    if objects and objects[0]["type"] != "dataclass_type":
        return objects
    deepest = max(errors, key=lambda error: len(error["loc"]))
    if len(deepest["loc"]) > len(place) + 1:
        return [{**deepest, "loc": place + deepest["loc"][len(place) + 1 :]}]
    values = [error for error in errors if not error["msg"].startswith(_SHOULD_BE) or "than" in error["type"]]
    if values:
        return [{**values[0], "loc": place}]
    types = dict.fromkeys(error["msg"].removeprefix(_SHOULD_BE) for error in errors)
    return [{**errors[0], "loc": place, "msg": _SHOULD_BE + " or ".join(types)}]


def _describe(error: Mapping[str, Any], keys: Callable[[tuple], Iterable[str]]) -> str:
    path = ".".join(str(part) for part in error["loc"] if not _is_member(part))
    if error["type"] == "missing":
        return f"{path}: missing; add it"
    if error["type"] == "unexpected_keyword_argument":
        return f"{path}: unknown key{suggest(str(error['loc'][-1]), keys(error['loc'][:-1]))}"
    return f"{path}: {error['msg']}, found {error['input']!r}"
