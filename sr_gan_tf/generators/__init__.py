"""The catalogue of generators: the names that an experiment may write and what they build."""

from sr_gan_tf.generators.residual import SmallResidual
from sr_gan_tf.generators.span import SPAN
from sr_gan_tf.generators.srresnet import SRResNet

GENERATORS = {
    "SRResNet": SRResNet,
    "SmallResidual": SmallResidual,
    "SPAN": SPAN,
}
