"""Imports TensorFlow without the messages about CUDA and oneDNN that it writes before its log levels take effect.

TensorFlow 2.19 to 2.21 write them regardless of `TF_CPP_MIN_LOG_LEVEL`, and they bury a command's own output.
`TF_CPP_MIN_LOG_LEVEL=0` shows everything. https://github.com/tensorflow/tensorflow/issues/100442
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Identifies the file of a command.
COMMAND = "\n@command\ndef main("
_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"
# "I0000 00:00:1795330784.9 30445 port.cc:153] oneDNN ...": information and warnings, not errors.
_CHATTER = re.compile(rb"(WARNING: All log messages before absl::InitializeLog|[IW]\d{4} [\d:. ]+\S+\.cc:\d+\]).*\n?")


def import_tensorflow() -> None:
    """Imports TensorFlow; passes on anything that it writes except its startup messages."""
    if "tensorflow" in sys.modules or os.environ.get(_VARIABLE) == "0":
        return
    with without_chatter():
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Collects what C++ code writes to standard error, and passes on everything except startup messages."""
    # Without an NVIDIA driver, CUDA's failure to start is not an error.
    os.environ.setdefault(_VARIABLE, "3" if not has_nvidia_driver() else "2")
    if os.environ[_VARIABLE] == "0":
        yield
        return
    try:
        real = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush() if sys.stderr else None
            os.dup2(real, 2)
            os.close(real)
            file.seek(0)
            said = b"".join(line for line in file if not _CHATTER.match(line))
            if said:
                os.write(2, said)


def has_nvidia_driver() -> bool:
    """Whether TensorFlow may find an NVIDIA GPU."""
    return os.path.exists("/dev/nvidiactl")


def _module() -> str | None:
    """Returns the argument of `python -m`, the package's name for the console script `sr-gan-tf`, otherwise None."""
    words = sys.orig_argv[1:]
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c"):
        words = words[2 if words[0] in ("-X", "-W") else 1 :]
    if words[:1] == ["-m"]:
        return words[1] if len(words) > 1 else None
    return "sr_gan_tf" if words and Path(words[0]).stem == "sr-gan-tf" else None


def is_dispatcher() -> bool:
    """Whether this process was started as `python -m sr_gan_tf ...` or by the console script `sr-gan-tf`."""
    return _module() == "sr_gan_tf"


def is_command() -> bool:
    """Whether the process was started as one of the package's commands, which import TensorFlow on demand."""
    package, _, name = (_module() or "").partition(".")
    if package != "sr_gan_tf" or "." in name:
        return False
    path = Path(__file__).parent / name
    path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return path.is_file() and COMMAND in path.read_text(encoding="utf-8")
