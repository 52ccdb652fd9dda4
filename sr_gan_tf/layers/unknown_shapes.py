"""Tensors of a graph whose shape is not known before it runs."""

import tensorflow as tf


def known_channels(pictures, channels: int = 3):
    """The pictures; a tensor of a graph whose rank or channels are unknown is checked when the graph runs.

    Data sets may not say them, and Keras's `predict` forgets them when it gets pictures of another kind.
    """
    shape = tf.TensorShape(getattr(pictures, "shape", None)) if tf.is_tensor(pictures) else None
    if shape is None or (shape.rank is not None and (shape.rank != 4 or shape[-1] is not None)):
        return pictures
    return tf.ensure_shape(pictures, (None, None, None, channels))
