"""Layers that Keras lacks; importing this package registers them, so that saved networks load."""

from sr_gan_tf.layers.activations import HardSwish, Mish
from sr_gan_tf.layers.attention import SelfAttention2D
from sr_gan_tf.layers.batch_normalization import FusedBatchNormalization
from sr_gan_tf.layers.bicubic import BicubicEnlargement
from sr_gan_tf.layers.bilinear import BilinearEnlargement
from sr_gan_tf.layers.borders import CropLike, MirrorToMultiple
from sr_gan_tf.layers.channel_affine import ChannelAffine
from sr_gan_tf.layers.conv3xc import Conv3XC
from sr_gan_tf.layers.depthwise import DepthwiseConv2D
from sr_gan_tf.layers.dysample import DySample
from sr_gan_tf.layers.few_channels import FewChannelsConv2D
from sr_gan_tf.layers.gate import SiLU, SymmetricGate
from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.minibatch import MinibatchDiscrimination, MinibatchStandardDeviation
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle
from sr_gan_tf.layers.prelu import ChannelPReLU
from sr_gan_tf.layers.spectral_norm import SpectralConv2D
from sr_gan_tf.layers.squeeze_excitation import Excitation
from sr_gan_tf.layers.unshuffled_convolution import UnshuffledConv2D

__all__ = [
    "ICNR",
    "BicubicEnlargement",
    "BilinearEnlargement",
    "ChannelAffine",
    "ChannelPReLU",
    "Conv3XC",
    "CropLike",
    "DepthwiseConv2D",
    "DySample",
    "Excitation",
    "FewChannelsConv2D",
    "FusedBatchNormalization",
    "HardSwish",
    "MinibatchDiscrimination",
    "MinibatchStandardDeviation",
    "MirrorToMultiple",
    "Mish",
    "PixelShuffle",
    "PixelUnshuffle",
    "SelfAttention2D",
    "SiLU",
    "SpectralConv2D",
    "SymmetricGate",
    "UnshuffledConv2D",
]
