"""Compiles chains of pixelwise operations to one XLA kernel, in a step that XLA doesn't compile as a whole.

On a CPU, TensorFlow runs a training step through oneDNN, whose convolutions XLA cannot match; but every pixelwise
operation is a separate pass over memory: twelve for PReLU and its gradients. Compiled alone, they take three.
"""

import tensorflow as tf

# Below this, launching a kernel costs more than the passes that it saves.
_SMALLEST = 2**16


def worth_compiling(images: tf.Tensor) -> bool:
    """Whether a separate kernel is worthwhile for maps of this size: in a graph for a CPU, with a known shape."""
    shape = images.shape
    return (
        not tf.executing_eagerly()
        and shape.is_fully_defined()
        and shape.num_elements() >= _SMALLEST
        and not tf.config.list_physical_devices("GPU")
    )


def one_pass(function):
    """Compiles a function to one kernel. It must compute in float32 for any input: XLA rounds each bfloat16 step."""
    return tf.function(function, jit_compile=True, autograph=False)


def wide(*tensors):
    """Casts the tensors to float32."""
    return [tf.cast(tensor, tf.float32) for tensor in tensors]
