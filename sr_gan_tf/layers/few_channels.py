"""A convolution with a large kernel and few output channels, such as SRResNet's last one: 9x9, 64 to 3.

oneDNN computes output channels in blocks of sixteen, so three of them cost as much as sixteen. Each column of the
kernel is a convolution whose result is shifted sideways. Here the results of all columns are the channels of one
convolution as high as the kernel and one pixel wide (9 * 3 = 27 channels), and a second one with a fixed kernel of
zeros and ones shifts and adds them. It is the same sum in another order, in half the time including its gradients.
"""

import keras
import numpy as np
import tensorflow as tf

# Operations under this name copy and add; costs.py doesn't count them as products.
COPIES = "moved_columns"


@keras.saving.register_keras_serializable("sr_gan_tf")
class FewChannelsConv2D(keras.layers.Conv2D):
    """(N, H, W, C) to (N, H, W, filters); Keras's Conv2D with stride 1 and padding "same", a square, odd kernel."""

    def __init__(self, filters: int, kernel_size: int, **kwargs):
        kwargs["padding"] = "same"
        super().__init__(filters, kernel_size, **kwargs)

    def call(self, inputs):
        if tf.config.list_physical_devices("GPU"):
            return super().call(inputs)
        outputs = by_columns(inputs, tf.cast(self.kernel, self.compute_dtype))
        return tf.nn.bias_add(outputs, tf.cast(self.bias, self.compute_dtype)) if self.use_bias else outputs


def by_columns(images, kernel):
    """`tf.nn.conv2d(images, kernel, 1, "SAME")` for a square, odd kernel."""
    side, _, channels, filters = kernel.shape
    # Output channels in the order (column of the kernel, filter).
    upright = tf.reshape(tf.transpose(kernel, (0, 2, 1, 3)), (side, 1, channels, side * filters))
    columns = tf.nn.conv2d(images, upright, 1, "SAME")  # (N, H, W, side * filters)
    with tf.name_scope(COPIES):
        # (1, side, side * filters, filters): at place v, channel (v, f) goes to output f.
        move = np.einsum("vw,fg->vwfg", np.eye(side), np.eye(filters)).reshape(1, side, side * filters, filters)
        return tf.nn.conv2d(columns, tf.constant(move, images.dtype), 1, "SAME")
