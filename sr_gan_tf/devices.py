"""Capabilities of the processor and the GPU."""

import os
import sys
from pathlib import Path

from sr_gan_tf.quiet_start import has_nvidia_driver


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_fast_bfloat16() -> bool:
    """Whether the processor or the GPU multiplies in bfloat16 (AVX-512 BF16, AMX; compute capability 8)."""
    if "tensorflow" in sys.modules or has_nvidia_driver():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    else:
        gpus = []  # known without TensorFlow, which takes seconds to import
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return capability >= (8, 0)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
