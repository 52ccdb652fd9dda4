"""Imports TensorFlow without the lines about CUDA and oneDNN that it writes before its log levels take effect.

TensorFlow 2.19 to 2.21 write them regardless of `TF_CPP_MIN_LOG_LEVEL`, and a command's own output is lost among
them. `TF_CPP_MIN_LOG_LEVEL=0` shows everything. https://github.com/tensorflow/tensorflow/issues/100442
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"
# "I0000 00:00:1795330784.9 30445 port.cc:153] oneDNN ...": information and warnings, not errors.
_CHATTER = re.compile(rb"(WARNING: All log messages before absl::InitializeLog|[IW]\d{4} [\d:. ]+\S+\.cc:\d+\]).*\n?")


def import_tensorflow() -> None:
    """Imports TensorFlow; anything it writes other than its start-up lines is passed on afterwards."""
    if "tensorflow" in sys.modules or os.environ.get(_VARIABLE) == "0":
        return
    # Without an NVIDIA driver, a failing start of CUDA is not an error.
    os.environ.setdefault(_VARIABLE, "2" if os.path.exists("/dev/nvidiactl") else "3")
    with _kept_back():
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def _kept_back() -> Iterator[None]:
    """Collects what C++ writes to standard error, and passes on what is not start-up chatter."""
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


def is_dispatcher() -> bool:
    """Whether this process was started as `python -m sr_gan_tf ...` or by the console script `sr-gan-tf`."""
    words = sys.orig_argv[1:]
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c"):
        words = words[2 if words[0] in ("-X", "-W") else 1 :]
    if words[:1] == ["-m"]:
        return words[1:2] == ["sr_gan_tf"]
    return bool(words) and Path(words[0]).stem == "sr-gan-tf"
