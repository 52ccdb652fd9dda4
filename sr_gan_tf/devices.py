"""What the processor or the graphics card can do."""

from pathlib import Path

import tensorflow as tf


def has_fast_bfloat16() -> bool:
    """Whether the processor or the graphics card multiplies in bfloat16 (AVX-512 BF16, AMX; compute capability 8)."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return capability >= (8, 0)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
