"""Argument checks shared by constructors and commands; the messages state what was expected."""

import argparse
from collections.abc import Sequence
from typing import Any


def one_of(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not known; expected one of {', '.join(map(repr, choices))}")


def at_least(minimum: int, **values: int) -> None:
    """Raises ValueError for any named value below `minimum`."""
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name}: {value} is too small; expected {minimum} or more")


def increasing(**ranges: Sequence[float]) -> None:
    """Raises ValueError unless each named range is (low, high) with low < high."""
    for name, value in ranges.items():
        if len(value) != 2 or not value[0] < value[1]:
            raise ValueError(f"{name}: {value!r} is not a range; expected [low, high] with low below high")


def halo_argument(text: str) -> int | str:
    """Parses `--halo` of a command line: exact, or a number of pixels."""
    if text == "exact":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected exact, or a number of pixels") from None
