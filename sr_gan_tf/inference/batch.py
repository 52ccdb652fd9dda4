"""Processes a batch of pictures: plans the result files, enlarges, and reports progress and a summary."""

import dataclasses
import functools
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Literal

import numpy as np

from sr_gan_tf.errors import InputError, one_line, printable
from sr_gan_tf.inference.background import Abandoned, Writers, read_ahead
from sr_gan_tf.inference.earlier import earlier_results
from sr_gan_tf.inference.naming import Naming
from sr_gan_tf.inference.passes import enlarge
from sr_gan_tf.inference.pictures import Job, Treatment, make_job, read_job, run_job
from sr_gan_tf.inference.search import STANDARD, PictureFile
from sr_gan_tf.pictures.encoding import Encoding
from sr_gan_tf.pictures.progress import Progress
from sr_gan_tf.pictures.reading import MAX_MEGAPIXELS, Header, read_header

_DEFAULT_NAMING = Naming()


@dataclasses.dataclass(frozen=True)
class Files:
    """How files are written, and which are skipped.

    Args:
        naming: locations and names of the results.
        quality: 1 to 100 for JPEG, WebP (100 is lossless) and AVIF.
        compression: of PNG and TIFF, "fast" or "small".
        skip_existing: skip pictures whose result exists.
        strip: omit metadata.
        compare: write a comparison picture next to each result.
        max_megapixels: larger originals are rejected.
        workers: maximum number of pictures written at once while the network runs.
    """

    naming: Naming = _DEFAULT_NAMING
    quality: int = 95
    compression: Literal["fast", "small"] = "fast"
    skip_existing: bool = False
    strip: bool = False
    compare: bool = False
    max_megapixels: float = MAX_MEGAPIXELS
    workers: int = 2

    def __post_init__(self):
        if not 1 <= self.quality <= 100:
            raise InputError(f"--quality {self.quality}: expected 1 to 100")
        if self.workers < 1:
            raise InputError(f"--workers {self.workers}: expected 1 or more")
        if not self.max_megapixels > 0:
            raise InputError(f"--max-megapixels {self.max_megapixels}: expected more than 0")


@dataclasses.dataclass
class Summary:
    """Outcome of a batch: names of written files, names of skipped originals, and errors by original.

    `left_out` counts results of earlier runs that a search has found; they are not originals.
    """

    written: list[str] = dataclasses.field(default_factory=list)
    skipped: list[str] = dataclasses.field(default_factory=list)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    left_out: int = 0
    megapixels: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = self.megapixels / max(self.seconds, 1e-9)
        text = f"{len(self.written)} written, {self.megapixels:.1f} megapixels in {self.seconds:.1f} s"
        text += f" ({rate:.2f} per second)" if self.written else ""
        if self.skipped:
            text += f", {len(self.skipped)} skipped"
        if self.failed:
            text += f", {len(self.failed)} failed"
        if len(self.written) == 1 and self.written != [STANDARD]:
            text += f"; wrote {printable(self.written[0])}"
        return text


@dataclasses.dataclass(frozen=True)
class _Original:
    """A picture with its header, the fields of its result's name, and its treatment."""

    name: str
    source: PictureFile
    data: bytes | None
    header: Header
    values: dict[str, str | int]
    treatment: Treatment
    choice: str


def _read_original(source: PictureFile, name: str, treatment: Treatment, files: Files) -> _Original:
    if source.problem:
        raise InputError(f"{name}: {source.problem}")
    data = sys.stdin.buffer.read() if source.path == STANDARD else None
    header = read_header(source.path if data is None else data, files.max_megapixels)
    treatment, choice = treatment.of(source.path if data is None else data, header)
    width, height = treatment.settings.final_size(header.width, header.height, treatment.chain.scale)
    values: dict[str, str | int] = {
        "model": treatment.chain.name,
        "scale": f"{width / header.width:.3g}",
        "width": width,
        "height": height,
    }
    return _Original(name, source, data, header, values, treatment, choice)


