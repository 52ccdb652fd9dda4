"""Penalties on the discriminator's gradient with respect to its pictures: R1, and the Wasserstein gradient penalty.

R1: Mescheder et al. 2018, arXiv:1801.04406. Gradient penalty: Gulrajani et al. 2017, arXiv:1704.00028. A grid or map of
logits counts as its mean, so that one logit is the paper's case.

Both leave their weights (gamma = 10, lambda = 10) to the experiment; since the discriminator's loss here is the mean of
its two terms where the papers sum, the same balance needs half of them. Batch normalisation mixes the pictures of a
batch, and with them their gradients: use discriminators without it.
"""

import keras
import tensorflow as tf

from sr_gan_tf.losses.base import Penalty, as_float


def squared_gradient_norm(discriminator, images: tf.Tensor) -> tf.Tensor:
    """||d D(x) / d x||^2 of each picture, (N,)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = tf.cast(discriminator(images), images.dtype)
        # A sum over pictures: each picture's gradient depends on its own logits only.
        score = tf.reduce_sum(tf.reduce_mean(tf.reshape(logits, (tf.shape(images)[0], -1)), axis=1))
    return tf.reduce_sum(tf.square(tape.gradient(score, images)), axis=(1, 2, 3))


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class R1(Penalty):
    """mean ||d D(real) / d real||^2 / 2: keeps the discriminator flat around real pictures; from 0."""

    def __call__(self, discriminator, real, fake):
        return tf.reduce_mean(squared_gradient_norm(discriminator, as_float(real))) / 2


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class GradientPenalty(Penalty):
    """mean (||d D(x) / d x|| - target)^2 at random points x between the real and the generated pictures; from 0.

    The places between them are drawn from a hash of the batch's own pixels: nothing random has to be stored, and a
    resumed run draws the same.

    Args:
        target: length of the gradient, 1 in the paper (logits per unit of [0, 1]).
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
