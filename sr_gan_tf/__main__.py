"""`python -m sr_gan_tf COMMAND ...` and `sr-gan-tf COMMAND ...`: runs one of the package's commands, or lists them.

The list, and errors before a command starts, do not import TensorFlow, which takes seconds.
"""

import ast
import importlib
import re
import sys
from pathlib import Path

from sr_gan_tf.errors import InputError, command, suggest
from sr_gan_tf.quiet_start import COMMAND, is_dispatcher

_PACKAGE = Path(__file__).parent


def commands() -> dict[str, str]:
    """Returns each command's name and the first sentence of its module's docstring; no module is imported."""
    found = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path != Path(__file__) and COMMAND in text and '\nif __name__ == "__main__":' in text:
            parts = path.relative_to(_PACKAGE).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__main__" else parts)
            sentence = " ".join((ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0].split())
            found[name] = re.sub(r"^`[^`]*`: ", "", sentence).rstrip(".")
    return found


def _program() -> str:
    """The name of the console script, or the module, depending on what the user typed."""
    return "python -m sr_gan_tf" if Path(sys.argv[0]).suffix == ".py" or not is_dispatcher() else "sr-gan-tf"


@command
def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default those of the process."""
    words = sys.argv[1:] if argv is None else argv
    known = commands()
    program = _program()
    if words and words[0] in ("-h", "--help"):
        width = max(map(len, known))
        print(f"usage: {program} COMMAND ...\n\n{program} COMMAND --help describes the options of a command.\n")
        print("\n".join(f"  {name.ljust(width)}  {text}" for name, text in known.items()))
        return 0
    if not words:
        raise InputError(f"no command given; expected {program} COMMAND; see {program} --help")
    name = words[0]
    if name.startswith("-"):
        raise InputError(f"{name}: expected the command before its options, as in {program} COMMAND {name}")
    if name not in known:
        raise InputError(f"unknown command {name!r}; expected {program} COMMAND{suggest(name, known)}")
    module = f"sr_gan_tf.{name}.__main__" if (_PACKAGE / name).is_dir() else f"sr_gan_tf.{name}"
    if "." in name:  # a tool in a subpackage, which imports TensorFlow immediately
        importlib.import_module("sr_gan_tf").start()
    return importlib.import_module(module).main(words[1:])


if __name__ == "__main__":
    sys.exit(main())
