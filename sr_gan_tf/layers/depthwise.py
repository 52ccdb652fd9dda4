"""Depthwise convolution with a faster gradient of its kernel on CPU.

TensorFlow's operation for that gradient takes ten times as long as the convolution itself, and was the largest part of
MetaGAN's training step. The gradient is itself a depthwise convolution of the padded input, with the upstream gradient
as a kernel as large as the map; the forward operation computes it in a third of the time. GPU libraries are not made
for such kernels, so on a GPU TensorFlow's own gradient is used.
"""

import keras
import tensorflow as tf

_ONE = [1, 1, 1, 1]


@keras.saving.register_keras_serializable("sr_gan_tf")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """(N, H, W, C) to the same shape; Keras's own layer with stride 1, padding "same", an odd kernel and no bias.

    Args:
        kernel_size: height and width of the kernel, odd.
    """

    def __init__(self, kernel_size: int, **kwargs):
        # All other values that Keras writes to the configuration are constant.
        super().__init__(kernel_size, padding="same", use_bias=False, **kwargs)

    def call(self, inputs):
        kernel = tf.cast(self.kernel, inputs.dtype)
        if tf.config.list_physical_devices("GPU"):
            return tf.nn.depthwise_conv2d(inputs, kernel, _ONE, "SAME")
        return depthwise_convolution(inputs, kernel)

    def get_config(self):
        base = keras.layers.Layer.get_config(self)
        return {**base, "kernel_size": self.kernel_size[0]}


@tf.custom_gradient
def depthwise_convolution(images, kernel):
    """(N, H, W, C) by (K, K, C, 1), K odd, zeros beyond the border, to (N, H, W, C)."""

    def gradient(upstream):
        by_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(images), filter=kernel, out_backprop=upstream, strides=_ONE, padding="SAME"
        )
        border = kernel.shape[0] // 2
        batch, height, width, channels = tf.unstack(tf.shape(images))
        padded = tf.pad(images, [[0, 0], [border, border], [border, border], [0, 0]])
        # Pictures become channels: (1, H + K - 1, W + K - 1, N*C) by (H, W, N*C, 1) to (1, K, K, N*C).
        padded = tf.transpose(padded, (1, 2, 0, 3))
        padded = tf.reshape(padded, (1, height + 2 * border, width + 2 * border, batch * channels))
        upstream = tf.reshape(tf.transpose(upstream, (1, 2, 0, 3)), (height, width, batch * channels, 1))
        each = tf.raw_ops.DepthwiseConv2dNative(input=padded, filter=upstream, strides=_ONE, padding="VALID")
        each = tf.reshape(each, (kernel.shape[0], kernel.shape[1], batch, channels, 1))
        return by_images, tf.reduce_sum(each, axis=2)

    return tf.nn.depthwise_conv2d(images, kernel, _ONE, "SAME"), gradient
