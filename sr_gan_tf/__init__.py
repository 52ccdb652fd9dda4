"""Super-resolution GANs for Keras 3 on TensorFlow: `load` a trained generator, then `model.predict(images)`."""

# Importing the catalogues registers every network, so that saved files load.
from sr_gan_tf import discriminators as discriminators
from sr_gan_tf import generators as generators
from sr_gan_tf.models import load, shipped_models
from sr_gan_tf.version import __version__

__all__ = ["__version__", "load", "shipped_models"]
