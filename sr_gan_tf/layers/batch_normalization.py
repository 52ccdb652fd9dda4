"""Batch normalization (Ioffe and Szegedy 2015, arXiv:1502.03167) of pictures as one fused operation.

Keras's own layer runs a dozen operations, in float32 even under mixed_bfloat16: about a fifth of an SRResNet training
step. TensorFlow's fused operation takes bfloat16 directly, keeps float32 statistics and costs almost nothing. Momentum
and epsilon are PyTorch's, as in the published networks, and so is the running variance: the unbiased one.
"""

import keras
import tensorflow as tf
from keras import ops

from sr_gan_tf import distribution


@keras.saving.register_keras_serializable("sr_gan_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """(N, H, W, C) to the same shape; arguments, weights and their names are Keras's.

    Args:
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        center, scale: whether there are a trained offset and factor.
        gamma_initializer: start of the factor.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        gamma_initializer="ones",
        **kwargs,
    ):
        super().__init__(
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            gamma_initializer=gamma_initializer,
            **kwargs,
        )

    def call(self, inputs, training=None, mask=None):
        training = bool(training and self.trainable)
        if training and self.synchronized:
            return self._over_replicas(inputs)
        ones, zeros = ops.ones_like(self.moving_variance), ops.zeros_like(self.moving_mean)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ones if self.gamma is None else self.gamma,
            offset=zeros if self.beta is None else self.beta,
            mean=zeros if training else self.moving_mean,
            variance=ones if training else self.moving_variance,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self._keep(self.moving_mean, mean)
            self._keep(self.moving_variance, variance)
        return outputs

    def _over_replicas(self, inputs):
        """Normalizes by the moments of the joint batch of all replicas; no fused operation exists for that."""
        x = tf.cast(inputs, tf.float32)
        own_mean, own_variance = tf.nn.moments(x, axes=(0, 1, 2))
        # One message suffices: squares are centered at the running mean, close to the new mean, to limit cancellation.
        about = tf.stop_gradient(tf.convert_to_tensor(self.moving_mean))
        moments = distribution.mean(tf.stack([own_mean, own_variance + tf.square(own_mean - about)]))
        mean, variance = moments[0], moments[1] - tf.square(moments[0] - about)
        outputs = tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)
        count = tf.cast(tf.size(x[..., 0]) * tf.distribute.get_strategy().num_replicas_in_sync, tf.float32)
        self._keep(self.moving_mean, mean)
        self._keep(self.moving_variance, variance * count / tf.maximum(count - 1, 1))
        return tf.cast(outputs, inputs.dtype)

    def _keep(self, running, value) -> None:
        # A non-finite step is skipped, but its forward pass has already run: it must not change the statistics either.
        kept = running * self.momentum + value * (1 - self.momentum)
        running.assign(tf.where(tf.math.is_finite(kept), kept, running))
