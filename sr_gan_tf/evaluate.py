"""`python -m sr_gan_tf.evaluate MODEL... --data NAME=FOLDER`: figures of models beside bicubic, as table and report."""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.evaluation.figures import Method, PictureFigures, evaluate, to_text
from sr_gan_tf.evaluation.methods import LEARNED, STANDARD, choose_metrics, load_methods
from sr_gan_tf.evaluation.report import Report
from sr_gan_tf.evaluation.test_sets import Pair, PictureSet, find_set, parse_degradation, sample_set
from sr_gan_tf.files import check_output, try_folder, write_text, writing
from sr_gan_tf.metrics import METRICS
from sr_gan_tf.pictures.reading import write_image

_STANDARD_OUTPUT = Path("-")


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the words of `argv`, by default those of the process."""
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
