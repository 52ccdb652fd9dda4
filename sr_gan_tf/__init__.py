"""Super-resolution GANs for Keras 3 on TensorFlow: `load` a trained generator, then `model.predict(images)`."""

from sr_gan_tf.quiet_start import import_tensorflow

import_tensorflow()

# Importing the catalogues registers every network, so that saved files load.
from sr_gan_tf import discriminators as discriminators  # noqa: E402
from sr_gan_tf import generators as generators  # noqa: E402
from sr_gan_tf.models import load, shipped_models  # noqa: E402
from sr_gan_tf.version import __version__  # noqa: E402

__all__ = ["__version__", "load", "shipped_models"]
