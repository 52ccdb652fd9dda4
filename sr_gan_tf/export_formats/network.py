"""Represents a generator as one TensorFlow function, for converters that start from a graph."""

import keras
import tensorflow as tf

INPUT, OUTPUT = "images", "outputs"
# Names of input and output for each layout.
IN_LAYOUT = {"nhwc": (INPUT, OUTPUT), "nchw": ("input", "output")}


def network_function(
    generator: keras.Model,
    shape: tuple[int | None, int | None, int | None],
    given: str = INPUT,
    result: str = OUTPUT,
    eight_bits: bool = False,
) -> tf.types.experimental.PolymorphicFunction:
    """Returns a function from (N, H, W, 3) to {result: (N, scale*H, scale*W, 3)}; None in `shape` allows any size.

    Args:
        generator: the network.
        shape: N, H and W.
        given: name of the input.
        result: name of the output.
        eight_bits: whether both are uint8, rounded half to even; otherwise float32, not clipped.
    """

    def network(images):
        if not eight_bits:
            return {result: tf.cast(generator(images, training=False), tf.float32)}
        values = generator(tf.cast(images, tf.float32) / 255, training=False)
        return {result: tf.cast(tf.round(tf.clip_by_value(tf.cast(values, tf.float32) * 255, 0, 255)), tf.uint8)}

    kind = tf.uint8 if eight_bits else tf.float32
    return tf.function(network, autograph=False, input_signature=[tf.TensorSpec((*shape, 3), kind, name=given)])
