"""Layers that let a discriminator compare the pictures of a batch, against mode collapse.

Minibatch discrimination: Salimans et al. 2016 (arXiv:1606.03498), section 3.2. Minibatch standard deviation:
Karras et al. 2018 (arXiv:1710.10196), section 3. In the papers, they follow one vector per picture or the last map. On
a map of features, minibatch discrimination uses the average over positions, and both repeat their statistics at each
position. Pass real and generated pictures in separate batches, as in both papers.
"""

import math

import keras
from keras import ops


class _BatchStatistics(keras.layers.Layer):
    """Appends `statistics(x)`, (N, K), computed in float32, as K channels to (N, C) or (N, H, W, C)."""

    footprint = (-math.inf, math.inf, 1)

    def call(self, x):
        statistics = ops.cast(self.statistics(ops.cast(x, "float32")), x.dtype)  # (N, K)
        if len(x.shape) == 4:
            statistics = statistics[:, None, None, :] * ops.ones_like(x[..., :1])  # (N, H, W, K)
        return ops.concatenate([x, statistics], axis=-1)


@keras.saving.register_keras_serializable("sr_gan_tf")
class MinibatchDiscrimination(_BatchStatistics):
    """(N, C) to (N, C + num_kernels), or (N, H, W, C) to (N, H, W, C + num_kernels).

    o(i)_b = sum over j != i of exp(-|| M(i)_b - M(j)_b ||_1) with M = f T, T: C -> num_kernels x kernel_size.
    The sum excludes the picture itself, whose term is always 1.

    Args:
        num_kernels: statistics appended, at least 1.
        kernel_size: length of the vectors whose distance is measured, at least 1.
    """

    def __init__(self, num_kernels: int = 100, kernel_size: int = 5, name: str | None = None):
        if num_kernels < 1 or kernel_size < 1:
            raise ValueError(f"num_kernels and kernel_size must be at least 1, found {num_kernels} and {kernel_size}")
        super().__init__(name=name)
        self.num_kernels = num_kernels
        self.kernel_size = kernel_size

    def build(self, input_shape):
        # Salimans' code uses a normal distribution of 0.05; Glorot's deviation is close to it for common sizes.
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.num_kernels * self.kernel_size),
            initializer="glorot_uniform",
            autocast=False,
            name="kernel",
        )

    def statistics(self, x):
        if len(x.shape) == 4:
            x = ops.mean(x, axis=(1, 2))
        projected = ops.reshape(ops.matmul(x, self.kernel), (-1, self.num_kernels, self.kernel_size))
        distance = ops.sum(ops.abs(projected[:, None] - projected[None]), axis=-1)  # (N, N, num_kernels)
        return ops.sum(ops.exp(-distance), axis=1) - 1.0

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.num_kernels)

    def get_config(self):
        return {"num_kernels": self.num_kernels, "kernel_size": self.kernel_size, "name": self.name}


@keras.saving.register_keras_serializable("sr_gan_tf")
class MinibatchStandardDeviation(_BatchStatistics):
    """Appends one channel: the standard deviation over the batch, averaged over all features to one number.

    (N, C) to (N, C + 1), or (N, H, W, C) to (N, H, W, C + 1).
    """

    def __init__(self, name: str | None = None):
        super().__init__(name=name)

    def statistics(self, x):
        # The epsilon keeps the square root's gradient finite if all pictures agree.
        deviation = ops.sqrt(ops.var(x, axis=0) + 1e-8)
        return ops.mean(deviation) * ops.ones_like(ops.reshape(x, (ops.shape(x)[0], -1))[:, :1])

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {"name": self.name}
