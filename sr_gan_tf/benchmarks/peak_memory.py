"""The largest size of a process during a call, less its size before it; on a GPU the allocator's own figures."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

_STATUS = Path("/proc/self/status")
# Value 5 sets the peak ("high water mark") of the resident size back to the present size.
_CLEAR = Path("/proc/self/clear_refs")

# glibc gives buffers above 32 MB back to the system when they are freed and gets them back, page by page, in the next
# step. Keeping them is what every contender gets.
REUSE_OF_BUFFERS = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**32)}


def _status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def peak_of(call: Callable[[], Any], device: str = "cpu") -> int | None:
    """Bytes that `call` takes at most beyond what is in use before it; None where the system doesn't tell."""
    if device.startswith("gpu"):
        name = device.upper()
        tf.config.experimental.reset_memory_stats(name)
        before = tf.config.experimental.get_memory_info(name)["current"]
        call()
        return tf.config.experimental.get_memory_info(name)["peak"] - before
    try:
        _CLEAR.write_text("5")
    except OSError:
        call()
        return None
    before = _status("VmRSS")
    call()
    after = _status("VmHWM")
    return None if before is None or after is None else max(after - before, 0)


def give_back() -> None:
    """Returns freed memory to the system, so that processes that wait for their turn leave room for the others."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return
