"""ICNR: initialization of the convolution before a pixel shuffle (Aitken et al. 2017, arXiv:1707.02937).

The `scale**2` kernels of one block of output pixels start equal, so that a fresh network enlarges by nearest neighbor,
without a checkerboard.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("sr_gan_tf")
class ICNR(keras.initializers.Initializer):
    """Kernels (height, width, in, out * scale**2), equal within each group that `PixelShuffle` spreads over a block.

    Args:
        scale: enlargement of the pixel shuffle after the convolution.
        initializer: draws one kernel of each group; a name, a configuration or an initializer.
    """

    def __init__(self, scale: int, initializer="glorot_uniform"):
        self.scale = scale
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None):
        *front, channels = shape
        if channels % self.scale**2:
            raise ValueError(
                f"ICNR: {channels} channels cannot be shuffled by {self.scale}; use a multiple of scale**2"
            )
        kernel = self.initializer((*front, channels // self.scale**2), dtype=dtype)
        return ops.tile(kernel, [1] * len(front) + [self.scale**2])

    def get_config(self) -> dict:
        return {"scale": self.scale, "initializer": keras.initializers.serialize(self.initializer)}
