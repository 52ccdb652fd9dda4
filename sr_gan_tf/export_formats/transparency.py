"""Extends colors to transparent pixels in a graph: `inference/alpha.py` for a server without Python."""

import tensorflow as tf

# Halvings that reduce any picture that a file can contain to one pixel: up to 2**16 pixels per side.
_LEVELS = 16


def extended_colors_tf(pixels: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """Replaces the colors of pixels (H, W, C) whose `alpha` (H, W) is 0 by those of their visible neighbors."""
    visible = alpha > 0
    is_needed = tf.logical_and(tf.reduce_any(visible), tf.logical_not(tf.reduce_all(visible)))
    return tf.cond(is_needed, lambda: _extended(pixels, visible), lambda: pixels)


def _extended(pixels: tf.Tensor, visible: tf.Tensor) -> tf.Tensor:
    seen = tf.cast(visible, tf.float32)[..., None]
    levels = [(tf.cast(pixels, tf.float32) * seen, seen)]
    for _ in range(_LEVELS):
        sums, counts = _halved(levels[-1][0]), _halved(levels[-1][1])
        # Averages, not sums: a square with one visible pixel counts as much as a full one.
        levels.append((tf.math.divide_no_nan(sums, counts), tf.cast(counts > 0, tf.float32)))
    filled = levels.pop()[0]
    while levels:
        colors, seen = levels.pop()
        size = tf.shape(colors)
        wider = tf.repeat(tf.repeat(filled, 2, axis=0), 2, axis=1)[: size[0], : size[1]]
        filled = tf.where(seen > 0, colors, wider)
    return tf.where(visible[..., None], pixels, tf.cast(tf.round(filled), pixels.dtype))


def _halved(values: tf.Tensor) -> tf.Tensor:
    """Sums over squares of 2 x 2; an odd side is padded with zeros."""
    size = tf.shape(values)
    values = tf.pad(values, [[0, size[0] % 2], [0, size[1] % 2], [0, 0]])
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
