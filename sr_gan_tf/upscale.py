"""`python -m sr_gan_tf.upscale`: pictures enlarged by trained networks; `upscale()` does the same from Python."""

import argparse
import contextlib
import dataclasses
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.inference.batch import Files, Summary, job_tilings, plan_jobs, progress, run_jobs
from sr_gan_tf.inference.chain import Chain, load_chain
from sr_gan_tf.inference.halo import halo_argument
from sr_gan_tf.inference.jobs import STANDARD, Naming, find_sources
from sr_gan_tf.inference.passes import Settings, enlarge, enlarge_alpha, visible_colours
from sr_gan_tf.inference.pictures import Job, Treatment
from sr_gan_tf.models import DEFAULT_MODEL
from sr_gan_tf.pictures.reading import MAX_MEGAPIXELS

_DEFAULT_SETTINGS = Settings()


def upscale(
    source: np.ndarray | Image.Image | str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    model: str | Path | keras.Model | Sequence = DEFAULT_MODEL,
    settings: Settings = _DEFAULT_SETTINGS,
    files: Files | None = None,
    passes: int = 1,
    precision: str = "auto",
    ensemble: bool = False,
) -> np.ndarray | list[str]:
    """Enlarges a picture in memory, or picture files.

    Args:
        source: uint8, uint16 or float32 in [0, 1], (H, W) or (H, W, 1 to 4; the second or fourth channel is alpha);
            a PIL image (its present frame, not turned as its EXIF says); or files, folders and patterns.
        output: a file or folder, only for sources that are files.
        model: a shipped name, run folder, `.keras` file, SavedModel, or a loaded model; several make a chain.
        settings: final size, colours, edges, tiles.
        files: names, formats, metadata, only for sources that are files; `output` goes before its naming's.
        passes: how often the network, or chain, is gone through.
        precision: "auto", "float32" or "bfloat16".
        ensemble: mean over the eight flips and turns of the picture; eight times the work.

    Returns:
        The enlarged array of the same type, or the names of the written files. float32 is neither rounded nor
        clipped: where the network overshoots, values lie a little outside [0, 1].

    Raises:
        InputError: for anything that cannot be used; of several files, after all others are done.
        TypeError: for a source of another kind.
    """
    source = _as_array(source) if isinstance(source, Image.Image) else source
    if isinstance(source, np.ndarray) and (output is not None or files is not None):
        raise InputError(
            "output and files are for pictures in files; an array's enlargement is returned, "
            "sr_gan_tf.pictures.reading.write_image writes it"
        )
    inputs = source if isinstance(source, np.ndarray) else _names(source)
    models = [model] if isinstance(model, (str, Path, keras.Model)) else list(model)
    chain = load_chain(models, passes, precision, ensemble)
    if isinstance(inputs, np.ndarray):
        return _upscale_array(inputs, chain, settings)
    files = files or Files()
    if output is not None:
        files = dataclasses.replace(files, naming=dataclasses.replace(files.naming, output=str(output)))
    treatment = Treatment(chain, settings, files.max_megapixels, files.strip, files.compare)
    sources = find_sources(inputs, files.naming.output)
    summary = Summary()
    with progress() as bar:
        jobs = list(plan_jobs(sources, treatment, files, summary))
        run_jobs(jobs, treatment, files, summary, bar)
    if summary.failed:
        raise InputError("; ".join(summary.failed.values()))
    return summary.written


def _as_array(image: Image.Image) -> np.ndarray:
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I", "F"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image)


def _names(source: str | Path | Iterable[str | Path]) -> list[str]:
    names = [source] if isinstance(source, (str, Path)) else source
    if isinstance(names, Iterable):
        names = list(names)
    for item in names if isinstance(names, list) else [source]:
        if not isinstance(item, (str, Path)):
            raise TypeError(
                f"source: a {type(item).__name__} names no file; expected an array, a PIL image, or names of files; "
                "arrays are enlarged one by one"
            )
    return [str(name) for name in names]


def _upscale_array(image: np.ndarray, chain: Chain, settings: Settings) -> np.ndarray:
    if image.ndim not in (2, 3) or (image.ndim == 3 and not 1 <= image.shape[2] <= 4) or not image.size:
        raise InputError(f"an array of shape {image.shape} is no picture; expected (H, W) or (H, W, 1 to 4)")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"an array of {image.dtype} is no picture; expected uint8, uint16, or float32 in [0, 1]")
    samples = image[..., None] if image.ndim == 2 else image
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
    pixels = samples if alpha is None else samples[..., :-1]
    enlargement = enlarge(visible_colours(pixels, alpha), chain, settings)
    result = np.concatenate(list(enlargement.blocks))
    if alpha is not None:
        behind = enlarge_alpha(alpha, enlargement.shape[1::-1], settings.seamless, None)
        result = np.concatenate([result, behind[..., None]], axis=2)
    return result[..., 0] if image.ndim == 2 else result


