"""PReLU (He et al. 2015, arXiv:1502.01852) with one slope per channel, as one kernel forward and one backward on CPU.

Keras's PReLU and its gradients took an eighth of an SRResNet training step.
"""

import keras
import tensorflow as tf

from sr_gan_tf.layers.one_pass import one_pass, wide, worth_compiling


@keras.saving.register_keras_serializable("sr_gan_tf")
class ChannelPReLU(keras.layers.PReLU):
    """(N, H, W, C) to the same shape: x where it is positive, slope * x elsewhere; weights and arguments as in Keras.

    Args:
        alpha_initializer: start of the slopes; PyTorch's 0.25, not Keras's 0.
    """

    def __init__(self, alpha_initializer=0.25, **kwargs):
        if isinstance(alpha_initializer, float):
            alpha_initializer = keras.initializers.Constant(alpha_initializer)
        kwargs.pop("shared_axes", None)  # part of Keras's configuration, but always the same here
        super().__init__(alpha_initializer, shared_axes=[1, 2], **kwargs)

    def call(self, inputs, training=None):
        if training and worth_compiling(inputs):
            return channel_prelu(inputs, tf.reshape(self.alpha, (-1,)))
        return super().call(inputs)


@tf.custom_gradient
def channel_prelu(images, slopes):
    """(N, H, W, C) by (C,) to (N, H, W, C)."""

    def gradient(upstream):
        by_images, by_slopes = _backward(images, slopes, upstream)
        # A product with ones is the fastest sum over positions.
        lines = tf.reshape(by_slopes, (-1, by_slopes.shape[-1]))
        return by_images, tf.matmul(tf.ones((1, lines.shape[0]), lines.dtype), lines)[0]

    return _forward(images, slopes), gradient


@one_pass
def _forward(images, slopes):
    x, slope = wide(images, slopes)
    return tf.cast(tf.where(x > 0, x, slope * x), images.dtype)


@one_pass
def _backward(images, slopes, upstream):
    x, slope, above = wide(images, slopes, upstream)
    by_images, by_slopes = tf.where(x > 0, above, slope * above), tf.where(x > 0, 0.0, above * x)
    return tf.cast(by_images, images.dtype), tf.cast(by_slopes, images.dtype)
