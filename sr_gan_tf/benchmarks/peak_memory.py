"""Peak memory of a call: the largest process size minus the size before; on a GPU, the allocator's figures."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

_STATUS = Path("/proc/self/status")
# Value 5 sets the peak ("high water mark") of the resident size to the current size.
_CLEAR = Path("/proc/self/clear_refs")

# glibc returns freed buffers above 32 MB to the system and gets them back, page by page, in the next
# step. All contenders keep them.
REUSE_OF_BUFFERS = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**32)}


def process_status(name: str) -> int | None:
    """A line of /proc/self/status in bytes; None if the system does not report it."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def peak_of(call: Callable[[], Any], device: str = "cpu") -> int | None:
    """Peak bytes of `call` beyond the memory in use before it; None if the system does not report it."""
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
    before = process_status("VmRSS")
    call()
    after = process_status("VmHWM")
    return None if before is None or after is None else max(after - before, 0)


def give_back() -> None:
    """Returns freed memory to the system, so that waiting processes leave room for the others."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return
