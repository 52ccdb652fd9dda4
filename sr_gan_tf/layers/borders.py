"""Padding for networks whose maps must divide evenly: mirror up to a multiple, then crop the result."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("sr_gan_tf")
class MirrorToMultiple(keras.layers.Layer):
    """(N, H, W, C) padded to the next multiples of `multiple`, by mirroring at the bottom and on the right.

    The picture is mirrored as often as needed, so a 3x5 picture can become 256x256.

    Args:
        multiple: divisor of the new height and width.
    """

    footprint = (0, 0, 1)  # Pixels keep their places; the padding repeats pixels less than `multiple` away.

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs):
        x = inputs
        for axis in (1, 2):
            if x.shape[axis] is not None and x.shape[axis] % self.multiple == 0:
                continue
            size = tf.shape(x)[axis]
            period = 2 * size
            # Never the remainder of a negative number: runtimes disagree on its sign.
            place = tf.range((size + self.multiple - 1) // self.multiple * self.multiple) % period
            # 0 1 2 2 1 0 0 1 2 ...
            x = tf.gather(x, tf.minimum(place, period - 1 - place), axis=axis)
        return tf.ensure_shape(x, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, self._padded(height), self._padded(width), channels

    def _padded(self, size: int | None) -> int | None:
        return None if size is None else size + -size % self.multiple

    def get_config(self) -> dict:
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("sr_gan_tf")
class CropLike(keras.layers.Layer):
    """[enlarged (N, H', W', C), original (N, H, W, C')] to the upper left (N, scale*H, scale*W, C) of the first.

    Args:
        scale: enlargement between the two.
    """

    footprint = (0, 0, 1)  # pixel by pixel
    # Only the size of the second input is used: no pixel depends on its values.
    size_only_inputs = (1,)

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs):
        enlarged, original = inputs
        size = self.scale * tf.shape(original)[1:3]
        return tf.ensure_shape(
            enlarged[:, : size[0], : size[1]], self.compute_output_shape([enlarged.shape, original.shape])
        )

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), (_, height, width, _) = input_shape
        return batch, *(None if size is None else self.scale * size for size in (height, width)), channels

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}
