"""Reports the free memory."""

from pathlib import Path

import psutil

_CONTROL_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> float:
    """Bytes that this process may still allocate: the minimum of machine and container."""
    free = float(psutil.virtual_memory().available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            bound = (_CONTROL_GROUP / limit).read_text().strip()
            if bound != "max":
                free = min(free, int(bound) - int((_CONTROL_GROUP / used).read_text()))
        except (OSError, ValueError):
            continue
    return max(free, 0.0)
