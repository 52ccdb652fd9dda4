"""Pictures from any source to batches of (lr, hr)."""

from sr_gan_tf.data.augmentation import AUGMENTATIONS
from sr_gan_tf.data.catalogue import DEGRADATIONS, SOURCES
from sr_gan_tf.data.pipeline import training_batches as batches

__all__ = ["AUGMENTATIONS", "DEGRADATIONS", "SOURCES", "batches"]
