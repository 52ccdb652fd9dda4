"""Writing modules of a user's own for tests."""

import textwrap


def module(name: str, text: str) -> str:
    """A module in the present folder, which is not on Python's path."""
    path = f"{name}.py"
    with open(path, "w", encoding="utf-8") as file:
        file.write(textwrap.dedent(text))
    return path
