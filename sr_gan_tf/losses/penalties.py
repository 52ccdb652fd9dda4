"""Penalties on the discriminator's gradient with respect to its pictures: R1, and the Wasserstein gradient penalty.

R1: Mescheder et al. 2018, arXiv:1801.04406. Gradient penalty: Gulrajani et al. 2017, arXiv:1704.00028. A grid or map of
    logits counts as its mean; with one logit this is the paper's formula.

The experiment sets their weights (gamma = 10, lambda = 10 in the papers). The discriminator loss here is the mean of
its two terms, while the papers use the sum, so the same balance needs half of these weights. Batch normalization mixes
the pictures of a batch and their gradients, so use discriminators without it.

The LR channels of a conditional discriminator are not part of the gradient: they are the condition, and the penalties
smooth the discriminator's output as a function of the picture.
"""

import keras
import tensorflow as tf

from sr_gan_tf.losses.base import Penalty, as_float

PICTURE_CHANNELS = 3


def squared_gradient_norm(discriminator, images: tf.Tensor) -> tf.Tensor:
    """||d D(x) / d x||^2 of each picture, (N,); x is the first three channels of `images` (N, H, W, C)."""
    pictures, condition = images[..., :PICTURE_CHANNELS], images[..., PICTURE_CHANNELS:]
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        logits = discriminator(tf.concat([pictures, tf.stop_gradient(condition)], axis=-1))
        # A sum over pictures: the gradient of each picture depends only on its logits.
        logits = tf.reshape(tf.cast(logits, images.dtype), (tf.shape(images)[0], -1))
        score = tf.reduce_sum(tf.reduce_mean(logits, axis=1))
    return tf.reduce_sum(tf.square(tape.gradient(score, pictures)), axis=(1, 2, 3))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class R1(Penalty):
    """mean ||d D(real) / d real||^2 / 2: keeps the discriminator flat around real pictures; from 0.

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import R1
        >>> real, fake = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> discriminator = lambda pictures: tf.reduce_sum(pictures, axis=(1, 2, 3))[:, None]
        >>> round(float(R1()(discriminator, real, fake)), 2)
        96.0
    """

    def __call__(self, discriminator, real, fake):
        return tf.reduce_mean(squared_gradient_norm(discriminator, as_float(real))) / 2


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class GradientPenalty(Penalty):
    """mean (||d D(x) / d x|| - target)^2 at random points x between the real and the generated pictures; from 0.

    The points are drawn from a hash of the pixels of the batch: no random state has to be stored, and a resumed run
    draws the same points.

    Args:
        target: norm of the gradient, 1 in the paper (logits per unit of [0, 1]).

    Example:
        >>> import tensorflow as tf
        >>> from sr_gan_tf.losses import GradientPenalty
        >>> real, fake = tf.zeros((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.5)
        >>> discriminator = lambda pictures: tf.reduce_sum(pictures, axis=(1, 2, 3))[:, None]
        >>> round(float(GradientPenalty()(discriminator, real, fake)), 2)
        165.29
    """

    def __init__(self, target: float = 1.0):
        if not target >= 0:
            raise ValueError(f"target must be 0 or more, found {target!r}")
        self.target = target

    def __call__(self, discriminator, real, fake):
        real, fake = as_float(real), as_float(fake)
        sums = tf.stack([tf.reduce_sum(real), tf.reduce_sum(fake)])
        seed = tf.bitcast(tf.cast(sums, tf.float32), tf.int32)
        share = tf.random.stateless_uniform((tf.shape(real)[0], 1, 1, 1), seed, dtype=real.dtype)
        between = tf.stop_gradient(fake + share * (real - fake))
        squared = squared_gradient_norm(discriminator, between)
        # The epsilon keeps the root's gradient finite where the discriminator is flat.
        return tf.reduce_mean(tf.square(tf.sqrt(squared + 1e-12) - self.target))
