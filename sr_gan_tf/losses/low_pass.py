"""Filters of pictures in TensorFlow that depend on frequency alone, for losses that weigh frequencies differently."""

from collections.abc import Callable, Sequence

import tensorflow as tf

# Mirrored pixels around a picture; the filter's response is small beyond.
BORDER = 24


def low_pass(image: tf.Tensor, cutoff: float) -> tf.Tensor:
    """Pictures (N, H, W, C) without their frequencies above `cutoff` cycles per pixel, in any direction.

    The filter falls from 1 to 0 within 0.04 cycles per pixel around `cutoff`. Borders are mirrored.
    """
    return with_band_gains(image, (1.0, 0.0), (cutoff,))


def with_band_gains(image: tf.Tensor, gains: Sequence[float], edges: Sequence[float]) -> tf.Tensor:
    """Pictures (N, H, W, C) with each band of frequencies multiplied by its gain.

    Args:
        image: pictures; their borders are mirrored.
        gains: one factor per band, from the coarsest to the finest.
        edges: the frequencies between two bands, rising, in cycles per pixel; one fewer than `gains`. The gain changes
            linearly within 0.04 cycles per pixel around each.
    """
    border = [tf.minimum(BORDER, tf.shape(image)[axis] - 1) for axis in (1, 2)]
    padded = tf.pad(image, [[0, 0], [border[0], border[0]], [border[1], border[1]], [0, 0]], mode="REFLECT")
    height, width = tf.shape(padded)[1], tf.shape(padded)[2]
    radius = radial_frequencies(height, width, image.dtype)
    response = gains[0] * tf.ones_like(radius)
    for edge, below, above in zip(edges, gains[:-1], gains[1:], strict=True):
        response += (above - below) * tf.clip_by_value((radius - edge + 0.02) / 0.04, 0, 1)
    spectrum = tf.signal.rfft2d(tf.transpose(padded, (0, 3, 1, 2)))  # (N, C, H, W // 2 + 1)
    planes = tf.signal.irfft2d(spectrum * tf.cast(response, spectrum.dtype), tf.stack([height, width]))
    filtered = tf.transpose(planes, (0, 2, 3, 1))
    inside = filtered[:, border[0] : height - border[0], border[1] : width - border[1]]
    return tf.ensure_shape(inside, image.shape)


def radial_frequencies(height: tf.Tensor, width: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Cycles per pixel, in any direction, of each coefficient of `rfft2d`: (H, W // 2 + 1), 0 to 0.71."""
    rows, columns = tf.range(height), tf.range(width // 2 + 1)
    down = tf.cast(tf.minimum(rows, height - rows), dtype) / tf.cast(height, dtype)
    right = tf.cast(columns, dtype) / tf.cast(width, dtype)
    return tf.sqrt(tf.square(down)[:, None] + tf.square(right)[None, :])


def after_low_pass(
    function: Callable[[tf.Tensor], tf.Tensor], cutoff: float | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    """`function` of the filtered pictures, or `function` itself without a cutoff.

    Raises:
        ValueError: the cutoff is not above 0 and below 0.7 cycles per pixel.
    """
    if cutoff is None:
        return function
    if not 0 < cutoff < 0.7:
        raise ValueError(f"cutoff: expected a frequency above 0 and below 0.7, found {cutoff!r}")
    return lambda image: function(low_pass(image, cutoff))
