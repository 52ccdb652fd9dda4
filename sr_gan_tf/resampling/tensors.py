"""imresize in TensorFlow: two dense matrix products, for sizes that may be known only in the graph."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sr_gan_tf.resampling.taps import HALF, INTEGERS, Border, axes_of, cached_taps, dense, order_of, support_of, taps_of


def imresize_tf(
    image,
    scale: float | Sequence[float] | None = None,
    size=None,
    kernel: str = "bicubic",
    antialias: bool = True,
    border: Border = "replicate",
) -> tf.Tensor:
    """`imresize` as TensorFlow operations: two matrix products, differentiable for float pictures.

    Takes the arguments of `imresize`; the picture is (H, W, C) or (N, H, W, C). Height and width, `scale` and `size`
    may be tensors (tf.data); for XLA they must be known when the graph is built. The products are dense: suited to
    crops and pictures of a few megapixels. For large files, `imresize` is more economical.
    """
    image = tf.convert_to_tensor(image)
    if image.shape.rank not in (3, 4):
        raise ValueError(f"imresize_tf takes (H, W, C) or (N, H, W, C) pictures, got shape {image.shape}")
    dtype, peak = image.dtype, INTEGERS.get(np.dtype(image.dtype.as_numpy_dtype))
    if peak is None and not dtype.is_floating:
        raise ValueError(f"imresize_tf takes uint8, uint16 or float pictures, got {dtype.name}")
    static, dynamic = image.shape[-3:-1], tf.shape(image)
    lengths = [static[i] if static[i] is not None else dynamic[i - 3] for i in (0, 1)]
    axes = axes_of(lengths, scale, size, kernel, border)
    matrices = [
        _matrix(lengths[axis], length, ratio, kernel, antialias, border) for axis, (length, ratio) in enumerate(axes)
    ]
    values = tf.cast(image, tf.float64)

    def vertical(values):
        return _rounded(tf.einsum("oh,...hwc->...owc", matrices[0], values), peak)

    def horizontal(values):
        return _rounded(tf.einsum("ow,...hwc->...hoc", matrices[1], values), peak)

    order = order_of(axes)
    if order is None:
        is_vertical_first = tf.cast(axes[0][1], tf.float64) <= tf.cast(axes[1][1], tf.float64)
        values = tf.cond(is_vertical_first, lambda: horizontal(vertical(values)), lambda: vertical(horizontal(values)))
    else:
        for axis in order:
            values = (vertical, horizontal)[axis](values)
    return tf.cast(values, dtype)


def _matrix(in_length, out_length, ratio, kernel: str, antialias: bool, border: str) -> tf.Tensor:
    """Returns (out_length, in_length) weights: a constant if everything is known, otherwise computed in the graph."""
    if not any(tf.is_tensor(value) for value in (in_length, out_length, ratio)):
        taps = cached_taps(in_length, out_length, float(ratio), kernel, antialias, border)
        return tf.constant(dense(*taps, in_length), tf.float64)
    in_length, out_length = tf.cast(in_length, tf.int32), tf.cast(out_length, tf.int32)
    ratio = tf.cast(ratio, tf.float64)
    support = tf.cast(support_of(ratio, kernel, antialias, tf), tf.float64)
    taps = tf.cast(tf.math.ceil(support), tf.int32) + 2
    index, weights = taps_of(
        tf.cast(in_length, tf.float64), tf.cast(out_length, tf.float64), ratio, kernel, antialias, border, _Graph,
        tf.cast(taps, tf.float64),
    )  # fmt: skip
    row = tf.broadcast_to(tf.range(out_length)[:, None], tf.shape(index))
    places = tf.stack([row, tf.cast(index, tf.int32)], axis=-1)
    return tf.scatter_nd(places, weights, tf.stack([out_length, in_length]))


class _Graph:
    """The few NumPy functions that `taps_of` and the kernels use, as TensorFlow operations."""

    arange, floor, minimum, maximum, where, sin = tf.range, tf.floor, tf.minimum, tf.maximum, tf.where, tf.sin
    sum = staticmethod(tf.reduce_sum)


def _rounded(values: tf.Tensor, peak: float | None) -> tf.Tensor:
    return values if peak is None else tf.clip_by_value(tf.floor(values + HALF), 0.0, peak)
