"""Teacher: a content term that asks for what a trained network draws (distillation).

Hinton et al. 2015, arXiv:1503.02531, for outputs; Gao et al. 2018 for super-resolution: a small network that imitates
a large one learns from targets that can be reached, beside the real pictures.
"""

from pathlib import Path

import keras
import tensorflow as tf

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import CONTENT_LOSSES
from sr_gan_tf.losses.base import ImageLoss
from sr_gan_tf.models import load
from sr_gan_tf.registry.parts import register


@register
@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class Teacher(ImageLoss):
    """Distance of the generator's picture from a trained network's, which runs once per batch.

    The teacher isn't trained, and is not written into checkpoints or `.keras` files.

    Args:
        model: a shipped name (`"span_x4"`), a run folder, a `.keras` file or a SavedModel folder.
        distance: a content loss as in an experiment, `{"class_name": ..., "config": {...}}`. One of features, e.g.
            `VGGFeatures`, compares the features of the two pictures; the mean absolute error, the default, the
            pictures themselves.
        scale: the experiment's enlargement, which must be the teacher's; default: the teacher's.

    Raises:
        InputError: there is no such model, it enlarges by another scale, or the distance cannot be built.

    Example:
        `{"class_name": "Teacher", "config": {"model": "span_x4"}, "weight": 0.5}`
    """

    def __init__(self, model: str, distance: dict | None = None, scale: int | None = None):
        self.model = model
        self.distance = distance
        self._network = load(model)
        if hasattr(self._network, "for_inference"):
            self._network = self._network.for_inference()
        self.scale = self._network.scale
        if scale not in (None, self.scale):
            raise InputError(
                f"model: {model} enlarges by {self.scale}, expected {scale} as the experiment; choose another teacher"
            )
        self._distance = build(_spec(distance), CONTENT_LOSSES, "distance")
        self.smallest_size = getattr(self._distance, "smallest_size", 1)

    def compute(self, hr: tf.Tensor, sr: tf.Tensor, lr: tf.Tensor | None) -> tf.Tensor:
        if lr is None:
            raise ValueError("Teacher needs the LR pictures; call it as loss(hr, sr, lr)")
        target = tf.stop_gradient(tf.cast(self._network(lr, training=False), tf.float32))
        return self._distance(target, sr, lr)

    def get_config(self) -> dict:
        return {"model": str(Path(self.model)), "distance": self.distance, "scale": self.scale}


def _spec(distance: dict | None) -> Spec:
    try:
        return Spec(**(distance or {"class_name": "MeanAbsoluteError"}))
    except (TypeError, ValueError) as error:
        raise InputError(
            f'distance: expected {{"class_name": ..., "config": {{...}}}} of a content loss, found {distance!r}'
        ) from error
