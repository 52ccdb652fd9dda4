"""Feature losses: the generator matches the discriminator's features of real pictures.

Feature matching of batch means: Salimans et al. 2016, arXiv:1606.03498, section 3.1. Pairwise: Wang et al. 2018
(pix2pixHD), arXiv:1711.11585, where each SR picture has its own HR picture. Both are means over the features of a layer
and over the layers, while the papers use sums, so that a weight does not depend on the size of the discriminator.
"""

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.losses.base import FeatureLoss
from sr_gan_tf.losses.pixel import mean_absolute_error, mean_squared_error


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class FeatureMatching(FeatureLoss):
    """mean over layers and features of (E[f(real)] - E[f(fake)])^2, E the mean over the batch.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import FeatureMatching
        >>> real, fake = [tf.zeros((2, 4, 4, 8))], [tf.ones((2, 4, 4, 8))]  # one layer
        >>> float(FeatureMatching()(real, fake))
        1.0
    """

    def compute(self, pairs):
        means = distribution.mean([tuple(tf.reduce_mean(side, axis=0) for side in pair) for pair in pairs])
        return tf.add_n([mean_squared_error(real, fake) for real, fake in means]) / len(means)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class PairwiseFeatureMatching(FeatureLoss):
    """mean over layers, pictures and features of |f(real) - f(fake)|.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import PairwiseFeatureMatching
        >>> real, fake = [tf.zeros((2, 4, 4, 8))], [tf.ones((2, 4, 4, 8))]  # one layer
        >>> float(PairwiseFeatureMatching()(real, fake))
        1.0
    """

    def compute(self, pairs):
        return tf.add_n([mean_absolute_error(real, fake) for real, fake in pairs]) / len(pairs)
