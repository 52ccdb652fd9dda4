"""Builds batches of (lr, hr) from pictures of any source."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sr_gan_tf.data.augmentation import AUGMENTATIONS
    from sr_gan_tf.data.catalog import DEGRADATIONS, SOURCES
    from sr_gan_tf.data.pipeline import training_batches as batches

__all__ = ["AUGMENTATIONS", "DEGRADATIONS", "SOURCES", "batches"]

# Public names, and where they are; TensorFlow is imported with them, and `data --help` needs neither.
_NAMES = {
    "AUGMENTATIONS": ("augmentation", "AUGMENTATIONS"),
    "DEGRADATIONS": ("catalog", "DEGRADATIONS"),
    "SOURCES": ("catalog", "SOURCES"),
    "batches": ("pipeline", "training_batches"),
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module, attribute = _NAMES[name]
        return getattr(importlib.import_module(f"sr_gan_tf.data.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
