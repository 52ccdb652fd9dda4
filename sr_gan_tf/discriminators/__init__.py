"""The catalog of discriminators: the names that an experiment's `discriminator` may have."""

import keras

from sr_gan_tf.discriminators.convolutional import ConvDiscriminator
from sr_gan_tf.discriminators.dunet import DUnet
from sr_gan_tf.discriminators.metagan import MetaGAN
from sr_gan_tf.discriminators.patchgan import PatchGAN
from sr_gan_tf.discriminators.srgan import SRGANDiscriminator
from sr_gan_tf.discriminators.tiny import TinyDiscriminator
from sr_gan_tf.discriminators.trunk_features import FeatureDiscriminator
from sr_gan_tf.discriminators.unet import UNetDiscriminator
from sr_gan_tf.discriminators.vgg import VGGDiscriminator
from sr_gan_tf.discriminators.wrapped import as_discriminator
from sr_gan_tf.registry.parts import Catalog

_SHIPPED = {
    "SRGANDiscriminator": SRGANDiscriminator,
    "TinyDiscriminator": TinyDiscriminator,
    "ConvDiscriminator": ConvDiscriminator,
    "PatchGAN": PatchGAN,
    "UNetDiscriminator": UNetDiscriminator,
    "DUnet": DUnet,
    "MetaGAN": MetaGAN,
    "VGGDiscriminator": VGGDiscriminator,
    "FeatureDiscriminator": FeatureDiscriminator,
}

DISCRIMINATORS = Catalog("discriminator", _SHIPPED, (keras.Model,), as_discriminator, functions=True)
