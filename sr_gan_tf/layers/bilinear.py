"""Bilinear enlargement of maps whose size is known only at run time.

Keras's UpSampling2D compares the output's size in Python, which fails in a graph for pictures of any size (tiling,
export).
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class BilinearEnlargement(keras.layers.Layer):
    """(N, H, W, C) to (N, scale*H, scale*W, C) by bilinear interpolation between pixel centers; edges replicated.

    Args:
        scale: enlargement, 1 or more.
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        center = (1 / scale - 1) / 2
        self.footprint = (center - 1, center + 1, 1 / scale)

    def call(self, inputs):
        # XLA's gradient of this operation is float32 for inputs of any type, which other gradients cannot be added to.
        inputs = tf.cast(inputs, tf.float32)
        enlarged = tf.image.resize(inputs, self.scale * tf.shape(inputs)[1:3], "bilinear")
        return tf.cast(tf.ensure_shape(enlarged, self.compute_output_shape(inputs.shape)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, *(None if side is None else side * self.scale for side in (height, width)), channels

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}
