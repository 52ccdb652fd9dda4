"""The work of one open page: its uploads, its results, and the running job; uses the engine of `upscale`."""

import contextlib
import dataclasses
import functools
import os
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.inference.batch import Files, Summary, plan_jobs, run_jobs
from sr_gan_tf.inference.chain import Chain, load_chain
from sr_gan_tf.inference.naming import Naming
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.inference.pictures import Job, Treatment
from sr_gan_tf.inference.search import find_sources
from sr_gan_tf.inference.upscaling import chooser
from sr_gan_tf.pictures.reading import MAX_MEGAPIXELS, read_image, write_image
from sr_gan_tf.shipped import DEFAULT_MODEL
from sr_gan_tf.webapp.shelf import Shelf

_SHOWN_BY_BROWSERS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp")


class Canceled(BaseException):
    """The user pressed Cancel; not an Exception, so that no picture counts as failed because of it."""


@dataclasses.dataclass(frozen=True)
class Choices:
    """The user's choices.

    Args:
        network: a shipped network, or another that `load` accepts; "" chooses one for each picture.
        mixed_with: a second network whose weights are mixed in; "" for none.
        share: of the second network, 0 to 1.
        settings: final size.
        format: of the results ("png", "jpg" ...); None keeps each original's.
        quality: 1 to 100, for JPEG, WebP and AVIF.
        strip: omit metadata.
        max_megapixels: larger originals are refused based on their header.
    """

    network: str
    mixed_with: str = ""
    share: float = 0.0
    settings: Settings = dataclasses.field(default_factory=Settings)
    format: str | None = None
    quality: int = 95
    strip: bool = False
    max_megapixels: float = MAX_MEGAPIXELS

    @property
    def model(self) -> str:
        """The value for `upscale --model`."""
        if not self.network or not self.mixed_with or self.mixed_with == self.network or self.share <= 0:
            return self.network
        return f"{self.network}:{1 - self.share:.3f},{self.mixed_with}:{self.share:.3f}"


@dataclasses.dataclass(frozen=True)
class Result:
    """A written picture: the uploaded original and the enlargement, as paths and as shelf names."""

    original: Path
    path: Path
    before: str
    after: str
    size: tuple[int, int]
    note: str = ""


@dataclasses.dataclass
class JobProgress:
    """Progress of a job.

    Attributes:
        share: 0 to 1.
        left: estimated seconds left; None while unknown.
        picture: name of the current picture.
        finished: whether the job has ended.
        canceled: whether the user stopped it.
        results: pictures written so far.
        failed: one line per picture that could not be enlarged.
    """

    share: float = 0.0
    left: float | None = None
    picture: str = ""
    finished: bool = False
    canceled: bool = False
    results: list[Result] = dataclasses.field(default_factory=list)
    failed: list[str] = dataclasses.field(default_factory=list)


class _Bar:
    """Receives the engine's progress in place of a terminal's progress bar; ends the work on request."""

    def __init__(self, progress: JobProgress, stop: threading.Event):
        self.progress, self.stop = progress, stop
        self.total, self.done, self.start = 1.0, 0.0, time.perf_counter()

    def reset(self, total: float) -> None:
        self.total, self.done, self.start = max(total, 1e-9), 0.0, time.perf_counter()

    def set_description_str(self, text: str) -> None:
        self.progress.picture = text
        self._check()

    def update(self, work: float = 0.0) -> None:
        self.done += work
        share = min(1.0, self.done / self.total)
        elapsed = time.perf_counter() - self.start
        self.progress.share = share
        self.progress.left = elapsed * (1 - share) / share if share > 0.02 else None
        self._check()

    def _check(self) -> None:
        if self.stop.is_set():
            raise Canceled


@functools.lru_cache(maxsize=4)
def cached_chain(model: str) -> Chain:
    """Loads a network by name, once."""
    return load_chain([model])


