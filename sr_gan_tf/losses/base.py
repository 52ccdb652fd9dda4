"""Base classes of losses: thin classes over pure functions, configured by the constructor's signature.

The pure functions keep the dtype of their inputs, so that float64 finite differences can check their gradients. The
classes cast to float32 first, regardless of the precision policy, because the 8 bits of mantissa of bfloat16 cannot
represent a mean over a picture. The classes are not `keras.Loss`, because Keras would write the trunk of a perceptual
loss into every checkpoint. They are registered under a separate package name, because the metric SSIM has the same
class name.
"""

import abc
import inspect
from collections.abc import Callable

import tensorflow as tf

from sr_gan_tf.errors import InputError
from sr_gan_tf.networks import as_json_value


class Configured:
    """An object whose constructor arguments, stored under their own names, are its configuration."""

    def get_config(self) -> dict:
        names = inspect.signature(type(self)).parameters
        return {name: as_json_value(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> "Configured":
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@abc.abstractmethod  # type: ignore[misc]
def _compute(self, hr: tf.Tensor, sr: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
    raise NotImplementedError(f"{type(self).__name__} does not define compute(hr, sr, lr)")


class ImageLoss(Configured):
    """Distance of two batches of pictures, (N, H, W, 3) in [0, 1], as a float32 scalar: the mean over the batch.

    `sr` may leave [0, 1]; `lr` (N, H/scale, W/scale, 3) is passed to every loss; few use it. Subclasses define
    `compute`.

    Raises:
        ValueError: the shapes differ (TensorFlow would broadcast them silently).
        InputError: the pictures are smaller than `smallest_size`.
    """

    # Minimum HR pixels per side; training checks the patch size before step 0.
    smallest_size = 1
    # Alternatives to a larger patch if pictures are too small.
    smallest_size_remedy = ""
    # Whether `compute` also needs outputs of the averaged generator, an additional pass per step.
    needs_average = False

    def __call__(
        self, hr: tf.Tensor, sr: tf.Tensor, lr: tf.Tensor | None = None, average: tf.Tensor | None = None
    ) -> tf.Tensor:
        hr, sr = tf.cast(hr, tf.float32), tf.cast(sr, tf.float32)
        check_same_shape(hr, sr, type(self).__name__)
        check_size(hr, self.smallest_size, type(self).__name__, self.smallest_size_remedy)
        lr = None if lr is None else tf.cast(lr, tf.float32)
        if not self.needs_average:
            return self.compute(hr, sr, lr)
        return self.compute(hr, sr, lr, None if average is None else tf.cast(average, tf.float32))

    def remedy(self, side: int) -> str:
        """Alternatives to larger pictures if those of `side` pixels are too small, e.g. `, or ...`."""
        return self.smallest_size_remedy

    # Its signature depends on `needs_average`.
    compute: Callable[..., tf.Tensor] = _compute


class AdversarialLoss(Configured):
    """Losses of generator and discriminator from logits of any shape: one per picture, a grid, a map.

    The discriminator minimizes and reports the mean of the two terms of `discriminator_loss`.
    """

    # Whether the generator loss needs the logits of real pictures.
    needs_real = False
    # The logit between the targets for real and generated pictures; an output beyond it counts as correct. None if the
    # loss leaves the offset of the logits free; the discriminator's accuracy is then the share of pairs in which the
    # real picture has the higher logit.
    guess: float | None = 0.0

    @abc.abstractmethod
    def generator_loss(self, fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None) -> tf.Tensor:
        raise NotImplementedError

    @abc.abstractmethod
    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The real term and the fake term, scalars."""
        raise NotImplementedError


class FeatureLoss(Configured):
    """Distance of two lists of discriminator features, shallow to deep, as a float32 scalar.

    Args of the call: `real_features`, `fake_features`: lists of tensors (N, ...) of pairwise equal shapes.
    """

    def __call__(self, real_features: list[tf.Tensor], fake_features: list[tf.Tensor]) -> tf.Tensor:
        name = type(self).__name__
        if not real_features or len(real_features) != len(fake_features):
            raise ValueError(
                f"{name}: expected two equally long lists of features, found {len(real_features)} of real and "
                f"{len(fake_features)} of generated pictures; set layers in the discriminator's feature_layers"
            )
        pairs = [
            (tf.cast(real, tf.float32), tf.cast(fake, tf.float32))
            for real, fake in zip(real_features, fake_features, strict=True)
        ]
        for real, fake in pairs:
            check_same_shape(real, fake, name)
        return self.compute(pairs)

    @abc.abstractmethod
    def compute(self, pairs: list[tuple[tf.Tensor, tf.Tensor]]) -> tf.Tensor:
        raise NotImplementedError


class Penalty(Configured):
    """A term on the discriminator's gradients: `penalty(discriminator, real, fake)` is a float32 scalar.

    `discriminator` is a callable from pictures (N, H, W, C) to logits of any shape; `real` and `fake` have one shape.
    """

    @abc.abstractmethod
    def __call__(self, discriminator, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError


def as_float(tensor) -> tf.Tensor:
    """Converts to float32 regardless of the precision policy; keeps float64 for finite differences."""
    tensor = tf.convert_to_tensor(tensor)
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)


def check_same_shape(hr: tf.Tensor, sr: tf.Tensor, name: str) -> None:
    """Rejects shapes that TensorFlow would broadcast, e.g. (N, H, W, 1) against (N, H, W, 3)."""
    if not hr.shape.is_compatible_with(sr.shape):
        raise ValueError(f"{name}: the picture shapes differ: HR {tuple(hr.shape)}, SR {tuple(sr.shape)}")


def check_size(image: tf.Tensor, smallest: int, name: str, remedy: str = "") -> None:
    """Rejects pictures (N, H, W, C) of fewer than `smallest` pixels per side, if their size is known."""
    sides = [side for side in image.shape[1:3] if side is not None]
    if sides and min(sides) < smallest:
        raise InputError(
            f"{name} needs pictures of at least {smallest} x {smallest} pixels, found {' x '.join(map(str, sides))}; "
            f"use a patch_size of {smallest} or more{remedy}"
        )
