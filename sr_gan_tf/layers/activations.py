"""Mish and hard swish that keep only their input for the backward pass.

Keras builds both from several operations, for which automatic differentiation keeps one or two more maps of the input's
size: a third of the activations of a MetaGAN step. Here the gradients are closed formulas of the input.
Mish: Misra 2019 (arXiv:1908.08681); hard swish: Howard et al. 2019 (arXiv:1905.02244).
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class Mish(keras.layers.Layer):
    """x * tanh(softplus(x)), any shape."""

    footprint = (0, 0, 1)  # pixel by pixel

    def call(self, inputs):
        return mish(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("sr_gan_tf")
class HardSwish(keras.layers.Layer):
    """x * min(max(x + 3, 0), 6) / 6, any shape."""

    footprint = (0, 0, 1)  # pixel by pixel

    def call(self, inputs):
        return hard_swish(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


@tf.custom_gradient
def mish(x):
    """X * n / (n + 2) with n = e^x (e^x + 2), which is tanh(log(1 + e^x)) without the logarithm."""

    def gradient(upstream):
        sigmoid = tf.sigmoid(x)
        rest = 1 - sigmoid
        inverse = tf.math.reciprocal(1 + rest * rest)
        return upstream * inverse * sigmoid * (2 - sigmoid + 4 * x * rest * rest * inverse)

    # Beyond 20 the factor is 1 in float32, and the square would overflow.
    exponential = tf.exp(tf.minimum(x, 20))
    n = exponential * (exponential + 2)
    return x * (n / (n + 2)), gradient


@tf.custom_gradient
def hard_swish(x):
    """X * relu6(x + 3) / 6."""

    def gradient(upstream):
        return upstream * tf.where(tf.abs(x) < 3, x / 3 + 0.5, tf.cast(x > 0, x.dtype))

    return x * tf.nn.relu6(x + 3) / 6, gradient
