"""Adversarial losses: binary cross-entropy, least squares, hinge, Wasserstein, relativistic average.

Cross-entropy: Goodfellow et al. 2014, arXiv:1406.2661, with the generator's non-saturating form and the one-sided
label smoothing of Salimans et al. 2016, arXiv:1606.03498. Least squares: Mao et al. 2016, arXiv:1611.04076. Hinge:
Lim and Ye 2017, arXiv:1705.02894. Wasserstein: Arjovsky et al. 2017, arXiv:1701.07875. Relativistic average:
Jolicoeur-Martineau 2018, arXiv:1807.00734, as in ESRGAN, arXiv:1809.00219.

The discriminator minimizes the mean of its two terms, while most papers use the sum. The minimum is the same and the
gradient half, to which Adam is invariant. Halve the weights of penalties on the discriminator as well.
"""

import keras
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.losses.base import AdversarialLoss, as_float


def cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    """Mean of -label * log sigmoid(logits) - (1 - label) * log(1 - sigmoid(logits)); log 2 = 0.693 for zero logits."""
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), _like(label, logits)), logits)
    )


def _like(value: float, tensor: tf.Tensor) -> tf.Tensor:
    return tf.cast(value, tensor.dtype)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class BinaryCrossentropy(AdversarialLoss):
    """The original GAN loss; each term is 0.693 while the discriminator guesses.

    Args:
        label_smoothing: label `1 - label_smoothing` for real pictures in the discriminator loss, in [0, 0.5). Generated
            pictures keep 0 (one-sided), and the generator loss keeps 1.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import BinaryCrossentropy
        >>> real, fake = tf.constant([[2.0]]), tf.constant([[-1.0]])  # logits
        >>> [round(float(term), 3) for term in BinaryCrossentropy().discriminator_loss(real, fake)]
        [0.127, 0.313]
        >>> round(float(BinaryCrossentropy().generator_loss(fake)), 3)
        1.313
    """

    def __init__(self, label_smoothing: float = 0.0):
        if not 0 <= label_smoothing < 0.5:
            raise ValueError(f"label_smoothing must be in [0, 0.5), found {label_smoothing!r}")
        self.label_smoothing = label_smoothing

    def generator_loss(self, fake_logits, real_logits=None):
        return cross_entropy(as_float(fake_logits), 1.0)  # -log sigmoid(fake): its gradient survives a confident D

    def discriminator_loss(self, real_logits, fake_logits):
        real = cross_entropy(as_float(real_logits), 1.0 - self.label_smoothing)  # -log sigmoid(real)
        fake = cross_entropy(as_float(fake_logits), 0.0)  # -log(1 - sigmoid(fake))
        return real, fake


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class LeastSquares(AdversarialLoss):
    """Squared distance of the raw outputs from 1 for real and 0 for generated pictures.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import LeastSquares
        >>> real, fake = tf.constant([[2.0]]), tf.constant([[-1.0]])  # logits
        >>> [round(float(term), 3) for term in LeastSquares().discriminator_loss(real, fake)]
        [1.0, 1.0]
        >>> round(float(LeastSquares().generator_loss(fake)), 3)
        2.0
    """

    guess = 0.5

    def generator_loss(self, fake_logits, real_logits=None):
        return 0.5 * tf.reduce_mean(tf.square(as_float(fake_logits) - 1))  # (fake - 1)^2 / 2

    def discriminator_loss(self, real_logits, fake_logits):
        # Their mean is the paper's (real - 1)^2 / 2 + fake^2 / 2.
        return tf.reduce_mean(tf.square(as_float(real_logits) - 1)), tf.reduce_mean(tf.square(as_float(fake_logits)))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Hinge(AdversarialLoss):
    """The discriminator stops learning from a picture once its output is beyond +1 (real) or -1 (generated).

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Hinge
        >>> real, fake = tf.constant([[2.0]]), tf.constant([[-1.0]])  # logits
        >>> [round(float(term), 3) for term in Hinge().discriminator_loss(real, fake)]
        [0.0, 0.0]
        >>> round(float(Hinge().generator_loss(fake)), 3)
        1.0
    """

    def generator_loss(self, fake_logits, real_logits=None):
        return -tf.reduce_mean(as_float(fake_logits))

    def discriminator_loss(self, real_logits, fake_logits):
        real = tf.reduce_mean(tf.nn.relu(1 - as_float(real_logits)))  # max(0, 1 - real)
        fake = tf.reduce_mean(tf.nn.relu(1 + as_float(fake_logits)))  # max(0, 1 + fake)
        return real, fake


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Wasserstein(AdversarialLoss):
    """Difference of the mean outputs; needs the penalty `GradientPenalty`, otherwise it is unbounded.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import Wasserstein
        >>> real, fake = tf.constant([[2.0]]), tf.constant([[-1.0]])  # logits
        >>> [round(float(term), 3) for term in Wasserstein().discriminator_loss(real, fake)]
        [-2.0, -1.0]
        >>> round(float(Wasserstein().generator_loss(fake)), 3)
        1.0
    """

    guess = None

    def generator_loss(self, fake_logits, real_logits=None):
        return -tf.reduce_mean(as_float(fake_logits))

    def discriminator_loss(self, real_logits, fake_logits):
        return -tf.reduce_mean(as_float(real_logits)), tf.reduce_mean(as_float(fake_logits))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class RelativisticAverage(AdversarialLoss):
    """Compares each picture with the average of the other class; each term is 0.693 while D guesses.

    The averages are over the whole batch (and over all patches of a grid or map). The generator loss is the mean of its
    two terms, as in ESRGAN's published code (the paper uses the sum).

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import RelativisticAverage
        >>> real, fake = tf.constant([[2.0]]), tf.constant([[-1.0]])  # logits
        >>> [round(float(term), 3) for term in RelativisticAverage().discriminator_loss(real, fake)]
        [0.049, 0.049]
        >>> round(float(RelativisticAverage().generator_loss(fake, real)), 3)
        3.049
    """

    needs_real = True
    guess = None

    def generator_loss(self, fake_logits, real_logits=None):
        if real_logits is None:
            raise ValueError("RelativisticAverage.generator_loss needs real_logits, D's logits of the real pictures")
        real, fake = _relative(real_logits, fake_logits)
        return 0.5 * (cross_entropy(real, 0.0) + cross_entropy(fake, 1.0))

    def discriminator_loss(self, real_logits, fake_logits):
        real, fake = _relative(real_logits, fake_logits)
        return cross_entropy(real, 1.0), cross_entropy(fake, 0.0)


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class RelativisticPair(AdversarialLoss):
    """Compares each generated picture with its own real one, position by position; 0.693 while D guesses.

    RSGAN, Jolicoeur-Martineau 2018, arXiv:1807.00734, where the pairs are random. In super-resolution, both pictures of
    a pair have the same content, so what a position shows cancels out, and only how real it looks remains.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import RelativisticPair
        >>> real, fake = tf.constant([[2.0], [0.0]]), tf.constant([[-1.0], [0.0]])  # logits
        >>> [round(float(term), 3) for term in RelativisticPair().discriminator_loss(real, fake)]
        [0.371, 0.371]
        >>> round(float(RelativisticPair().generator_loss(fake, real)), 3)
        1.871
    """

    needs_real = True
    guess = None

    def generator_loss(self, fake_logits, real_logits=None):
        if real_logits is None:
            raise ValueError("RelativisticPair.generator_loss needs real_logits, D's logits of the real pictures")
        return cross_entropy(as_float(fake_logits) - as_float(real_logits), 1.0)

    def discriminator_loss(self, real_logits, fake_logits):
        # Both terms are equal: a real logit above its pair's is a generated one below.
        term = cross_entropy(as_float(real_logits) - as_float(fake_logits), 1.0)
        return term, term


def _relative(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    real, fake = as_float(real_logits), as_float(fake_logits)
    real_mean, fake_mean = distribution.mean((tf.reduce_mean(real), tf.reduce_mean(fake)))
    return real - fake_mean, fake - real_mean
