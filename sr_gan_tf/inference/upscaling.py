"""Enlarges pictures, in memory or in files, with trained networks."""

import contextlib
import dataclasses
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import numpy as np
from PIL import Image

from sr_gan_tf.errors import InputError, printable
from sr_gan_tf.inference.batch import Files, Summary, job_tilings, plan_jobs, run_jobs
from sr_gan_tf.inference.chain import Chain, load_chain
from sr_gan_tf.inference.choice import choose_network
from sr_gan_tf.inference.passes import Settings, enlarge, enlarge_alpha, visible_colors
from sr_gan_tf.inference.pictures import NOT_KEPT, Job, Treatment
from sr_gan_tf.inference.search import STANDARD, find_sources
from sr_gan_tf.pictures.decoding import pillow_samples, quiet
from sr_gan_tf.pictures.formats import unread_note
from sr_gan_tf.pictures.metadata import Metadata
from sr_gan_tf.pictures.progress import progress
from sr_gan_tf.pictures.reading import Header
from sr_gan_tf.pictures.samples import interpreted
from sr_gan_tf.shipped import DEFAULT_MODEL

if TYPE_CHECKING:
    import keras

_DEFAULT_SETTINGS = Settings()
_MOST_CHOICES = 5
_OTHERWISE = "pass --model NAME to choose another"


def upscale(
    source: np.ndarray | Image.Image | str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    model: "str | Path | keras.Model | Sequence" = DEFAULT_MODEL,
    settings: Settings = _DEFAULT_SETTINGS,
    files: Files | None = None,
    passes: int = 1,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ensemble: bool = False,
) -> np.ndarray | list[str]:
    """Enlarges a picture in memory, or picture files.

    Args:
        source: uint8, uint16 or float32 in [0, 1], (H, W) or (H, W, 1 to 4; the second or fourth channel is alpha);
            a PIL image (its current frame, without EXIF rotation); or files, folders and patterns.
        output: a file or folder; only for files as sources.
        model: a shipped name, run folder, `.keras` file, SavedModel, or a loaded model; several make a chain.
        settings: final size, colors, edges, tiles.
        files: names, formats, metadata; only for files as sources. `output` takes precedence over its naming.
        passes: number of passes through the network or chain.
        precision: "auto", "float32" or "bfloat16".
        ensemble: whether to average over the eight flips and rotations of the picture; eight times the work.

    Returns:
        The enlarged array of the same type, or the names of the written files. float32 is neither rounded nor clipped,
        so values may lie slightly outside [0, 1].

    Raises:
        InputError: an argument or a file cannot be used; with several files, raised after all others are done.
        TypeError: the source has another type.

    Warns:
        UserWarning: what the command prints as notes, such as what the result of a file could not keep.

    Example:
        >>> import numpy as np
        >>> from sr_gan_tf.upscale import upscale
        >>> upscale(np.zeros((16, 24, 3), np.uint8), model="span_x2").shape
        (32, 48, 3)
    """
    source = _as_array(source) if isinstance(source, Image.Image) else source
    if isinstance(source, np.ndarray) and (output is not None or files is not None):
        raise InputError(
            "output and files apply only to pictures in files; the enlargement of an array is returned, "
            "and sr_gan_tf.pictures.reading.write_image writes it"
        )
    inputs = source if isinstance(source, np.ndarray) else _names(source)
    models = list(model) if isinstance(model, (list, tuple)) else [model]
    chain = load_chain(models, passes, precision, ensemble)
    if isinstance(inputs, np.ndarray):
        return _upscale_array(inputs, chain, settings)
    files = files or Files()
    if output is not None:
        files = dataclasses.replace(files, naming=dataclasses.replace(files.naming, output=str(output)))
    treatment = Treatment(chain, settings, files.max_megapixels, files.strip, files.compare)
    unread: Counter = Counter()
    sources = find_sources(inputs, files.naming.output, unread)
    summary = Summary()
    with progress() as bar:
        jobs = list(plan_jobs(sources, treatment, files, summary))
        run_jobs(jobs, treatment, files, summary, bar)
    for note in dict.fromkeys(_notes(jobs, treatment, summary.left_out, unread)):
        warnings.warn(note, stacklevel=2)
    if summary.failed:
        raise InputError("; ".join(summary.failed.values()))
    return summary.written


