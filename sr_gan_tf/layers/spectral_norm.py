"""Spectral normalization of a convolution: Miyato et al. 2018 (arXiv:1802.05957).

Keras's wrapper overwrites the kernel at each forward pass and passes no gradient through the spectral norm. Here the
kernel is divided by sigma = v^T W u inside the call, so the gradient flows through sigma. Only
`advance_power_iterations` changes the vectors; training calls it once per update of the discriminator, so the
generator's loss and inference leave them unchanged. The first vectors come from several power steps when the layer is
built, so that a fresh network is normalized, too.
"""

import keras
import tensorflow as tf

_FIRST_STEPS = 15


@keras.saving.register_keras_serializable("sr_gan_tf")
class SpectralConv2D(keras.layers.Layer):
    """Convolution with kernel / sigma: (N, H, W, C) to (N, H', W', filters).

    H' = (H + 2*padding - kernel_size) // strides + 1, and W' likewise.

    Args:
        filters: channels of the output.
        kernel_size: height and width of the kernel, in pixels.
        strides: step of the kernel, in pixels.
        padding: zeros added on each side, in pixels.
        use_bias: whether a bias is added.
    """

    def __init__(self, filters: int, kernel_size: int, strides=1, padding=1, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, autocast=False, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        vector = {
            "initializer": "random_normal",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        self.u = self.add_weight(shape=(self.filters,), name="u", **vector)
        self.v = self.add_weight(shape=(self.kernel_size**2 * input_shape[-1],), name="v", **vector)
        self.power_step(_FIRST_STEPS)

    def power_step(self, steps: int = 1) -> None:
        """Moves u and v toward the first pair of singular vectors of the current kernel."""
        matrix = tf.reshape(self.kernel, (-1, self.filters))  # (kernel^2 * C, filters)
        u = self.u.value
        for _ in range(steps):
            v = tf.math.l2_normalize(tf.linalg.matvec(matrix, u))
            u = tf.math.l2_normalize(tf.linalg.matvec(matrix, v, transpose_a=True))
        self.v.assign(v)
        self.u.assign(u)

    def call(self, inputs):
        matrix = tf.reshape(self.kernel, (-1, self.filters))
        sigma = tf.tensordot(self.v, tf.linalg.matvec(matrix, self.u), 1)
        kernel = tf.cast(self.kernel / sigma, self.compute_dtype)
        if all(self._is_same(side) for side in inputs.shape[1:3]):
            x = tf.nn.conv2d(inputs, kernel, self.strides, "SAME")
        else:
            # conv2d's own explicit padding has no oneDNN gradient; on a CPU the step would take far longer.
            around = [self.padding, self.padding]
            x = tf.nn.conv2d(tf.pad(inputs, [[0, 0], around, around, [0, 0]]), kernel, self.strides, "VALID")
        return tf.nn.bias_add(x, self.bias) if self.use_bias else x

    def _is_same(self, side: int | None) -> bool:
        """Whether padding "SAME" adds `padding` zeros at both ends of this side."""
        if side is None:
            return self.strides == 1 and self.kernel_size == 2 * self.padding + 1
        return max((-(-side // self.strides) - 1) * self.strides + self.kernel_size - side, 0) == 2 * self.padding

    def compute_output_shape(self, input_shape):
        sides = (
            None if side is None else (side + 2 * self.padding - self.kernel_size) // self.strides + 1
            for side in input_shape[1:3]
        )
        return (input_shape[0], *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "use_bias": self.use_bias,
        }


def advance_power_iterations(network: keras.Model) -> None:
    """Takes one power step in each spectrally normalized layer; call it once per update of the weights."""
    for layer in network.layers:
        if isinstance(layer, SpectralConv2D):
            layer.power_step()
