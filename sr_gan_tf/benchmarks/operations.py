"""Measures the time per kind of operation in one call with TensorFlow's profiler."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

# Operations appear as events named "NODE:TYPE".
_OPERATION = re.compile(r"[^:]*:_?(?:Mkl)?(?:Native)?([A-Z]\w*)$")


def profile(call: Callable[[], object], calls: int = 3) -> dict[str, float]:
    """Milliseconds per call of each kind of operation, largest first, summed over all threads."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    call()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(calls):
            call()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for path in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(path.read_bytes())
    picoseconds: Counter = Counter()
    for plane in space.planes:
        kinds = {key: _OPERATION.match(metadata.name) for key, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                kind = kinds[event.metadata_id]
                if kind:
                    picoseconds[kind[1]] += event.duration_ps
    return {kind: total / 1e9 / calls for kind, total in picoseconds.most_common()}
