"""Chains of pixelwise operations as one XLA kernel, inside a step that XLA doesn't compile as a whole.

On CPU TensorFlow runs a training step by oneDNN, whose convolutions XLA cannot match, but every pixelwise operation is
a pass over memory of its own: PReLU and its gradients are twelve. Compiled alone they are three.
"""

import tensorflow as tf

# Below, a kernel's launch costs more than the passes that it saves.
_SMALLEST = 2**16


def worth_compiling(images: tf.Tensor) -> bool:
    """Whether a kernel of its own pays for maps of this size: in a graph for a CPU, where their shape is known."""
    shape = images.shape
    return (
        not tf.executing_eagerly()
        and shape.is_fully_defined()
        and shape.num_elements() >= _SMALLEST
        and not tf.config.list_physical_devices("GPU")
    )


def one_pass(function):
    """The function as one kernel. It must compute in float32, whatever it is given: XLA rounds each bfloat16 step."""
    return tf.function(function, jit_compile=True, autograph=False)


def wide(*tensors):
    """Each in float32."""
    return [tf.cast(tensor, tf.float32) for tensor in tensors]
