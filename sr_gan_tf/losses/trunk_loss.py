"""TrunkLoss: a loss on features of a fixed network; `content_values` shares one forward pass among several of them."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import tensorflow as tf

from sr_gan_tf.losses.base import ImageLoss, check_same_shape, check_size

# Layer name, and True for the values of a convolution before its ReLU.
Tap = tuple[str, bool]
Features = dict[Tap, tf.Tensor]


class FeatureNetwork(Protocol):
    """A fixed network that computes only the requested features and nothing deeper."""

    def features(self, image: tf.Tensor, taps: Iterable[Tap]) -> Features:
        """Features by tap of pictures (N, H, W, 3) in [0, 1]."""


class TrunkLoss(ImageLoss):
    """A loss on features of a fixed network.

    Subclasses set `trunk`, `taps` (the layers to read) and `smallest_size`, and define `compare`.
    """

    trunk: FeatureNetwork
    taps: tuple[Tap, ...]

    def compute(self, hr, sr, lr):
        real = self.trunk.features(tf.stop_gradient(hr), self.taps)
        return self.compare(real, self.trunk.features(sr, self.taps))

    def compare(self, real: Features, fake: Features) -> tf.Tensor:
        """The loss from the features of both pictures, a scalar."""
        raise NotImplementedError


def content_values(
    losses: Sequence[ImageLoss],
    hr: tf.Tensor,
    sr: tf.Tensor,
    lr: tf.Tensor | None = None,
    average: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """The value of each loss; losses on the same trunk share one pass over `hr` and one over `sr`.

    Args:
        losses: the content losses.
        hr: real pictures, (N, H, W, 3) in [0, 1].
        sr: generated pictures of the same shape.
        lr: their LR pictures, (N, H/scale, W/scale, 3).
        average: outputs of the averaged generator, for losses with `needs_average`.
    """
    shared = {}
    for trunk in {loss.trunk for loss in losses if isinstance(loss, TrunkLoss)}:
        users = [loss for loss in losses if isinstance(loss, TrunkLoss) and loss.trunk is trunk]
        for loss in users:
            check_same_shape(hr, sr, type(loss).__name__)
            check_size(hr, loss.smallest_size, type(loss).__name__)
        taps = {tap for loss in users for tap in loss.taps}
        real = trunk.features(tf.cast(hr, tf.float32), taps)
        real = {tap: tf.stop_gradient(features) for tap, features in real.items()}
        shared[trunk] = real, trunk.features(tf.cast(sr, tf.float32), taps)

    def value(loss) -> tf.Tensor:
        if isinstance(loss, TrunkLoss):
            return loss.compare(*shared[loss.trunk])
        return loss(hr, sr, lr, average)

    return [value(loss) for loss in losses]


def unit_length(features: tf.Tensor) -> tf.Tensor:
    """Normalizes the channels of each position of (N, H, W, C) to unit length."""
    # The epsilon is inside the root, whose gradient at zero (a position without active channels) is not finite.
    return features * tf.math.rsqrt(tf.reduce_sum(tf.square(features), axis=-1, keepdims=True) + 1e-10)
