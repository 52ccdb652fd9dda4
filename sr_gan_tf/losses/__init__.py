"""Losses and their catalogs: the names that an experiment file may use."""

import keras

from sr_gan_tf.losses.adversarial import (
    BinaryCrossentropy,
    Hinge,
    LeastSquares,
    RelativisticAverage,
    RelativisticPair,
    Wasserstein,
)
from sr_gan_tf.losses.artifacts import LDL
from sr_gan_tf.losses.base import AdversarialLoss, FeatureLoss, ImageLoss, Penalty
from sr_gan_tf.losses.color import ColorHistogram, LowPassColor, MeanColor
from sr_gan_tf.losses.consistency import Consistency
from sr_gan_tf.losses.dists import DISTS
from sr_gan_tf.losses.features import FeatureMatching, PairwiseFeatureMatching
from sr_gan_tf.losses.frequency import Checkerboard, FourierAmplitude, FrequencyBand
from sr_gan_tf.losses.lpips import LPIPS
from sr_gan_tf.losses.penalties import R1, GradientPenalty
from sr_gan_tf.losses.perceptual import GramStyle, VGGFeatures
from sr_gan_tf.losses.pixel import (
    Charbonnier,
    Huber,
    LogMeanSquaredError,
    MeanAbsoluteError,
    MeanSquaredError,
    TotalVariation,
)
from sr_gan_tf.losses.structural import MSSSIM, MSSSIML1, SSIM
from sr_gan_tf.losses.wavelet import Wavelet
from sr_gan_tf.losses.wrapped import as_image_loss
from sr_gan_tf.registry.parts import Catalog

CONTENT_LOSSES = Catalog(
    "content loss",
    {
        "MeanAbsoluteError": MeanAbsoluteError,
        "MeanSquaredError": MeanSquaredError,
        "LogMeanSquaredError": LogMeanSquaredError,
        "Charbonnier": Charbonnier,
        "Huber": Huber,
        "SSIM": SSIM,
        "MSSSIM": MSSSIM,
        "MSSSIML1": MSSSIML1,
        "VGGFeatures": VGGFeatures,
        "GramStyle": GramStyle,
        "LPIPS": LPIPS,
        "DISTS": DISTS,
        "TotalVariation": TotalVariation,
        "MeanColor": MeanColor,
        "ColorHistogram": ColorHistogram,
        "LowPassColor": LowPassColor,
        "FourierAmplitude": FourierAmplitude,
        "FrequencyBand": FrequencyBand,
        "Checkerboard": Checkerboard,
        "Consistency": Consistency,
        "LDL": LDL,
        "Wavelet": Wavelet,
    },
    (ImageLoss, keras.losses.Loss),
    as_image_loss,
)

ADVERSARIAL_LOSSES = Catalog(
    "adversarial loss",
    {
        "BinaryCrossentropy": BinaryCrossentropy,
        "LeastSquares": LeastSquares,
        "Hinge": Hinge,
        "Wasserstein": Wasserstein,
        "RelativisticAverage": RelativisticAverage,
        "RelativisticPair": RelativisticPair,
    },
    (AdversarialLoss,),
)

FEATURE_LOSSES = Catalog(
    "feature loss",
    {
        "FeatureMatching": FeatureMatching,
        "PairwiseFeatureMatching": PairwiseFeatureMatching,
    },
    (FeatureLoss,),
)

PENALTIES = Catalog(
    "penalty",
    {
        "R1": R1,
        "GradientPenalty": GradientPenalty,
    },
    (Penalty,),
)
