"""Wavelet: mean absolute error of wavelet bands, with separate weights for the low and the high bands.

Korkmaz, Tekalp, Dogan 2024, arXiv:2402.19215, train super-resolvers on the bands of a stationary (undecimated) wavelet
transform, so that a fidelity term and adversarial training do not compete for the same frequencies. Here: one level,
the symlet with seven vanishing moments, mirrored borders, filters of unit gain, each color channel separately. The low
band should preserve the content; a weight of 0 for the high bands leaves them to the other losses.
"""

import keras
import tensorflow as tf

from sr_gan_tf.losses.base import ImageLoss

# The symlet's low-pass filter; its sum is the root of two.
_SYMLET_7 = (
    0.010268176708511, 0.004010244871534, -0.107808237703818, -0.140047240442962, 0.288629631751515, 0.767764317003164,
    0.536101917091763, 0.017441255086856, -0.049552834937127, 0.067892693501373, 0.030515513165964, -0.012636303403252,
    -0.001047384888683, 0.002681814568258,
)  # fmt: skip


def wavelet_bands(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps (N, H, W, C) to the low band (N, H, W, C) and three high bands (N, H, W, 3 C), with filters of unit gain.

    The high bands are low-high, high-low and high-high, vertical direction first.
    """
    taps = len(_SYMLET_7)
    before, after = taps // 2, taps - 1 - taps // 2
    padded = tf.pad(image, [[0, 0], [before, after], [before, after], [0, 0]], mode="REFLECT")
    low = tf.constant([tap / 2**0.5 for tap in _SYMLET_7], image.dtype)
    # The quadrature mirror filter: reversed, with every other sign changed.
    high = low[::-1] * tf.constant([(-1) ** index for index in range(taps)], image.dtype)
    filters = tf.stack([tf.einsum("i,j->ij", down, right) for down in (low, high) for right in (low, high)], axis=-1)
    channels = image.shape[-1]
    kernel = tf.tile(filters[:, :, None, :], (1, 1, channels, 1))  # (14, 14, C, 4)
    bands = tf.nn.depthwise_conv2d(padded, kernel, strides=[1, 1, 1, 1], padding="VALID")
    shape = tf.shape(image)
    bands = tf.reshape(bands, (shape[0], shape[1], shape[2], channels, 4))
    return bands[..., 0], tf.reshape(bands[..., 1:], (shape[0], shape[1], shape[2], 3 * channels))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Wavelet(ImageLoss):
    """low * mean |low band of (hr - sr)| + high * mean |high bands of (hr - sr)|; pictures (N, H, W, 3) in [0, 1].

    Args:
        low: weight of the low band, 0 or more.
        high: weight of the mean over the three high bands, 0 or more.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Wavelet
        >>> hr = tf.random.stateless_uniform((1, 32, 32, 3), seed=(1, 2))
        >>> round(float(Wavelet(low=1.0, high=0.5)(hr, 0.5 * hr)), 3)
        0.283
    """

    smallest_size = len(_SYMLET_7) // 2 + 1  # mirroring needs that many pixels

    def __init__(self, low: float = 1.0, high: float = 0.0):
        if low < 0 or high < 0 or low + high == 0:
            raise ValueError(f"low and high must be 0 or more, and one of them above 0; found {low!r} and {high!r}")
        self.low = low
        self.high = high

    def compute(self, hr, sr, lr):
        # The transform is linear: one transform of the difference is enough.
        low, high = wavelet_bands(hr - sr)
        return self.low * tf.reduce_mean(tf.abs(low)) + self.high * tf.reduce_mean(tf.abs(high))
