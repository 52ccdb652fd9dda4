"""Bicubic enlargement as a layer: generators add their output to it, so that a fresh one is as good as bicubic.

Keys 1981, "Cubic convolution interpolation for digital image processing", a = -0.5 as in MATLAB. It is one convolution
with a fixed kernel and a pixel shuffle, which all runtimes and XLA support; XLA refuses TensorFlow's bicubic resize.
"""

import keras
import numpy as np
import tensorflow as tf

from sr_gan_tf.layers.few_channels import COPIES

_REACH = 2  # input pixels on each side of an output pixel's position


@keras.saving.register_keras_serializable("sr_gan_tf")
class BicubicEnlargement(keras.layers.Layer):
    """(N, H, W, C) to (N, scale*H, scale*W, C) by bicubic interpolation between pixel centers; edges replicated.

    Args:
        scale: enlargement, 1 or more.
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        center = (1 / scale - 1) / 2
        self.footprint = (center - _REACH, center + _REACH, 1 / scale)

    def call(self, inputs):
        if self.scale == 1:
            return inputs
        x = tf.cast(inputs, tf.float32)
        for axis in (1, 2):
            first, last = (tf.gather(x, [place], axis=axis) for place in (0, tf.shape(x)[axis] - 1))
            x = tf.concat([first] * _REACH + [x] + [last] * _REACH, axis)
        with tf.name_scope(COPIES):  # like those of other interpolations, its products aren't counted
            x = tf.nn.conv2d(x, self._kernel(inputs.shape[-1]), 1, "VALID")
        x = tf.nn.depth_to_space(x, self.scale)
        return tf.cast(tf.ensure_shape(x, self.compute_output_shape(inputs.shape)), self.compute_dtype)

    def _kernel(self, channels: int) -> np.ndarray:
        """(5, 5, C, scale * scale * C): computes each output pixel of a block from the same channel of the input."""
        rows = enlarging_rows(self.scale)
        block = np.einsum("yi,xj,cd->yxcijd", rows, rows, np.eye(channels))
        return block.reshape(*block.shape[:3], -1).astype(np.float32)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, *(None if side is None else side * self.scale for side in (height, width)), channels

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}


def enlarging_rows(scale: int) -> np.ndarray:
    """(5, scale): weights along one axis of the pixels around an input pixel, for each output pixel of its block."""
    places = (np.arange(scale) + 0.5) / scale - 0.5
    return _cubic(places[None] - np.arange(-_REACH, _REACH + 1)[:, None])


def _cubic(distance: np.ndarray) -> np.ndarray:
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
