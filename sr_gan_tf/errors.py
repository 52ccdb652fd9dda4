"""A user's mistake ends in one line `error: what, where, what was expected, how to fix it` and exit code 2."""

import argparse
import difflib
import functools
import io
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterable
from typing import NoReturn


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line and says how to fix it."""


class Unavailable(InputError):
    """Something outside the experiment (a download, weights) is not available here; the experiment itself is valid."""


class Unsupported(InputError):
    """A format cannot hold this network, whatever options are chosen; another format or network can."""


class Interrupted(KeyboardInterrupt):
    """Stopped by the user or by SIGTERM; the message says what was saved and how to resume."""


# Characters that change the order in which a terminal shows others.
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises InputError: one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def command(main: Callable[[list[str] | None], int | None]) -> Callable[..., int]:
    """Turns a command's `InputError` into one line on standard error and exit code 2, Ctrl-C into 130."""

    @functools.wraps(main)
    def wrapped(argv: list[str] | None = None) -> int:
        for stream in (sys.stdout, sys.stderr):
            # File names that the terminal cannot show, or that are not text at all, appear with escapes.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return main(argv) or 0
        except InputError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return 2
        except BrokenPipeError:
            # The reader of a pipe has gone (`| head`): not this program's failure, and not worth a traceback.
            sys.stderr.close()
            return 128 + getattr(signal, "SIGPIPE", 13)  # Windows has no such signal
        except KeyboardInterrupt as interrupt:
            print(f"stopped: {one_line(interrupt) or 'by the user'}", file=sys.stderr)
            return 128 + signal.SIGINT

    return wrapped


def one_line(error: BaseException) -> str:
    """The error's text on one line, without characters that would control a terminal."""
    return printable(" ".join(str(error).split()))


def printable(text: str) -> str:
    """The text with escapes for control characters and marks of direction, which a file's name may contain."""
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) == "Cc" or character in _DIRECTIONS else character
        for character in text
    )


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'SRResNet'?` where a known name is close, else the list of known names."""
    names = [item for item in known if item != "self"]
    lowered = {item.lower(): item for item in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lowered[close[0]]!r}?"
    return f"; expected one of {', '.join(names)}" if names else ""
