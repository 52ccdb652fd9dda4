"""The activations of SPAN (Wan et al. 2023, arXiv:2311.12770): SiLU, and the gate that is its attention.

Both exist here because TensorFlow's bfloat16 sigmoid on CPU takes several times as long as its float32 one, and stood
for a fifth of a training step; the sigmoids are taken in float32, which is exacter too.
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
        gate = tf.sigmoid(tf.cast(values, tf.float32)) - 0.5
        return (values + skip) * tf.cast(gate, values.dtype)

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
