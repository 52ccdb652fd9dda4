"""Estimates the memory of a TensorFlow graph from the lifetimes of its tensors, without running it."""

from collections import Counter
from collections.abc import Sequence

import tensorflow as tf

# Operations whose output is the buffer of the input.
_VIEWS = {"Identity", "Reshape", "ExpandDims", "Squeeze", "StopGradient", "IdentityN", "PreventGradient"}
# Operations that write into the buffer of a dying input of the same size if possible.
_IN_PLACE = {
    "Add", "AddV2", "AddN", "BiasAdd", "Mul", "Sub", "RealDiv", "Relu", "ReluGrad", "LeakyRelu", "LeakyReluGrad",
    "Sigmoid", "SigmoidGrad", "Tanh", "TanhGrad", "Neg", "Maximum", "Minimum", "Square", "Sqrt", "Rsqrt", "Exp", "Log",
    "Select", "SelectV2", "Softplus", "SoftplusGrad", "FusedBatchNormGradV3", "Pow", "Abs", "Sign",
}  # fmt: skip


def peak_bytes(function: tf.types.experimental.ConcreteFunction) -> int:
    """Peak total size of live tensors, in the order of the graph's operations.

    Arguments and variables do not count; unknown dimensions count as one.
    """
    return _peak(function.graph)


def _peak(graph) -> int:
    operations = graph.get_operations()
    uses = Counter(id(tensor) for operation in operations for tensor in operation.inputs)
    buffer_of: dict[int, int] = {}
    size: dict[int, int] = {}
    alive: Counter = Counter()
    now = peak = 0
    for operation in operations:
        inputs = [buffer_of[id(tensor)] for tensor in operation.inputs if id(tensor) in buffer_of]
        if operation.type in _VIEWS:
            for tensor, source in zip(operation.outputs, operation.inputs, strict=False):
                if id(source) in buffer_of:
                    buffer_of[id(tensor)] = buffer_of[id(source)]
                    alive[buffer_of[id(source)]] += uses[id(tensor)]
        elif operation.type not in ("Placeholder", "ReadVariableOp", "Const"):
            reusable = [buffer for buffer in inputs if alive[buffer] == 1] if operation.type in _IN_PLACE else []
            for tensor in operation.outputs:
                needed = _bytes(tensor)
                if not needed or not uses[id(tensor)]:
                    continue
                buffer = id(tensor)
                buffer_of[id(tensor)], size[buffer], alive[buffer] = buffer, needed, uses[id(tensor)]
                taken = next((candidate for candidate in reusable if size[candidate] == needed), None)
                if taken is None:
                    now += needed
                else:
                    # The buffer of the dying input is reused: nothing is added here and nothing freed below.
                    size[taken] = 0
            peak = max(peak, now + (_peak_of_loop(operation) if operation.type in ("While", "StatelessWhile") else 0))
        for buffer in inputs:
            alive[buffer] -= 1
            if not alive[buffer]:
                now -= size[buffer]
    return peak


def _peak_of_loop(loop: tf.Operation) -> int:
    """Peak of one iteration of a loop, e.g. of accumulation; the body may call a function."""
    body = loop.graph._get_function(loop.get_attr("body").name).graph
    called = [
        _peak(body._get_function(operation.get_attr("f").name).graph)
        for operation in body.get_operations()
        if operation.type in ("PartitionedCall", "StatefulPartitionedCall")
    ]
    return max([_peak(body), *called])


def _bytes(tensor) -> int:
    if tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    count = 1
    for length in tensor.shape.as_list() if tensor.shape.rank is not None else []:
        count *= length or 1
    return count * tensor.dtype.size


def step_function(trainer, shapes: Sequence[tuple[int, ...]]) -> tf.types.experimental.ConcreteFunction:
    """The trainer's complete step as a graph, for batches (lr, hr) of the given shapes."""
    signature = tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    return tf.function(lambda lr, hr: trainer.train_step((lr, hr)), autograph=False).get_concrete_function(*signature)
