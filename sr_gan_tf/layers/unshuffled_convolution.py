"""A 3x3 convolution and the pixel unshuffle after it as one strided convolution.

The convolution before an unshuffle has few output channels on a large map, which libraries compute slowly, and the
unshuffle copies that map. Every output channel of the pair is the same 3x3 kernel, shifted by (row, column) within a
block, so the pair equals one convolution of (factor + 2)^2 pixels with stride `factor`.
"""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class UnshuffledConv2D(keras.layers.Layer):
    """(N, H, W, C) to (N, H/factor, W/factor, filters), without bias; zero padding.

    Output channels are in the order (channel, row, column), as in PyTorch's PixelUnshuffle, because the groups of the
    following normalization depend on it.

    Args:
        filters: channels after the unshuffle, a multiple of factor^2.
        factor: reduction, 2 or more; divides H and W.
    """

    def __init__(self, filters: int, factor: int, **kwargs):
        super().__init__(**kwargs)
        if filters % factor**2:
            raise ValueError(f"filters: {filters} is no multiple of factor^2 = {factor**2}")
        self.filters = filters
        self.factor = factor
        self.footprint = (-1, factor, factor)  # (factor + 2)^2 pixels, one before the block and one after

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(3, 3, input_shape[-1], self.filters // self.factor**2), autocast=False, name="kernel"
        )
        # place[i, a, r] = 1 where tap a of the kernel, shifted by i, falls on pixel r.
        self.place = np.zeros((self.factor, 3, self.factor + 2), np.float32)
        for shift in range(self.factor):
            self.place[shift, :, shift : shift + 3] = np.eye(3)

    def call(self, inputs):
        # Letters: a, b taps; n, c channels in and out; i, j shifts; r, s pixels of the large kernel.
        kernel = tf.einsum("abnc,iar,jbs->rsncij", self.kernel, self.place, self.place)
        side = self.factor + 2
        kernel = tf.cast(tf.reshape(kernel, (side, side, -1, self.filters)), self.compute_dtype)
        # For multiples of the factor this adds one zero at each end; explicit padding would have no oneDNN gradient.
        return tf.nn.conv2d(inputs, kernel, self.factor, "SAME")

    def compute_output_shape(self, input_shape):
        sides = (None if side is None else side // self.factor for side in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "factor": self.factor}
