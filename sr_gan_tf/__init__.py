"""Super-resolution GANs for Keras 3 on TensorFlow: `load` a trained generator, then `model.predict(images)`."""

import importlib
from typing import TYPE_CHECKING, Any

from sr_gan_tf.quiet_start import import_tensorflow, is_command
from sr_gan_tf.version import __version__

if TYPE_CHECKING:
    from sr_gan_tf.config import Experiment
    from sr_gan_tf.models import load
    from sr_gan_tf.registry.imports import import_parts
    from sr_gan_tf.registry.parts import register
    from sr_gan_tf.shipped import shipped_models

__all__ = ["Experiment", "__version__", "import_parts", "load", "register", "shipped_models"]

# Public names, and the modules that define them.
_NAMES = {
    "Experiment": "sr_gan_tf.config",
    "import_parts": "sr_gan_tf.registry.imports",
    "load": "sr_gan_tf.models",
    "register": "sr_gan_tf.registry.parts",
    "shipped_models": "sr_gan_tf.shipped",
}


def start() -> None:
    """Imports TensorFlow quietly, and the catalogs, which registers every network, so that saved files load."""
    import_tensorflow()
    importlib.import_module("sr_gan_tf.discriminators")
    importlib.import_module("sr_gan_tf.generators")
    globals().update({name: getattr(importlib.import_module(module), name) for name, module in _NAMES.items()})


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        start()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Commands print --help and usage errors at once; one that needs TensorFlow calls `start` after reading its arguments.
if not is_command():
    start()
