"""Implements `evaluate`: measures models on test sets and writes a table, files, pictures and a report."""

import contextlib
import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sr_gan_tf.devices import processors
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.figures import Evaluation, Method, PictureFigures, Watch, evaluate, to_text
from sr_gan_tf.evaluation.methods import load_methods
from sr_gan_tf.evaluation.metric_choice import choose_metrics
from sr_gan_tf.evaluation.report import Report
from sr_gan_tf.evaluation.test_sets import LowResolution, Pair, PictureSet, find_set, parse_degradation, sample_set
from sr_gan_tf.files import check_output, try_folder, write_text, writing
from sr_gan_tf.pictures.progress import progress
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.resampling import Border

_STANDARD_OUTPUT = Path("-")


def evaluate_models(
    models: Sequence[str],
    data: Sequence[str] = (),
    scale: int | None = None,
    lr: LowResolution = "made",
    border: Border = "replicate",
    degradation: str | None = None,
    metrics: str | None = None,
    trunk: str | None = None,
    niqe: str | None = None,
    crop: int | None = None,
    csv: Path | None = None,
    json: Path | None = None,
    report: Path | None = None,
    save: Path | None = None,
    overwrite: bool = False,
    jobs: int | None = None,
) -> Evaluation:
    """Measures models on test sets, prints the table and writes the requested files.

    Args:
        models: run folders, .keras files, SavedModels, shipped names, or LABEL=MODEL.
        data: test sets, NAME=FOLDER; default: two photographs of scikit-image.
        scale: HR size over LR size; default: that of the models.
        lr: "made" by bicubic reduction, or read from the "folder" next to HR.
        border: padding of that reduction.
        degradation: makes LR instead; a name or a JSON object as in an experiment.
        metrics: names separated by commas, or "all".
        trunk: trunk of the perceptual distance.
        niqe: file with NIQE parameters.
        crop: pixels to crop from each border; default: the scale.
        csv: file for the metrics of every picture; `-` prints them instead of the table.
        json: file for the same with means and costs; `-` prints it.
        report: .html file for the report.
        save: folder for the enlarged pictures.
        overwrite: whether to replace existing files.
        jobs: number of pictures processed at once; default: the number of processors.

    Raises:
        InputError: a user error; everything is checked before anything is written.
    """
    if scale is not None and not 1 <= scale <= 16:
        raise InputError(f"--scale {scale}: expected 1 to 16")
    if crop is not None and crop < 0:
        raise InputError(f"--crop {crop}: expected 0 or more pixels")
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: expected 1 or more pictures")
    _check_outputs(csv, json, report, overwrite)
    # Only the requested data goes to standard output.
    say = functools.partial(print, file=sys.stderr) if _STANDARD_OUTPUT in (csv, json) else print
    chosen = choose_metrics(metrics.split(",") if metrics else None, trunk, niqe, report is not None, say)
    methods, scale = load_methods(models, scale)
    sets = _find_sets(data, scale, lr, border, degradation)
    page = Report(scale, sum(len(one) for one in sets)) if report else None
    if save:
        _check_save(save, sets, methods, overwrite)
    listeners = [listener for listener in (_saver(save), page and page.add) if listener]
    with watching(sets, *listeners) as watch:
        result = evaluate(methods, sets, scale, chosen, crop, watch, jobs or processors())
    say(result.table())
    for path, text in ((csv, result.to_csv), (json, lambda: to_text(result.to_json()))):
        if path == _STANDARD_OUTPUT:
            print(text(), end="")
        elif path:
            write_text(path, text())
    if page and report:
        page.write(report, result)
        say(f"report: {report} ({report.stat().st_size / 1e6:.1f} MB)")
    return result


@contextlib.contextmanager
def watching(sets: Sequence[PictureSet], *listeners: Watch) -> Iterator[Watch]:
    """The `watch` of `evaluate` that shows the progress on standard error, and passes each picture to the listeners."""
    with progress(lines=True, unit="pictures") as bar:
        bar.reset(total=sum(map(len, sets)))

        def watch(set_name: str, pair: Pair, outputs: dict[str, np.ndarray], figures: PictureFigures) -> None:
            for listener in listeners:
                listener(set_name, pair, outputs, figures)
            bar.set_description_str(f"{set_name} {pair.name}")
            bar.update(1)

        yield watch


def _find_sets(
    data: Sequence[str], scale: int, lr: LowResolution, border: Border, degradation: str | None
) -> list[PictureSet]:
    degrade = None if degradation is None else parse_degradation(degradation, scale)
    if degrade is not None and lr == "folder":
        raise InputError("--degradation makes LR and --lr folder reads it; remove one")
    sets = [find_set(item, scale, lr, border, degrade) for item in data] or [sample_set(scale, border, degrade)]
    names = [one.name for one in sets]
    if len(set(names)) < len(names):
        raise InputError(f"--data: the names {', '.join(names)} are not all different; rename one")
    return sets


def _saver(folder: Path | None) -> Watch | None:
    if folder is None:
        return None

    def save(set_name: str, pair: Pair, outputs: dict[str, np.ndarray], figures: PictureFigures) -> None:
        for method, sr in outputs.items():
            path = folder / set_name / method / f"{pair.name}.png"
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, sr)

    return save


def _check_outputs(csv: Path | None, json: Path | None, report: Path | None, overwrite: bool) -> None:
    if csv == json == _STANDARD_OUTPUT:
        raise InputError("--csv -, --json -: only one of them can be printed; pass a file for the other")
    for name, path, suffix in (("csv", csv, ".csv"), ("json", json, ".json"), ("report", report, ".html")):
        if path is None or (path == _STANDARD_OUTPUT and name != "report"):
            continue
        check_output(path, (suffix,), overwrite, f"--{name}")
        try_folder(path)


def _check_save(folder: Path, sets: Sequence[PictureSet], methods: Sequence[Method], overwrite: bool) -> None:
    """Checks that pictures are written neither into a test set nor over existing files."""
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--save {folder} is a file; pass a folder")
    for one in sets:
        for place in (getattr(one.source, key, None) for key in ("path", "lr_path")):
            if place and (folder / one.name).resolve().is_relative_to(Path(place).expanduser().resolve()):
                raise InputError(f"--save {folder}: is inside the test set's folder {place}; choose another folder")
        for method in methods:
            for name in one.names:
                check_output(folder / one.name / method.name / f"{name}.png", (".png",), overwrite)
    try_folder(folder / "any")
