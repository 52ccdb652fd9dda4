"""PixelShuffle and PixelUnshuffle: channels to pixels and back (Shi et al. 2016, arXiv:1609.05158).

Channels are ordered (row, column, channel), as in TensorFlow's `depth_to_space`. PyTorch's `PixelShuffle` orders them
(channel, row, column), so conversion permutes the output channels of the preceding convolution. A layer's `footprint`
is (first, last, stride): the input pixels on which an output pixel depends; tiling uses it.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("sr_gan_tf")
class PixelShuffle(keras.layers.Layer):
    """(N, H, W, C * scale**2) to (N, scale*H, scale*W, C).

    Args:
        scale: enlargement, 2 or more.
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.footprint = (1 / scale - 1, 0, 1 / scale)

    def call(self, inputs):
        return ops.depth_to_space(inputs, self.scale)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, _times(height, self.scale), _times(width, self.scale), channels // self.scale**2

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("sr_gan_tf")
class PixelUnshuffle(keras.layers.Layer):
    """(N, H, W, C) to (N, H/scale, W/scale, C * scale**2); H and W are multiples of `scale`.

    Args:
        scale: reduction, 2 or more.
    """

    def __init__(self, scale: int, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.footprint = (0, scale - 1, scale)

    def call(self, inputs):
        return ops.space_to_depth(inputs, self.scale)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, _over(height, self.scale), _over(width, self.scale), channels * self.scale**2

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}


def _times(size: int | None, scale: int) -> int | None:
    return None if size is None else size * scale


def _over(size: int | None, scale: int) -> int | None:
    return None if size is None else size // scale
