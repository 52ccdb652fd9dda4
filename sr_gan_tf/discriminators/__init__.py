"""The catalogue of discriminators: the names that an experiment's `discriminator` may have."""

from sr_gan_tf.discriminators.srgan import SRGANDiscriminator
from sr_gan_tf.discriminators.tiny import TinyDiscriminator

DISCRIMINATORS = {
    "SRGANDiscriminator": SRGANDiscriminator,
    "TinyDiscriminator": TinyDiscriminator,
}
