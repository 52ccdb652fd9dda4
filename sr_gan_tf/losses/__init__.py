"""Losses and their catalogues: the names that an experiment file may use."""

from sr_gan_tf.losses.adversarial import BinaryCrossentropy, Hinge, LeastSquares, RelativisticAverage, Wasserstein
from sr_gan_tf.losses.perceptual import GramStyle, VGGFeatures
from sr_gan_tf.losses.pixel import Charbonnier, Huber, MeanAbsoluteError, MeanSquaredError, TotalVariation

CONTENT_LOSSES = {
    "MeanAbsoluteError": MeanAbsoluteError,
    "MeanSquaredError": MeanSquaredError,
    "Charbonnier": Charbonnier,
    "Huber": Huber,
    "VGGFeatures": VGGFeatures,
    "GramStyle": GramStyle,
    "TotalVariation": TotalVariation,
}

ADVERSARIAL_LOSSES = {
    "BinaryCrossentropy": BinaryCrossentropy,
    "LeastSquares": LeastSquares,
    "Hinge": Hinge,
    "Wasserstein": Wasserstein,
    "RelativisticAverage": RelativisticAverage,
}

FEATURE_LOSSES = {}

PENALTIES = {}
