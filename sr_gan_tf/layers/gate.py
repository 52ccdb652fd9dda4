"""The activations of SPAN (Wan et al. 2023, arXiv:2311.12770): SiLU, and the gate that is its attention.

TensorFlow's bfloat16 sigmoid on CPU takes several times as long as its float32 one and as its tanh, and stood for a
fifth of a training step. So SiLU's gradient takes it in float32, and the gate is written with tanh.
"""

import keras
import tensorflow as tf


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

    def call(self, inputs):
        values, skip = inputs
        # The same as sigmoid(o) - 0.5, but where o is small that difference keeps only a few bits in bfloat16.
        return (values + skip) * (0.5 * tf.tanh(0.5 * values))

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@tf.custom_gradient
def _silu(x):
    def gradient(upstream):
        wide, upstream = tf.cast(x, tf.float32), tf.cast(upstream, tf.float32)
        gate = tf.sigmoid(wide)
        # d(x * gate) = gate + x * gate * (1 - gate)
        return tf.cast(upstream * gate + wide * tf.raw_ops.SigmoidGrad(y=gate, dy=upstream), x.dtype)

    return tf.nn.silu(x), gradient
