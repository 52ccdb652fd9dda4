"""The catalog of generators: the names that an experiment's `generator` may have."""

import keras

from sr_gan_tf.generators.compact import Compact
from sr_gan_tf.generators.msrresnet import MSRResNet
from sr_gan_tf.generators.residual import SmallResidual
from sr_gan_tf.generators.rrdbnet import RRDBNet
from sr_gan_tf.generators.shared_residual import SharedResidual
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.generators.srresnet import SRResNet
from sr_gan_tf.generators.unet import UNet
from sr_gan_tf.generators.wrapped import as_generator
from sr_gan_tf.registry.parts import Catalog

_SHIPPED = {
    "SRResNet": SRResNet,
    "SmallResidual": SmallResidual,
    "SharedResidual": SharedResidual,
    "SPAN": SPAN,
    "UNet": UNet,
    "RRDBNet": RRDBNet,
    "MSRResNet": MSRResNet,
    "Compact": Compact,
}

GENERATORS = Catalog("generator", _SHIPPED, (keras.Model,), as_generator, functions=True)