def _as_array(image: Image.Image) -> np.ndarray:
    """The current frame of a PIL image of any mode, interpreted like a file, but without EXIF rotation."""
    if image.mode == "F":
        return np.asarray(image)
    with quiet():
        image.load()
    metadata = Metadata(icc_profile=image.info.get("icc_profile"))
    pixels, alpha, _ = interpreted(pillow_samples(image, "the PIL image"), metadata)
    if alpha is None:
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return np.concatenate([pixels, alpha[..., None]], axis=2)


def _names(source: str | Path | Iterable[str | Path]) -> list[str]:
    if isinstance(source, (bytes, bytearray)):
        raise TypeError(
            "source: bytes are not a file name; expected an array, a PIL image, or file names; "
            "PIL.Image.open(io.BytesIO(source)) opens a picture in memory"
        )
    names = [source] if isinstance(source, (str, Path)) else source
    if isinstance(names, Iterable):
        names = list(names)
    for item in names if isinstance(names, list) else [source]:
        if not isinstance(item, (str, Path)):
            raise TypeError(
                f"source: a {type(item).__name__} is not a file name; expected an array, a PIL image, or file names; "
                "pass arrays one at a time"
            )
    return [str(name) for name in names]


def _upscale_array(image: np.ndarray, chain: Chain, settings: Settings) -> np.ndarray:
    if image.ndim not in (2, 3) or (image.ndim == 3 and not 1 <= image.shape[2] <= 4) or not image.size:
        raise InputError(f"an array of shape {image.shape} is not a picture; expected (H, W) or (H, W, 1 to 4)")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"an array of {image.dtype} is not a picture; expected uint8, uint16, or float32 in [0, 1]")
    # Results of networks lie slightly outside [0, 1]; values up to 255 would be enlarged into nonsense.
    if image.dtype == np.float32 and not (image.min() >= -1 and image.max() <= 2):
        raise InputError(
            f"an array of float32 from {image.min():g} to {image.max():g} is not a picture; expected values in [0, 1]; "
            "divide it by its white (255, for instance)"
        )
    samples = image[..., None] if image.ndim == 2 else image
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
    pixels = samples if alpha is None else samples[..., :-1]
    enlargement = enlarge(visible_colors(pixels, alpha), chain, settings)
    result = np.concatenate(list(enlargement.blocks))
    if alpha is not None:
        enlarged_alpha = enlarge_alpha(alpha, enlargement.shape[1::-1], settings.seamless, None)
        result = np.concatenate([result, enlarged_alpha[..., None]], axis=2)
    return result[..., 0] if image.ndim == 2 else result


def upscale_files(
    inputs: Sequence[str],
    models: Sequence[str] | None,
    settings: Settings,
    files: Files,
    passes: int = 1,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ensemble: bool = False,
    dry_run: bool = False,
) -> int:
    """Enlarges files and reports to the terminal, as `python -m sr_gan_tf.upscale` does.

    Args:
        inputs: files, folders, patterns, or `-` for standard input.
        models: as in `load_chain`; None: chooses a shipped network for each picture (choice.py).
        settings: final size, colors, edges, tiles.
        files: names, formats, metadata.
        passes: as in `load_chain`.
        precision: as in `load_chain`.
        ensemble: as in `load_chain`.
        dry_run: print what would be done, and do nothing.

    Returns:
        0 if every picture was written or skipped, 1 if some failed.

    Raises:
        InputError: an option cannot be used, or the only picture fails.
    """
    unread: Counter = Counter()
    sources = find_sources(inputs, files.naming.output, unread)
    chain = load_chain(models or [DEFAULT_MODEL], passes, precision, ensemble)
    choose = None if models else chooser(passes, precision, ensemble)
    treatment = Treatment(chain, settings, files.max_megapixels, files.strip, files.compare, choose)
    summary = Summary()
    say = sys.stderr if files.naming.output == STANDARD else sys.stdout
    jobs = list(plan_jobs(sources, treatment, files, summary))
    alone = len(sources) - summary.left_out == 1
    if dry_run:
        _describe(jobs, treatment, summary.left_out, unread, say)
    else:
        with terminated_as_interrupted(), progress(lines=True) as bar:
            run_jobs(jobs, treatment, files, summary, bar)
        written = [job for job in jobs if job.name not in summary.failed]
        for note in dict.fromkeys(_notes(written, treatment, summary.left_out, unread)):
            print(f"note: {printable(note)}", file=sys.stderr)
        if not alone or not summary.failed:
            print(summary, file=say)
    if summary.failed and alone:
        raise InputError(next(iter(summary.failed.values())))
    for problem in summary.failed.values():
        print(f"error: {problem}", file=sys.stderr)
    return 1 if summary.failed else 0


