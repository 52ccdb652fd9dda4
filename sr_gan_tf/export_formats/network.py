"""A generator as one TensorFlow function, for the converters that start from a graph."""

import keras
import tensorflow as tf

INPUT, OUTPUT = "images", "outputs"


def network_function(
    generator: keras.Model, shape: tuple[int | None, int | None, int | None]
) -> tf.types.experimental.PolymorphicFunction:
    """(N, H, W, 3) float32 to {"outputs": (N, scale*H, scale*W, 3)}, with what is None in `shape` left open."""

    def network(images):
        return {OUTPUT: tf.cast(generator(images, training=False), tf.float32)}

    return tf.function(network, autograph=False, input_signature=[tf.TensorSpec((*shape, 3), tf.float32, name=INPUT)])
