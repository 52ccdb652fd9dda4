"""Equal random numbers for tests."""

from unittest import mock

import keras
import tensorflow as tf


def start_from(seed: int) -> None:
    """`keras.utils.set_random_seed` for all that Keras draws: initial weights, dropout, noise.

    TensorFlow's own seed stays: setting it would drop all kernels, and making them anew takes as long as a tiny step.
    """
    with mock.patch.object(tf.random, "set_seed"):
        keras.utils.set_random_seed(seed)