def _arguments() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.upscale", description=__doc__.split(";")[0] + ".")
    parser.add_argument("inputs", nargs="+", help="pictures, folders (searched through), patterns, or - for stdin")
    where = parser.add_argument_group("results")
    where.add_argument("-o", "--output", help="a file, a folder, or - for stdout; default: beside the originals")
    where.add_argument("--name", help="file name, e.g. '{stem}_{model}_x{scale}'; also {width}, {height}, {suffix}")
    where.add_argument("--format", help="png, jpg, webp, tif, bmp, avif or gif; default: the output's, the original's")
    where.add_argument("--quality", type=int, default=95, help="1 to 100 for JPEG, WebP (100: lossless) and AVIF")
    where.add_argument("--compression", choices=("fast", "small"), default="fast", help="of PNG and TIFF")
    where.add_argument("--overwrite", action="store_true", help="replace existing files")
    where.add_argument("--skip-existing", action="store_true", help="leave pictures out whose result exists")
    where.add_argument("--strip", action="store_true", help="leave ICC profile, EXIF, XMP, IPTC and resolution out")
    where.add_argument("--compare", action="store_true", help="write NAME_compare.png: nearest, bicubic, ours")
    how = parser.add_argument_group("networks")
    how.add_argument(
        "--model",
        action="append",
        help=f"name, run folder, .keras file or SavedModel; A:0.7,B:0.3 mixes weights; several make a chain "
        f"(default {DEFAULT_MODEL})",
    )
    how.add_argument("--passes", type=int, default=1, help="go through the network so many times")
    how.add_argument("--ensemble", action="store_true", help="mean over eight flips and turns, eight times the work")
    how.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    size = parser.add_argument_group("size and look")
    size.add_argument("--scale", type=float, help="final enlargement; default: the network's")
    size.add_argument("--width", type=int, help="final width in pixels")
    size.add_argument("--height", type=int, help="final height in pixels")
    size.add_argument("--max-side", type=int, help="final length of the longer side in pixels")
    size.add_argument("--seamless", action="store_true", help="for textures: opposite edges continue each other")
    size.add_argument("--match-color", action="store_true", help="keep the original's colours at low frequencies")
    work = parser.add_argument_group("work")
    work.add_argument("--tile", type=int, help="pixels of the original a side of a tile; default: by free memory")
    work.add_argument("--halo", type=halo_argument, help="exact, or pixels around a tile")
    work.add_argument("--workers", type=int, default=2, help="pictures that are written at once beside the network")
    work.add_argument("--max-megapixels", type=float, default=MAX_MEGAPIXELS, help="larger originals are refused")
    work.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    settings = Settings(
        **{field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)}  # same names
    )
    files = Files(
        Naming(options.output, options.name, options.format, options.overwrite),
        options.quality,
        options.compression,
        options.skip_existing,
        options.strip,
        options.compare,
        options.max_megapixels,
        options.workers,
    )
    sources = find_sources(options.inputs, options.output)
    chain = load_chain(options.model or [DEFAULT_MODEL], options.passes, options.precision, options.ensemble)
    treatment = Treatment(chain, settings, files.max_megapixels, files.strip, files.compare)
    summary = Summary()
    say = sys.stderr if options.output == STANDARD else sys.stdout
    jobs = list(plan_jobs(sources, treatment, files, summary))
    alone = len(sources) - summary.left_out == 1
    if options.dry_run:
        _describe(jobs, treatment, summary.left_out, say)
    else:
        with _terminated_as_interrupted(), progress() as bar:
            run_jobs(jobs, treatment, files, summary, bar)
        for note in dict.fromkeys(_notes(jobs, treatment, summary.left_out)):
            print(f"note: {note}", file=sys.stderr)
        if not alone or not summary.failed:
            print(summary, file=say)
    if summary.failed and alone:
        raise InputError(next(iter(summary.failed.values())))
    for problem in summary.failed.values():
        print(f"error: {problem}", file=sys.stderr)
    return 1 if summary.failed else 0


def _notes(jobs: Sequence[Job], treatment: Treatment, left_out: int) -> Iterator[str]:
    if left_out:
        yield f"{left_out} left out, by their names results of an earlier run; name them one by one to enlarge them"
    for job in jobs:
        if job.note:
            yield f"{job.name}: {job.note}"
        for tiling in job_tilings(job, treatment):
            if tiling.note:
                yield tiling.note


def _describe(jobs: Sequence[Job], treatment: Treatment, left_out: int, say) -> None:
    chain = treatment.chain
    print(f"{chain.name}: x{chain.scale}, {chain.precision}", file=say)
    for job in jobs:
        tiles = ", then ".join(
            f"tiles of {item.tile[1]}x{item.tile[0]} + {item.halo}" for item in job_tilings(job, treatment)
        )
        size = f"{job.header.width}x{job.header.height} -> {job.size[0]}x{job.size[1]}"
        frames = f", {job.frames} frames" if job.frames > 1 else ""
        print(f"{job.name} -> {job.target}: {size} {job.encoding.format}{frames}, {tiles}", file=say)
    for note in dict.fromkeys(_notes(jobs, treatment, left_out)):
        print(f"note: {note}", file=say)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, so that no temporary file is left."""

    def interrupt(*_):
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
