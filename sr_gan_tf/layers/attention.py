"""Self-attention over all positions of a map: Vaswani et al. 2017 (arXiv:1706.03762)."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("sr_gan_tf")
class SelfAttention2D(layers.Layer):
    """(N, H, W, C) to the same shape; memory grows with (H*W)^2. No biases, no positions.

    Args:
        head_size: channels per head; there are C // head_size heads, at least one.
        attend: False skips the attention and projects the input itself, as MetaGAN's published code does; the
            weights of queries, keys and values are then unused.
    """

    def __init__(self, head_size: int = 32, attend: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.head_size = head_size
        self.attend = attend
        self.footprint = (-math.inf, math.inf, 1) if attend else (0, 0, 1)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.num_heads = max(1, channels // self.head_size)
        width = self.num_heads * self.head_size
        if not self.attend and width != channels:
            raise ValueError(f"attend=False: {channels} channels are no multiple of head_size, {self.head_size}")
        # Output channels in the order (query or key or value, head, channel of the head).
        self.queries_keys_values = layers.Dense(
            3 * width, use_bias=False, dtype=self.dtype_policy, name="queries_keys_values"
        )
        self.queries_keys_values.build((None, channels))
        self.projection = layers.Dense(channels, use_bias=False, dtype=self.dtype_policy, name="projection")
        self.projection.build((None, width))

    def call(self, inputs):
        if not self.attend:
            return self.projection(inputs)
        shape = ops.shape(inputs)
        heads = (-1, shape[1] * shape[2], 3, self.num_heads, self.head_size)
        query, key, value = ops.unstack(ops.reshape(self.queries_keys_values(inputs), heads), axis=2)
        x = ops.dot_product_attention(query, key, value)  # (N, H*W, heads, head_size)
        x = ops.reshape(x, (-1, shape[1], shape[2], self.num_heads * self.head_size))
        return self.projection(x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "head_size": self.head_size, "attend": self.attend}
