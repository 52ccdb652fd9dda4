"""How much memory a network needs for a pixel of its input, and how much is free."""

from pathlib import Path

import keras
import psutil

from sr_gan_tf.inference.receptive_field import tensor_strides

# The executor frees some maps later than their last use, and convolutions have workspaces of their own.
_OVERHEAD = 1.5
_CONTROL_GROUP = Path("/sys/fs/cgroup")
_UNKNOWN_NETWORK = 16 * 1024.0  # bytes; a map of 64 channels at four times the size, for one that hides its graph


def bytes_per_pixel(network: keras.Model) -> float:
    """Bytes of feature maps alive at once for each input pixel, at the worst moment of a forward pass."""
    strides = tensor_strides(network)
    if not strides or any(isinstance(layer, keras.layers.TFSMLayer) for layer in network.layers):
        return _UNKNOWN_NETWORK
    nodes = [node for operation in network.operations for node in operation._inbound_nodes]
    waiting: dict[int, int] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            waiting[id(tensor)] = waiting.get(id(tensor), 0) + 1
    alive: dict[int, float] = {}
    peak = 0.0
    for node in nodes:
        for tensor in node.outputs:
            if id(tensor) in strides:
                size = keras.backend.standardize_dtype(tensor.dtype)
                itemsize = 2 if size in ("bfloat16", "float16") else 4
                alive[id(tensor)] = (tensor.shape[-1] or 64) * itemsize / float(strides[id(tensor)]) ** 2
        peak = max(peak, sum(alive.values()))
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if not waiting[id(tensor)]:
                alive.pop(id(tensor), None)
    return peak * _OVERHEAD


def free_memory() -> float:
    """Bytes that this process may still take: of the machine, or of the container where that is less."""
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