def chooser(
    passes: int = 1, precision: Literal["auto", "float32", "bfloat16"] = "auto", ensemble: bool = False
) -> Callable[[str | bytes, Header], tuple[Chain, str]]:
    """Returns a function that chooses a network for a picture, for `Treatment`; arguments as in `load_chain`."""

    def choose(file: str | bytes, header: Header) -> tuple[Chain, str]:
        choice = choose_network(file, header)
        return load_chain([choice.model], passes, precision, ensemble), choice.reason

    return choose


def _notes(jobs: Sequence[Job], treatment: Treatment, left_out: int, unread: Counter) -> Iterator[str]:
    if unread:
        yield unread_note(unread)
    if left_out:
        yield f"{left_out} skipped: their names are those of earlier results; to enlarge them, name them individually"
    yield from _choices([job for job in jobs if job.choice])
    often = Counter(job.note for job in jobs if job.note)
    for job in jobs:
        if job.note:
            count = often[job.note]
            yield f"{job.name}: {job.note}" if count <= _MOST_CHOICES else f"{count} pictures: {job.note}"
        for remark in job.remarks:
            yield f"{job.name}: {remark}"
        for tiling in job_tilings(job, treatment):
            if tiling.note:
                yield tiling.note

    incomplete = sum(any(remark.startswith(NOT_KEPT) for remark in job.remarks) for job in jobs)
    if incomplete and len(jobs) > 1:
        yield f"{incomplete} of {len(jobs)} pictures lost some of their metadata, as noted above"


def _choices(jobs: Sequence[Job]) -> Iterator[str]:
    """Describes which networks were chosen and why; for many pictures, only the number per network."""
    if len(jobs) > _MOST_CHOICES:
        counts = Counter(job.chain.name for job in jobs)
        yield f"{', '.join(f'{name} for {count} pictures' for name, count in counts.items())}; {_OTHERWISE}"
    elif jobs:
        yield from (f"{job.name}: {job.chain.name}, {job.choice}" for job in jobs[:-1])
        yield f"{jobs[-1].name}: {jobs[-1].chain.name}, {jobs[-1].choice}; {_OTHERWISE}"


def _describe(jobs: Sequence[Job], treatment: Treatment, left_out: int, unread: Counter, say: TextIO) -> None:
    for chain in dict.fromkeys(job.chain for job in jobs) or [treatment.chain]:
        print(f"{chain.name}: x{chain.scale}, {chain.precision}", file=say)
    for job in jobs:
        tiles = ", then ".join(
            f"tiles of {item.tile[1]}x{item.tile[0]} + {item.halo}" for item in job_tilings(job, treatment)
        )
        size = f"{job.header.width}x{job.header.height} -> {job.size[0]}x{job.size[1]}"
        frames = f", {job.frames} frames" if job.frames > 1 else ""
        names = printable(f"{job.name} -> {job.target}")
        print(f"{names}: {size} {job.encoding.format}{frames}, {tiles}", file=say)
    for note in dict.fromkeys(_notes(jobs, treatment, left_out, unread)):
        print(f"note: {printable(note)}", file=say)


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Handles SIGTERM like Ctrl-C, so that no temporary file remains."""

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
