"""The cost of a network: parameters, and multiply-adds counted from its graph, e.g. for one 1280 x 720 picture."""

import math

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from sr_gan_tf.layers.few_channels import COPIES

WIDTH, HEIGHT = 1280, 720


def parameters(model: keras.Model) -> int | None:
    """Trainable parameters, as in published tables; None for a SavedModel without accessible variables."""
    weights = model.trainable_weights or model.weights
    return sum(math.prod(weight.shape) for weight in weights) or None


def multiply_adds(model: keras.Model, scale: int, width: int = WIDTH, height: int = HEIGHT) -> int | None:
    """Multiplications (each with its addition) of convolutions and matrix products for a picture of that size.

    The size is that of the output, as in published tables. None if the graph has unknown shapes.
    """
    size = (1, math.ceil(height / scale), math.ceil(width / scale), 3)
    function = tf.function(lambda lr: model(lr, training=False), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec(size, tf.float32))
    if any("Call" in operation.type for operation in graph.graph.get_operations()):
        # A SavedModel is a function call: inlining it makes its shapes known.
        graph = convert_variables_to_constants_v2(graph)
    total = graph_multiply_adds(graph)
    # A width that is not divisible by the scale was rounded up.
    return None if total is None else round(total * (width * height) / (size[1] * size[2] * scale**2))


def graph_multiply_adds(function) -> int | None:
    """Multiplications (each with its addition) of the convolutions and matrix products of a concrete function.

    Gradients count as products: those with respect to the input and the kernel of a convolution cost as much as the
    convolution. Unused operations do not run and do not count. None if the graph has unknown shapes or a loop.
    """
    if _has_loop(function.graph):
        return None
    counts = [_count(operation) for operation in _products(function.graph)]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def graph_bytes(function) -> int | None:
    """Bytes that these products read and write: the traffic if all pixelwise work is fused into them."""
    if _has_loop(function.graph):
        return None
    tensors = [tensor for operation in _products(function.graph) for tensor in (*operation.inputs, *operation.outputs)]
    try:
        return sum(_elements(tensor) * tensor.dtype.size for tensor in tensors)
    except (TypeError, ValueError):  # an unknown dimension
        return None


def _products(graph) -> list[tf.Operation]:
    return [operation for operation in _needed(graph) if operation.type in _COUNTS and COPIES not in operation.name]


def _has_loop(graph) -> bool:
    """Whether an unknown number of iterations makes the number of products unknown."""
    return any(operation.type in ("While", "StatelessWhile") for operation in graph.get_operations())


def _needed(graph) -> list[tf.Operation]:
    """The operations that outputs or side effects of a function's graph depend on."""
    waiting = [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    found: dict[str, tf.Operation] = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found[operation.name] = operation
            waiting += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
    return list(found.values())


def _count(operation: tf.Operation) -> int | None:
    try:
        return _COUNTS[operation.type](operation)
    except (TypeError, ValueError):  # an unknown dimension
        return None


def _elements(tensor: tf.Tensor) -> int:
    return math.prod(tensor.shape.as_list())


def _convolution(operation: tf.Operation) -> int:
    return _elements(operation.outputs[0]) * math.prod(operation.inputs[1].shape.as_list()[:3])


def _depthwise(operation: tf.Operation) -> int:
    return _elements(operation.outputs[0]) * math.prod(operation.inputs[1].shape.as_list()[:2])


def _transposed(operation: tf.Operation) -> int:
    # Each input is multiplied with the kernel's height, width and output channels.
    return _elements(operation.inputs[2]) * math.prod(operation.inputs[1].shape.as_list()[:3])


def _kernel_gradient(operation: tf.Operation) -> int:
    # Each element of the upstream gradient is multiplied with its input window.
    return _elements(operation.inputs[2]) * math.prod(operation.outputs[0].shape.as_list()[:3])


def _depthwise_gradient(operation: tf.Operation) -> int:
    kernel = operation.inputs[1] if operation.type.endswith("Input") else operation.outputs[0]
    return _elements(operation.inputs[2]) * math.prod(kernel.shape.as_list()[:2])


def _product(operation: tf.Operation) -> int:
    transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return _elements(operation.outputs[0]) * operation.inputs[0].shape.as_list()[-2 if transposed else -1]


def _einsum(operation: tf.Operation) -> int:
    terms = operation.get_attr("equation").decode().split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, operation.inputs, strict=True):
        shape = tensor.shape.as_list()
        if "..." in term:
            letters = len(term) - 3
            before = term.index("...")
            sizes["..."] = math.prod(shape[before : len(shape) - letters + before])
            shape = shape[:before] + shape[len(shape) - letters + before :]
            term = term.replace("...", "")
        sizes |= dict(zip(term, shape, strict=True))
    return int(np.prod(list(sizes.values()), dtype=np.int64))


_COUNTS = {
    "Conv2D": _convolution,
    "_FusedConv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "Conv2DBackpropFilter": _kernel_gradient,
    "DepthwiseConv2dNativeBackpropInput": _depthwise_gradient,
    "DepthwiseConv2dNativeBackpropFilter": _depthwise_gradient,
    "MatMul": _product,
    "BatchMatMulV2": _product,
    "Einsum": _einsum,
}
