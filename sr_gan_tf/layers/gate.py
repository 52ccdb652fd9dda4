"""The parameter-free attention of SPAN (Wan et al. 2023, arXiv:2311.12770): a gate that is odd around zero."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("sr_gan_tf")
class SymmetricGate(keras.layers.Layer):
    """[o, x], both (N, H, W, C), to (o + x) * (sigmoid(o) - 0.5)."""

    footprint = (0, 0, 1)  # pixel by pixel

    def call(self, inputs):
        values, skip = inputs
        # The same as sigmoid(o) - 0.5, but where o is small that difference keeps only a few bits in bfloat16.
        return (values + skip) * (0.5 * ops.tanh(0.5 * values))

    def compute_output_shape(self, input_shape):
        return input_shape[0]
