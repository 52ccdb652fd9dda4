"""Converts arguments of `compile`: optimizers, losses and metrics of Keras and of this package."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from sr_gan_tf.errors import suggest
from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES
from sr_gan_tf.losses.base import AdversarialLoss, ImageLoss
from sr_gan_tf.losses.wrapped import value_of
from sr_gan_tf.metrics.keras_metrics import PSNR, SSIM
from sr_gan_tf.training.terms import Weight, WeightedLoss, distinct_names

# The weight of SRGAN's adversarial term (Ledig et al. 2017).
ADVERSARIAL_WEIGHT = 1e-3

_METRICS: dict[str, Callable[[int], keras.metrics.Metric]] = {
    "psnr_y": lambda crop: PSNR(crop, "y", name="psnr_y"),
    "psnr_yfloat": lambda crop: PSNR(crop, "yfloat", name="psnr_yfloat"),
    "psnr_rgb": lambda crop: PSNR(crop, "rgb", name="psnr_rgb"),
    "ssim_y": lambda crop: SSIM(crop, "y", name="ssim_y"),
    "ssim_yfloat": lambda crop: SSIM(crop, "yfloat", name="ssim_yfloat"),
}


def in_keras_order(compile: Callable[..., None]) -> Callable[..., None]:
    """Lets `compile("adam", "mae", discriminator_optimizer="sgd")` mean what it says: the second is Keras's loss.

    Without this, the second positional argument would be `discriminator_optimizer`, given twice.
    """

    @functools.wraps(compile)
    def ordered(self, *arguments, **named):
        if len(arguments) == 2 and "discriminator_optimizer" in named and "content" not in named:
            arguments, named["content"] = arguments[:1], arguments[1]
        return compile(self, *arguments, **named)

    return ordered


@keras.saving.register_keras_serializable("sr_gan_tf.losses")
class KerasLoss(ImageLoss):
    """A Keras loss or a function `(y_true, y_pred)` as a content loss: the mean of its values.

    Args:
        loss: `keras.losses.Loss`, or a function of (hr, sr), both (N, H, W, 3) in [0, 1], to a tensor of any shape.
    """

    def __init__(self, loss: Any):
        self.loss = loss

    def compute(self, hr: tf.Tensor, sr: tf.Tensor, lr: tf.Tensor | None) -> tf.Tensor:
        return value_of(self.loss, hr, sr)

    def get_config(self) -> dict:
        if inspect.isfunction(self.loss) and not _can_be_found_again(self.loss):
            raise TypeError(f"{_name(self)} is not registered: @keras.saving.register_keras_serializable()")
        return {"loss": keras.saving.serialize_keras_object(self.loss)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.loss!r})"

    @classmethod
    def from_config(cls, config: dict) -> "KerasLoss":
        return cls(keras.saving.deserialize_keras_object(config["loss"]))


def content_terms(losses: Any, argument: str) -> list[WeightedLoss]:
    """Converts a value of `compile(loss=...)` to content terms.

    Args:
        losses: one loss or a list of them. A loss is a name from Keras (`"mae"`) or this package (`"Charbonnier"`), a
            `keras.losses.Loss`, a loss of `sr_gan_tf.losses`, a function `(y_true, y_pred)`, a pair (loss, weight)
            with a number or a Keras schedule as weight, or a `WeightedLoss`.
        argument: its name, for messages.

    Raises:
        ValueError: it is none of these.
    """
    items = [] if losses is None else losses if isinstance(losses, list) else [losses]
    if isinstance(losses, tuple):
        items = [losses] if _is_pair(losses) else list(losses)
    terms = [_term(item, argument) for item in items]
    names = distinct_names([term.name for term in terms])
    return [WeightedLoss(name, term.loss, term.weight) for name, term in zip(names, terms, strict=True)]


def adversarial_term(value: Any) -> WeightedLoss:
    """The adversarial term: a name (`"Hinge"`), an `AdversarialLoss`, a pair (loss, weight), or a `WeightedLoss`.

    None means binary cross-entropy. The default weight is 1e-3, as in SRGAN.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, WeightedLoss):
        return value
    loss, weight = value if _is_pair(value) else (value, ADVERSARIAL_WEIGHT)
    loss = "BinaryCrossentropy" if loss is None else loss
    if isinstance(loss, str):
        if loss not in ADVERSARIAL_LOSSES:
            raise ValueError(f"adversarial: unknown loss {loss!r}{suggest(loss, ADVERSARIAL_LOSSES)}")
        loss = ADVERSARIAL_LOSSES[loss]()
    if not isinstance(loss, AdversarialLoss) and not hasattr(loss, "discriminator_loss"):
        raise ValueError(
            f"adversarial: expected one of {', '.join(ADVERSARIAL_LOSSES)}, an AdversarialLoss or (loss, weight), "
            f"found {loss!r}"
        )
    return WeightedLoss(_name(loss), loss, Weight(weight))


