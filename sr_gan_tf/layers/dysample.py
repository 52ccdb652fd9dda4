"""DySample: enlargement by sampling at learned positions, Liu et al. 2023 (arXiv:2308.15085), "LP" with dynamic scope.

Each output pixel is read from the input by bilinear interpolation at its own position plus an offset, which a 1x1
convolution of the input predicts; each of `groups` groups of channels has its own offsets. TensorFlow has no
`grid_sample`, so the four neighbors are gathered. Positions are computed in float32 under every precision policy, since
bfloat16 cannot distinguish the pixels of a row of 512.
"""

import math

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class DySample(keras.layers.Layer):
    """(N, H, W, C) to (N, scale*H, scale*W, C); sampling beyond the border returns the border's pixel.

    Args:
        scale: enlargement, 2 or more.
        groups: groups of channels with their own offsets; divides C.
    """

    def __init__(self, scale: int = 2, groups: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.groups = groups
        self.footprint = (-math.inf, math.inf, 1 / scale)  # nothing bounds the offsets

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be split into {self.groups} groups")
        # Channels in the order (x or y, group, row of the block, column of the block).
        shape = (channels, 2 * self.groups * self.scale**2)
        self.offset_kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.TruncatedNormal(stddev=0.02), name="offset_kernel"
        )
        self.offset_bias = self.add_weight(shape=shape[1:], initializer="zeros", name="offset_bias")
        # sigmoid(0) / 2: the offsets start at a quarter of the convolution's output.
        self.scope_kernel = self.add_weight(shape=shape, initializer="zeros", name="scope_kernel")

    def call(self, inputs):
        offsets = tf.nn.bias_add(_pointwise(inputs, self.offset_kernel), self.offset_bias)
        scope = _pointwise(inputs, self.scope_kernel)
        offsets = tf.cast(offsets, tf.float32) * tf.sigmoid(tf.cast(scope, tf.float32)) * 0.5
        return sample(inputs, *self._positions(offsets), self.groups)

    def _positions(self, offsets):
        """Rows and columns to sample, both (N, scale*H, scale*W, groups), in pixels of the input."""
        batch, height, width = tf.unstack(tf.shape(offsets)[:3])
        scale, groups = self.scale, self.groups
        offsets = tf.reshape(offsets, (batch, height, width, 2, groups, scale, scale))
        offsets = tf.transpose(offsets, (3, 0, 1, 5, 2, 6, 4))  # (2, N, H, row, W, column, groups)
        x, y = tf.unstack(tf.reshape(offsets, (2, batch, height * scale, width * scale, groups)))
        rows = (tf.range(height * scale, dtype=tf.float32) + 0.5) / scale - 0.5
        columns = (tf.range(width * scale, dtype=tf.float32) + 0.5) / scale - 0.5
        return rows[:, None, None] + y, columns[:, None] + x

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = (None if side is None else side * self.scale for side in (height, width))
        return (batch, *sides, channels)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "groups": self.groups}


def sample(images, rows, columns, groups: int):
    """Bilinear interpolation, half-pixel centers, at positions clipped to the border.

    Args:
        images: (N, H, W, C).
        rows: vertical positions, (N, H', W', groups) float32; group g applies to channels g*C/groups to (g+1)*C/groups.
        columns: horizontal positions, like `rows`.
        groups: number of groups.

    Returns:
        (N, H', W', C) in the images' dtype.
    """
    batch, height, width = tf.unstack(tf.shape(images)[:3])
    channels = images.shape[-1]
    rows = tf.clip_by_value(rows, 0.0, tf.cast(height - 1, tf.float32))
    columns = tf.clip_by_value(columns, 0.0, tf.cast(width - 1, tf.float32))
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left  # weights of the lower and the right neighbors
    top, left = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    bottom, far = tf.minimum(top + 1, height - 1), tf.minimum(left + 1, width - 1)

    first = tf.reshape(tf.range(batch) * height, (-1, 1, 1, 1))
    corners = ((top, left), (top, far), (bottom, left), (bottom, far))
    indices = [((first + row) * width + column) * groups + tf.range(groups) for row, column in corners]
    weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    flat = [tf.reshape(item, (-1,)) for item in (*indices, *weights)]
    pixels = tf.reshape(images, (-1, channels // groups))  # one line per picture, pixel and group
    return tf.reshape(weighted_lines(pixels, *flat), tf.concat([tf.shape(rows)[:3], [channels]], 0))


@tf.custom_gradient
def weighted_lines(table, *indices_and_weights):
    """Sum over four corners of weights[k] * table[indices[k]].

    TensorFlow's own gradient keeps every gathered corner for the backward pass and concatenates all of their gradients
    before adding them, which takes several gigabytes at 512x512. Here the corners are gathered again, one by one.
    """
    indices, weights = indices_and_weights[:4], indices_and_weights[4:]
    size = tf.shape(table)[0]

    def one_after_the_other(step):
        total = step(0)
        for corner in (1, 2, 3):
            with tf.control_dependencies([total]):
                total += step(corner)
        return total

    def gather(corner):
        # Summed in float32, whatever the table's precision.
        return tf.cast(tf.gather(table, indices[corner]), tf.float32)

    def gradient(upstream):
        upstream = tf.cast(upstream, tf.float32)
        by_weight = [None] * 4

        def scatter(corner):
            by_weight[corner] = tf.reduce_sum(upstream * gather(corner), axis=1)
            lines = upstream * tf.expand_dims(weights[corner], 1)
            return tf.math.unsorted_segment_sum(lines, indices[corner], size)

        by_table = tf.cast(one_after_the_other(scatter), table.dtype)
        return by_table, *[None] * 4, *by_weight

    result = one_after_the_other(lambda corner: gather(corner) * tf.expand_dims(weights[corner], 1))
    return tf.cast(result, table.dtype), gradient


def _pointwise(images, kernel):
    return tf.nn.conv2d(images, kernel[None, None], 1, "VALID")