def plan_jobs(sources: Iterable[PictureFile], treatment: Treatment, files: Files, summary: Summary) -> Iterator[Job]:
    """Reads the headers and determines names, formats and sizes; records impossible jobs as failed."""
    naming = files.naming
    taken: dict[str, str] = {}
    originals: list[_Original] = []
    names: dict[PictureFile, str] = {}
    sources = list(sources)
    for source in sources:
        name = "standard input" if source.path == STANDARD else source.path
        try:
            originals.append(_read_original(source, name, treatment, files))
            if naming.keeps_stem:
                names[source] = naming.name(source, originals[-1].values)
        except InputError as error:
            summary.failed[name] = one_line(error)
    left_out = earlier_results(sources, names, treatment.chain.name)
    summary.left_out = len(left_out)
    for source in left_out:  # including damaged ones
        summary.failed.pop(source.path, None)
    count = len(sources) - len(left_out)
    one_file = naming.is_one_file(count)
    if naming.output == STANDARD and count > 1:
        raise InputError(f"-o -: standard output accepts one picture, not {count}; pass a folder")
    for original in originals:
        name, source, header = original.name, original.source, original.header
        if source in left_out or name in summary.failed:
            continue
        try:
            target = naming.target(source, one_file, original.values, header.format)
            encoding = Encoding(naming.format_for(target, header.format), files.quality, files.compression)
            job = make_job(source.path, original.data, header, target, encoding, original.treatment)
            job = dataclasses.replace(job, choice=original.choice)
            if target != STANDARD:
                key = str(Path(target).resolve())
                if key in taken:
                    raise InputError(
                        f"{name}: its result would replace that of {taken[key]}; pass --name '{{stem}}_{{suffix}}'"
                    )
                taken[key] = name
                if Path(target).exists() and files.skip_existing:
                    summary.skipped.append(name)
                    continue
                if Path(target).exists() and not naming.overwrite:
                    raise InputError(f"{target} already exists; pass --overwrite or --skip-existing")
        except InputError as error:
            summary.failed[name] = one_line(error)
            continue
        yield job


def run_jobs(jobs: list[Job], treatment: Treatment, files: Files, summary: Summary, bar: Progress) -> None:
    """Runs the jobs; records the error of a failed job and continues with the others."""
    start = time.perf_counter()
    bar.reset(total=sum(job.work for job in jobs) / 1e6)
    writing: deque[tuple[Job, Future]] = deque()

    def take_note(everything: bool = False) -> None:
        """Records the outcome of the pictures in order and releases their futures, which would fill the memory."""
        while writing and (everything or writing[0][1].done()):
            job, future = writing.popleft()
            try:
                summary.written.append(future.result())
                summary.megapixels += job.size[0] * job.size[1] * job.frames / 1e6
            except Abandoned:
                continue
            except Exception as error:
                summary.failed[job.name] = _failure(job, error)

    def advance(job: Job, part: float) -> None:
        bar.update(part * job.work / 1e6)

    with Writers(files.workers) as writers:
        for job, read in read_ahead(jobs, lambda job: read_job(job, treatment)):
            bar.set_description_str(printable(Path(job.name).name[-30:]))
            try:
                frames = read.result()
                future = run_job(job, frames, treatment, writers, functools.partial(advance, job))
                writing.append((job, future))
            except Exception as error:
                summary.failed[job.name] = _failure(job, error)
            take_note()
        take_note(everything=True)
    summary.seconds = time.perf_counter() - start


def _failure(job: Job, error: Exception) -> str:
    """One line per error. Unexpected errors are marked as such; they must not stop the other pictures either."""
    if isinstance(error, InputError):
        return one_line(error)
    if isinstance(error, OSError):
        return f"{job.name}: {error.strerror or one_line(error)}"
    return f"{job.name}: unexpected {type(error).__name__}: {one_line(error)}"


def job_tilings(job: Job, treatment: Treatment) -> tuple:
    """How the networks would tile a job's picture."""
    stand_in = np.broadcast_to(np.uint8(0), (job.header.height, job.header.width, 3))
    return enlarge(stand_in, job.chain, treatment.settings).tilings
