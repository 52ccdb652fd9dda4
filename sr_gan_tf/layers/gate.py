"""The activations of SPAN (Wan et al. 2023, arXiv:2311.12770): SiLU, and the gate that acts as its attention.

On a CPU, TensorFlow's bfloat16 sigmoid takes several times as long as the float32 one or tanh, and made up a fifth of a
training step. Therefore SiLU's gradient computes it in float32, and the gate uses tanh. In a training step, the forward
and the backward pass are one kernel each (see one_pass.py).
"""

import keras
import tensorflow as tf

from sr_gan_tf.layers.one_pass import one_pass, wide, worth_compiling


@keras.saving.register_keras_serializable("sr_gan_tf")
class SiLU(keras.layers.Layer):
    """x to x * sigmoid(x)."""

    footprint = (0, 0, 1)  # pixel by pixel

    def call(self, inputs):
        return _silu(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("sr_gan_tf")
class SymmetricGate(keras.layers.Layer):
    """[o, x], both (N, H, W, C), to (o + x) * (sigmoid(o) - 0.5): odd around zero, no weights."""

    footprint = (0, 0, 1)  # pixel by pixel

    def call(self, inputs, training=None):
        values, skip = inputs
        if training and worth_compiling(values):
            return symmetric_gate(values, skip)
        # Equals sigmoid(o) - 0.5, whose difference would keep only a few bits in bfloat16 for small o.
        return (values + skip) * (0.5 * tf.tanh(0.5 * values))

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@tf.custom_gradient
def _silu(x):
    compiled = worth_compiling(x)

    def gradient(upstream):
        return _silu_backward(x, upstream) if compiled else _silu_gradient(x, upstream)

    return tf.nn.silu(x), gradient


def _silu_gradient(x, upstream):
    values, above = wide(x, upstream)
    gate = tf.sigmoid(values)
    # d(x * gate) = gate + x * gate * (1 - gate)
    return tf.cast(above * gate + values * tf.raw_ops.SigmoidGrad(y=gate, dy=above), x.dtype)


_silu_backward = one_pass(_silu_gradient)


@tf.custom_gradient
def symmetric_gate(values, skip):
    """(values + skip) * (sigmoid(values) - 0.5)."""
    return _gate_forward(values, skip), lambda upstream: _gate_backward(values, skip, upstream)


@one_pass
def _gate_forward(values, skip):
    x, other = wide(values, skip)
    return tf.cast((x + other) * (0.5 * tf.tanh(0.5 * x)), values.dtype)


@one_pass
def _gate_backward(values, skip, upstream):
    x, other, above = wide(values, skip, upstream)
    tanh = tf.tanh(0.5 * x)
    by_skip = 0.5 * above * tanh
    by_values = by_skip + above * (x + other) * 0.25 * (1 - tanh * tanh)
    return tf.cast(by_values, values.dtype), tf.cast(by_skip, skip.dtype)
