"""Imports TensorFlow without the lines about CUDA and oneDNN that it writes before its log levels take effect.

TensorFlow 2.19 to 2.21 write them whatever `TF_CPP_MIN_LOG_LEVEL` says; beside them a command's own words are hard to
find. `TF_CPP_MIN_LOG_LEVEL=0` shows everything. https://github.com/tensorflow/tensorflow/issues/100442
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"
# "I0000 00:00:1795330784.9 30445 port.cc:153] oneDNN ...": information and warnings, not errors.
_CHATTER = re.compile(rb"(WARNING: All log messages before absl::InitializeLog|[IW]\d{4} [\d:. ]+\S+\.cc:\d+\]).*\n?")


def import_tensorflow() -> None:
    """Makes `import tensorflow` a matter of course; what it says beside its start-up lines is said after it."""
    if "tensorflow" in sys.modules or os.environ.get(_VARIABLE) == "0":
        return
    # Without an NVIDIA driver the failing start of CUDA is no error.
    os.environ.setdefault(_VARIABLE, "2" if os.path.exists("/dev/nvidiactl") else "3")
    with _kept_back():
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def _kept_back() -> Iterator[None]:
    """Keeps what C++ writes to standard error in a file meanwhile, and hands on what is worth it."""
    try:
        real = os.dup(2)
    except OSError:  # no standard error at all
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
