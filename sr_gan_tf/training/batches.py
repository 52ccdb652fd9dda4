"""Batches for the trainers: checks (lr, hr), and computes the means of logged values."""

from typing import Any

import keras
import tensorflow as tf

from sr_gan_tf.layers.unknown_shapes import known_channels
from sr_gan_tf.training.terms import Logs


class EpochMeans:
    """Means of logged values over pictures, without non-finite ones; counters and learning rates as their last values.

    Sums stay on the device, in one vector, because reading a value in Python would wait for the step.
    """

    def __init__(self):
        self.names: list[str] = []
        self.sums = self.counts = None
        self.latest: Logs = {}

    def add(self, logs: Logs, count: float) -> None:
        self.names = [name for name in logs if not _stands(name)]
        self.latest = {name: value for name, value in logs.items() if _stands(name)}
        if not self.names:
            return
        values = tf.stack([tf.cast(logs[name], tf.float32) for name in self.names])
        finite = tf.math.is_finite(values)
        counts = count * tf.cast(finite, tf.float32)
        sums = tf.where(finite, values, 0.0) * count
        self.sums = sums if self.sums is None else self.sums + sums
        self.counts = counts if self.counts is None else self.counts + counts

    def result(self) -> dict[str, float]:
        """Values by name; NaN if no finite value was added."""
        means = [] if self.sums is None else (self.sums / self.counts).numpy()
        latest = {name: float(value) for name, value in self.latest.items()}
        return dict(zip(self.names, map(float, means), strict=True)) | latest


def pair_of(data: Any, owner: str, scale: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Checks a batch, as far as shapes and types are known, and returns (lr, hr).

    Args:
        data: the batch.
        owner: the trainer's name, for messages.
        scale: the scale of the generator.

    Raises:
        ValueError: the batch is not a pair of float pictures (N, H, W, 3) of matching sizes, or has weights.
    """
    lr, hr, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ValueError(
            f"{owner}: sample and class weights have no effect on its losses, which are means over all pixels; pass "
            "batches (lr, hr), and repeat a picture to increase its weight"
        )
    if hr is None:
        raise ValueError(f"{owner}: expected batches (lr, hr), found {type(data).__name__} without hr")
    for name, pictures in (("lr", lr), ("hr", hr)):
        if not hasattr(pictures, "dtype"):
            raise ValueError(f"{owner}: {name} is a {type(pictures).__name__}, expected a tensor (N, H, W, 3)")
        if not tf.as_dtype(pictures.dtype).is_floating:
            raise ValueError(
                f"{owner}: {name} is {tf.as_dtype(pictures.dtype).name}, expected float32 in [0, 1]; divide 8-bit "
                "pictures by 255"
            )
        rank = tf.TensorShape(pictures.shape).rank
        if rank not in (4, None) or (rank and pictures.shape[-1] not in (3, None)):
            raise ValueError(f"{owner}: {name} has the shape {tuple(pictures.shape)}, expected (N, H, W, 3)")
    lr, hr = (known_channels(pictures) for pictures in (lr, hr))
    sizes = lr.shape[1:3], hr.shape[1:3]
    if any(large not in (None, scale * small) for small, large in zip(*sizes, strict=True) if small is not None):
        small, large = ("x".join(map(str, size)) for size in sizes)
        raise ValueError(
            f"{owner}: hr is {large} where lr is {small}, but the generator enlarges by {scale}; give batches (lr, hr) "
            f"with hr {scale} times as high and wide"
        )
    return lr, hr


def _stands(name: str) -> bool:
    return name.startswith("skipped_") or name.endswith("learning_rate")


def count_of(data: Any) -> float:
    """Number of pictures in a batch; 1 if it is spread over replicas, all of which have the same number."""
    pictures = tf.nest.flatten(data)[0]
    return 1.0 if isinstance(pictures, tf.distribute.DistributedValues) else float(pictures.shape[0])
