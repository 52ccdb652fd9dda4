"""Conv3XC: the overparameterized 3x3 convolution of SPAN (Wan et al. 2023, arXiv:2311.12770).

The published layer is a 1x1, a 3x3 and a 1x1 convolution with a 1x1 skip, all with bias and no activation between them,
so it equals one 3x3 convolution. Here the kernels are multiplied in each forward pass and that one convolution is
applied: same function, same gradients, a third of the cost. The published form pads with zeros *before* the first 1x1,
whose bias therefore fills the padded ring as well; so the merged bias is the same everywhere and the borders are exact.
"""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("sr_gan_tf")
class Conv3XC(keras.layers.Layer):
    """(N, H, W, C) to (N, H, W, filters), a 3x3 convolution with zero padding.

    The kernels are float32 under every precision policy and are multiplied in float32; only their product is cast.

    Args:
        filters: channels of the output.
        gain: width of the inner convolutions, as a multiple of the input's and the output's channels.
        initial_gain: factor on the initial last kernel and skip; 1 is the published start (PyTorch's default
            uniform distribution).
        initial_bias: of the output.
        input_mean: expected mean of the inputs. The trained bias is that of a convolution of the inputs minus this
            mean, so that an update of the kernel doesn't shift the whole output; the set of functions is the same.
        published_graph: apply the convolutions one after another, as published; for comparisons.
    """

    footprint = (-1, 1, 1)  # a 3x3 window

    def __init__(
        self,
        filters: int,
        gain: int = 2,
        initial_gain: float = 1.0,
        initial_bias: float = 0.0,
        input_mean: float = 0.0,
        published_graph: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.gain = gain
        self.initial_gain = initial_gain
        self.initial_bias = initial_bias
        self.input_mean = input_mean
        self.published_graph = published_graph

    def build(self, input_shape):
        channels = input_shape[-1]
        wide_in, wide_out = self.gain * channels, self.gain * self.filters

        def weight(name, shape, fan_in, gain=1.0):
            # Uniform within 1 / sqrt(fan_in), PyTorch's default for convolutions.
            limit = gain / fan_in**0.5
            initializer = keras.initializers.RandomUniform(-limit, limit) if fan_in and limit else "zeros"
            return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

        def bias(name, size, start=0.0):
            initializer = keras.initializers.Constant(start)
            return self.add_weight(name=name, shape=(size,), initializer=initializer, autocast=False)

        self.first_kernel = weight("first_kernel", (channels, wide_in), channels)
        self.first_bias = bias("first_bias", wide_in)
        # (in, 3, 3, out), so that the products in `merged` are plain matrix products.
        self.middle_kernel = weight("middle_kernel", (wide_in, 3, 3, wide_out), 9 * wide_in)
        self.middle_bias = bias("middle_bias", wide_out)
        self.last_kernel = weight("last_kernel", (wide_out, self.filters), wide_out, self.initial_gain)
        self.last_bias = bias("last_bias", self.filters, self.initial_bias)
        self.skip_kernel = weight("skip_kernel", (channels, self.filters), channels, self.initial_gain)
        self.skip_bias = bias("skip_bias", self.filters)

    def merged(self):
        """Returns the kernel (3, 3, C, filters) and the bias (filters,) of the merged convolution, in float32."""
        channels, wide_in = self.first_kernel.shape
        filters = self.filters
        rows = ops.matmul(ops.reshape(self.middle_kernel, (9 * wide_in, -1)), self.last_kernel)
        rows = ops.reshape(rows, (wide_in, 9 * filters))
        taps = ops.unstack(ops.reshape(ops.matmul(self.first_kernel, rows), (channels, 9, filters)), axis=1)
        taps[4] = taps[4] + self.skip_kernel  # the center
        # Stacked instead of transposed: oneDNN's transpose costs more than all of these products.
        kernel = ops.reshape(ops.stack(taps), (3, 3, channels, filters))
        # The first bias passes through the other kernels like an input channel of ones.
        through = ops.reshape(ops.matmul(self.first_bias[None], rows), (9, filters))
        # The sum over the taps is a product, since the gradient of a small sum is a slow tile.
        bias = ops.matmul(ops.ones((1, 9)), through) + ops.matmul(self.middle_bias[None], self.last_kernel)
        return kernel, bias[0] + self.last_bias + self.skip_bias - self._of_the_mean(kernel)

    def _of_the_mean(self, kernel):
        """Returns the output for an input that equals `input_mean` everywhere, (filters,)."""
        if not self.input_mean:
            return 0.0
        taps = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
        return ops.matmul(ops.full((1, taps), self.input_mean), ops.reshape(kernel, (taps, self.filters)))[0]

    def call(self, inputs):
        if self.published_graph:
            return self._published(inputs)
        kernel, bias = self.merged()
        dtype = self.compute_dtype
        outputs = tf.nn.conv2d(inputs, ops.cast(kernel, dtype), strides=1, padding="SAME")
        return tf.nn.bias_add(outputs, ops.cast(bias, dtype))

    def _published(self, inputs):
        def convolve(x, kernel, bias):
            kernel, bias = ops.cast(kernel, self.compute_dtype), ops.cast(bias, self.compute_dtype)
            return tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=1, padding="VALID"), bias)

        x = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = convolve(x, self.first_kernel[None, None], self.first_bias)
        x = convolve(x, ops.transpose(self.middle_kernel, (1, 2, 0, 3)), self.middle_bias)
        x = convolve(x, self.last_kernel[None, None], self.last_bias)
        x = x + convolve(inputs, self.skip_kernel[None, None], self.skip_bias)
        return x - ops.cast(self._of_the_mean(self.merged()[0]), x.dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "gain": self.gain,
            "initial_gain": self.initial_gain,
            "initial_bias": self.initial_bias,
            "input_mean": self.input_mean,
            "published_graph": self.published_graph,
        }