class Workbench:
    """The uploads and results of one open page, in a folder that is deleted with it.

    Args:
        shelf: where results are put for the page to request.
        parent: folder in which the workbench creates its folder.
        uploads: the server's folder of uploads; no other file is read or deleted, whatever a request contains.
    """

    def __init__(self, shelf: Shelf, parent: Path, uploads: Path):
        self.uploads = uploads.resolve()
        self.folder = Path(tempfile.mkdtemp(prefix="page-", dir=parent))
        self.shelf = shelf
        self.originals: list[Path] = []
        self.results: list[Result] = []
        self._tokens: list[str] = []
        self._uploads: list[Path] = []
        self._folder: Path | None = None
        self._working = False
        self._stop = threading.Event()

    def receive(self, uploads: Sequence[str | Path]) -> None:
        """Takes over all files that the page's list holds; what is no longer in it is deleted.

        So are the results, except while a job runs: it ends with the files that it began with, and shows its results.

        Raises:
            InputError: a file is outside the folder of uploads.
        """
        if not all(Path(upload).resolve().is_relative_to(self.uploads) for upload in uploads):
            raise InputError("this file was not uploaded; drop it on the page")
        self._forget_uploads(set(map(Path, uploads)))
        self._folder = Path(tempfile.mkdtemp(prefix="originals-", dir=self.folder))
        originals: list[Path] = []
        self._uploads = list(map(Path, uploads))
        for number, upload in enumerate(self._uploads):
            # A folder per file: two uploads may have the same name. A link, since the page still offers the upload.
            target = self._folder / str(number) / upload.name
            target.parent.mkdir()
            try:
                os.link(upload, target)
            except OSError:
                shutil.copyfile(upload, target)
            originals.append(target)
        self.originals = originals
        if not self._working:
            self._forget_results()

    def enlarge(self, choices: Choices, keep: bool = False, every: float = 0.25) -> Iterator[JobProgress]:
        """Enlarges all uploads; yields the progress, finally with the results.

        Args:
            choices: network, size, format.
            keep: keep earlier results, for a comparison.
            every: seconds between two reports.
        """
        if not keep:
            self._forget_results()
        self._stop.clear()
        progress = JobProgress()
        self._working = True
        worker = threading.Thread(target=self._work, args=(choices, progress), daemon=True)
        worker.start()
        try:
            while worker.is_alive():
                yield progress
                worker.join(every)
            yield progress
        finally:
            # If the page was closed during the work, nobody waits for it any more.
            self._stop.set()
            worker.join()
            self._working = False

    def cancel(self) -> None:
        """Stops the running job at the next tile; leaves no half-written file."""
        self._stop.set()

    def archived(self) -> str:
        """Writes a zip file of all results and returns its shelf name; duplicate names get a number."""
        path = self.folder / "enlarged.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for result, name in zip(self.results, _distinct([each.path.name for each in self.results]), strict=True):
                archive.write(result.path, name)
        return self._put(path)

    def close(self) -> None:
        """Stops the work and deletes the folder."""
        self.cancel()
        self._forget_uploads(set())
        self.shelf.take(self._tokens)
        shutil.rmtree(self.folder, ignore_errors=True)

    def show(self, path: Path) -> str:
        """Puts a picture on the shelf in a format that browsers show: the file itself, or a PNG of it."""
        return self._put(path if path.suffix.lower() in _SHOWN_BY_BROWSERS else _as_png(path))

    def _work(self, choices: Choices, progress: JobProgress) -> None:
        summary, originals = Summary(), self.originals
        try:
            jobs = self._run(originals, choices, summary, _Bar(progress, self._stop))
            progress.results = self.results = [self._result(job) for job in jobs if job.target in summary.written]
            progress.failed = list(summary.failed.values())
        except Canceled:
            progress.canceled = True
            self._forget_results()
        except InputError as error:
            progress.failed = [one_line(error)]
        except Exception as error:  # the page must report any failure
            progress.failed = [f"unexpected {type(error).__name__}: {one_line(error)}"]
        progress.failed = [self._without_paths(text, originals) for text in progress.failed]
        progress.finished = True

    def _run(self, originals: list[Path], choices: Choices, summary: Summary, bar: _Bar) -> list[Job]:
        if not originals:
            raise InputError("no picture yet; drop one on the page first")
        chain = cached_chain(choices.model or DEFAULT_MODEL)
        choose = None if choices.model else chooser()
        folder = Path(tempfile.mkdtemp(prefix="results-", dir=self.folder))
        jobs: list[Job] = []
        for number, original in enumerate(originals):
            # As the command would: `upscale ORIGINAL -o FOLDER/ --name '{stem}_x{scale}' --format ...`.
            naming = Naming(f"{folder / str(number)}/", "{stem}_x{scale}", choices.format)
            files = Files(naming, choices.quality, strip=choices.strip, max_megapixels=choices.max_megapixels)
            treatment = Treatment(chain, choices.settings, files.max_megapixels, files.strip, choose=choose)
            jobs += plan_jobs(find_sources([str(original)], naming.output), treatment, files, summary)
        if jobs:
            run_jobs(jobs, treatment, files, summary, bar)
        return jobs

    def _result(self, job: Job) -> Result:
        original, path = Path(job.source), Path(job.target)
        chosen = [f"{job.chain.name}, {job.choice}"] if job.choice else []
        note = "; ".join([*chosen, *filter(None, [job.note]), *job.remarks])
        return Result(original, path, self.show(original), self.show(path), job.size, note)

    def _without_paths(self, text: str, originals: list[Path]) -> str:
        """An error line that names the picture as the user knows it, not where it lies here."""
        for original in originals:
            text = text.replace(str(original), original.name)
        return text.replace(f"{self.folder}/", "")

    def _put(self, path: Path) -> str:
        token = self.shelf.put(path)
        self._tokens.append(token)
        return token

    def _forget_results(self) -> None:
        self.shelf.take(self._tokens)
        self._tokens, self.results = [], []
        for folder in (*self.folder.glob("results-*"), *self.folder.glob("originals-*")):
            if folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)
        (self.folder / "enlarged.zip").unlink(missing_ok=True)

    def _forget_uploads(self, kept: set[Path]) -> None:
        for upload in set(self._uploads) - kept:
            upload.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the server creates a folder for each upload
                upload.parent.rmdir()


def _as_png(path: Path) -> Path:
    preview = path.with_name(f".{path.name}.preview.png")
    picture = read_image(path)
    write_image(preview, picture.pixels, picture.alpha)
    return preview


def _distinct(names: Sequence[str]) -> list[str]:
    """Returns the names in order; duplicates get the first free number."""
    distinct: list[str] = []
    for name in names:
        path, number, free = Path(name), 1, name
        while free in distinct:
            number += 1
            free = f"{path.stem} ({number}){path.suffix}"
        distinct.append(free)
    return distinct