def optimizer_of(value: Any, argument: str) -> keras.optimizers.Optimizer:
    """A Keras optimizer from a name, a configuration or an object.

    Raises:
        ValueError: it is none of these, or averages weights or scales losses, which the trainers don't honor.
    """
    try:
        optimizer = keras.optimizers.get(value)
    except ValueError as error:
        raise ValueError(f"{argument}: no optimizer {value!r}{suggest(str(value), _OPTIMIZER_NAMES)}") from error
    if optimizer is None:
        raise ValueError(
            f'{argument}: not an optimizer; expected a name such as "adam", or a keras.optimizers.Optimizer'
        )
    if getattr(optimizer, "use_ema", False):
        raise ValueError(
            f"{argument}: use_ema has no effect, because the trainer keeps its own average; set ema_decay there"
        )
    scaled = getattr(optimizer, "loss_scale_factor", None) is not None
    if scaled or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(f"{argument}: losses are not scaled; leave loss_scale_factor and LossScaleOptimizer out")
    return optimizer


def copy_of_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """A second optimizer with the same settings, for the discriminator."""
    second = type(optimizer).from_config(optimizer.get_config())
    second.name = f"discriminator_{optimizer.name}"
    return second


def as_keras_metrics(metrics: Sequence[Any] | None, scale: int) -> list | None:
    """Converts metrics for Keras and builds those such as `"psnr_y"`, which crop `scale` pixels from each border."""
    if metrics is None:
        return None
    if isinstance(metrics, dict):
        raise ValueError("metrics: expected a list, because the model has one output; found a dict")
    given = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    for metric in given:
        if isinstance(metric, str) and metric not in _METRICS and not _is_keras_metric(metric):
            raise ValueError(f"metrics: no {metric!r}{suggest(metric, _METRICS)}; Keras's names, e.g. 'mae', also work")
    return [_METRICS[metric](scale) if isinstance(metric, str) and metric in _METRICS else metric for metric in given]


def _is_keras_metric(name: str) -> bool:
    try:
        return name in ("accuracy", "acc", "crossentropy", "ce") or keras.metrics.get(name) is not None
    except ValueError:
        return False


def is_optimizer(value: Any) -> bool:
    """Whether a value of `compile` may be an optimizer."""
    if isinstance(value, str):
        return isinstance(getattr(keras.optimizers, value, None), type) or value.lower() in _OPTIMIZER_NAMES
    return value is None or isinstance(value, (keras.optimizers.Optimizer, dict))


_OPTIMIZER_NAMES = {
    name.lower()
    for name, item in vars(keras.optimizers).items()
    if inspect.isclass(item) and issubclass(item, keras.optimizers.Optimizer)
}


def one_of_two(first: Any, second: Any, names: tuple[str, str]) -> Any:
    """The value of an argument that has two names.

    Raises:
        ValueError: both are given.
    """
    if first is not None and second is not None:
        raise ValueError(f"{names[0]} and {names[1]} are the same argument; pass only one")
    return second if first is None else first


def _can_be_found_again(function: Callable) -> bool:
    """Whether a `.keras` file may name a function: one of Keras, or a registered one."""
    name = getattr(function, "__name__", "")
    return keras.saving.get_registered_name(function) != name or getattr(keras.losses, name, None) is function


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[1], (int, float, LearningRateSchedule, Weight))
    )


def _term(item: Any, argument: str) -> WeightedLoss:
    if isinstance(item, WeightedLoss):
        return item
    item, weight = item if _is_pair(item) else (item, 1.0)
    loss = _loss(item, argument)
    return WeightedLoss(_name(loss), loss, weight if isinstance(weight, Weight) else Weight(weight))


def _loss(item: Any, argument: str) -> Any:
    if isinstance(item, str) and item in CONTENT_LOSSES:
        return CONTENT_LOSSES[item]()
    if isinstance(item, str):
        try:
            return KerasLoss(keras.losses.get(item))
        except ValueError as error:
            raise ValueError(
                f"{argument}: unknown loss {item!r}{suggest(item, CONTENT_LOSSES)}; Keras names, e.g. 'mae', also work"
            ) from error
    if isinstance(item, dict) and "class_name" not in item:
        raise ValueError(f"{argument}: expected one loss or a list, the model has one output; found a dict")
    if not callable(item):
        raise ValueError(f"{argument}: expected a loss, (loss, weight) or a list of them, found {item!r}")
    return item if isinstance(item, ImageLoss) else KerasLoss(item)


def _name(loss: Any) -> str:
    """The term's name in logs and History."""
    loss = loss.loss if isinstance(loss, KerasLoss) else loss
    return getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__
