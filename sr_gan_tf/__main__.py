"""`python -m sr_gan_tf`: the commands of this package, a line each; `python -m sr_gan_tf.COMMAND --help` says more."""

import ast
import re
import sys
from pathlib import Path

from sr_gan_tf.errors import InputError, command, suggest

_PACKAGE = Path(__file__).parent


def commands() -> dict[str, str]:
    """Name below `sr_gan_tf.` to what the first sentence of the module's docstring says; no module is imported."""
    found = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path != Path(__file__) and "\n@command\ndef main(" in text and '\nif __name__ == "__main__":' in text:
            parts = path.relative_to(_PACKAGE).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__main__" else parts)
            sentence = " ".join((ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0].split())
            found[name] = re.sub(r"^`[^`]*`: ", "", sentence).rstrip(".")
    return found


@command
def main(argv: list[str] | None = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    known = commands()
    if words and words[0] in ("-h", "--help"):
        width = max(map(len, known))
        print("usage: python -m sr_gan_tf.COMMAND ...; --help after a command says more\n")
        print("\n".join(f"  {name.ljust(width)}  {text}" for name, text in known.items()))
        return
    if not words:
        raise InputError("no command named; expected python -m sr_gan_tf.COMMAND, which --help lists")
    if words[0] in known:
        raise InputError(f"{words[0]} is a module of its own; say python -m sr_gan_tf.{words[0]}")
    raise InputError(f"no command {words[0]!r}; say python -m sr_gan_tf.COMMAND{suggest(words[0], known)}")


if __name__ == "__main__":
    sys.exit(main())
