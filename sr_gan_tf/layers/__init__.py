"""Layers that Keras does not have; importing them registers them, so that saved networks load."""

from sr_gan_tf.layers.conv3xc import Conv3XC
from sr_gan_tf.layers.gate import SymmetricGate
from sr_gan_tf.layers.icnr import ICNR
from sr_gan_tf.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle

__all__ = ["Conv3XC", "ICNR", "PixelShuffle", "PixelUnshuffle", "SymmetricGate"]
