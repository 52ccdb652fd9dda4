"""How an LR picture is made from its HR picture.

Each degradation works on one uint8 picture (H, W, 3) and returns the uint8 LR picture, as a file would hold it. It is
called with NumPy arrays or TensorFlow tensors, eagerly or inside tf.data, and gives the same bits every way, since
the arithmetic is the same NumPy code.
"""

import inspect
from typing import Literal

import numpy as np
import tensorflow as tf

from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.resampling import imresize


class Degradation:
    """HR picture to LR picture: (H, W, 3) or (N, H, W, 3) uint8 to (.., H/scale, W/scale, 3) uint8.

    `is_random`: LR differs from time to time, so it is made from each crop; otherwise it is made once from the whole
    picture and stored. `margin`: HR pixels around a crop that its LR depends on (a multiple of the scale).
    """

    scale: int
    is_random = False
    margin = 0

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        """The LR picture of one HR picture; `draws` gives the random numbers."""
        raise NotImplementedError

    def __call__(self, hr, seed=0):
        """LR of one picture, or of a batch whose picture i uses (seed, i); `seed` may be a tensor."""
        if not tf.is_tensor(hr) or tf.executing_eagerly():
            return self._batch(np.asarray(hr), int(seed))
        lr = tf.numpy_function(self._batch, [hr, tf.cast(seed, tf.int64)], tf.uint8, stateful=False)
        sizes = [size and size // self.scale for size in hr.shape[-3:-1]] if hr.shape.rank else [None, None]
        return tf.ensure_shape(lr, [*hr.shape[:-3], *sizes, 3])

    def _batch(self, hr: np.ndarray, seed: int) -> np.ndarray:
        if hr.ndim == 3:
            return self.degrade(hr, Draws(seed, 0))
        return np.stack([self.degrade(one, Draws(seed, number)) for number, one in enumerate(hr)])

    def get_config(self) -> dict:
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}


class Bicubic(Degradation):
    """MATLAB's antialiased bicubic reduction, to the bit.

    Args:
        scale: HR pixels an LR pixel.
        border: `replicate` as the published LR files, `symmetric` as newer MATLABs.
    """

    def __init__(self, scale: int, border: Literal["replicate", "symmetric"] = "replicate"):
        self.scale, self.border = scale, border

    def degrade(self, hr: np.ndarray, draws: Draws) -> np.ndarray:
        size = hr.shape[0] // self.scale, hr.shape[1] // self.scale
        return imresize(hr, size=size, border=self.border)


DEGRADATIONS = {"Bicubic": Bicubic}
