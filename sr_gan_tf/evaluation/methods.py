"""Loads the methods that a table compares: interpolations and models."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.costs import multiply_adds, parameters
from sr_gan_tf.evaluation.figures import Method
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.models import load
from sr_gan_tf.networks import Generator
from sr_gan_tf.resampling import imresize


def load_methods(arguments: Sequence[str], scale: int | None) -> tuple[list[Method], int]:
    """Returns nearest, bicubic and the named models, and their common scale.

    Args:
        arguments: names for `sr_gan_tf.models.load`, or `LABEL=MODEL`.
        scale: required scale; default: that of the models.

    Raises:
        InputError: a model cannot be loaded, scales differ, or there is neither a model nor a scale.
    """
    models: dict[str, tuple[Generator, str]] = {}
    for argument in arguments:
        label, place = _label(argument)
        models[_free_name(label, models)] = (load(place), place)
    scales = {name: int(model.scale) for name, (model, _) in models.items()}
    if scale is None:
        if not scales:
            raise InputError("no model given; name one, or pass --scale to measure bicubic alone")
        scale = next(iter(scales.values()))
    for name, its in scales.items():
        if its != scale:
            raise InputError(
                f"{name} has scale {its}, but the evaluation has scale {scale}; evaluate each scale separately"
            )
    methods = interpolations(scale)
    for name, (model, place) in models.items():
        methods.append(model_method(name, model, scale, place))
    return methods, scale


def interpolations(scale: int) -> list[Method]:
    """Nearest and bicubic, which every table contains."""
    return [
        Method("nearest", functools.partial(imresize, scale=scale, kernel="nearest")),
        Method("bicubic", functools.partial(imresize, scale=scale)),
    ]


def model_method(name: str, model, scale: int, source: str = "") -> Method:
    """A loaded generator in its inference form."""
    model = model.for_inference() if isinstance(model, Generator) else model
    return Method(name, functools.partial(_enlarge, model), source, parameters(model), multiply_adds(model, scale))


def _enlarge(model, lr: np.ndarray) -> np.ndarray:
    # A gray picture is passed as three equal channels; the metric averages the output, as in the protocol.
    lr = np.repeat(lr[..., None], 3, axis=2) if lr.ndim == 2 else lr
    return upscale_array(model, lr, border=False)


def _label(argument: str) -> tuple[str, str]:
    label, separator, place = argument.partition("=")
    if separator and label and place and not Path(argument).exists():
        return label, place
    path = Path(argument)
    return (path.resolve().parent.name if path.stem == "best" else path.stem or path.resolve().name), argument


def _free_name(label: str, taken) -> str:
    names = [label, *(f"{label} ({number})" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken and name not in ("nearest", "bicubic"))
