"""Enlarges one picture file into another: still pictures by rows, animations frame by frame."""

import dataclasses
import io
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import atomic_file
from sr_gan_tf.inference.background import Writers
from sr_gan_tf.inference.chain import Chain
from sr_gan_tf.inference.passes import Settings, enlarge, enlarge_alpha, visible_colors
from sr_gan_tf.inference.search import STANDARD
from sr_gan_tf.pictures.encoding import Encoding, encode, encode_animation, scratch_array
from sr_gan_tf.pictures.metadata import NOTHING, Metadata
from sr_gan_tf.pictures.reading import Header, Picture, joined, read_frames
from sr_gan_tf.version import __version__

NOT_KEPT = "not kept"
_SMALL_FRAME = 1 << 24  # bytes
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")


@dataclasses.dataclass(frozen=True)
class Job:
    """The enlargement of one picture: its source, target and size.

    Attributes:
        source: path, or `-`.
        data: the bytes of the file if it came from standard input.
        target: path, or `-`.
        header: of the original.
        size: (width, height) of the result.
        encoding: how to write the result.
        chain: the networks that enlarge it.
        note: information for the user about the result, or "".
        remarks: notes that arise during processing.
        choice: why these networks were chosen, if the user named none.
    """

    source: str
    data: bytes | None
    target: str
    header: Header
    size: tuple[int, int]
    encoding: Encoding
    chain: Chain
    note: str = ""
    remarks: list[str] = dataclasses.field(default_factory=list, compare=False)
    choice: str = ""

    @property
    def name(self) -> str:
        return "standard input" if self.source == STANDARD else self.source

    @property
    def work(self) -> float:
        """Pixels of the original over all frames, for the progress bar."""
        return float(self.header.width * self.header.height * self.frames)

    @property
    def frames(self) -> int:
        return self.header.frames if self.encoding.format in _ANIMATED else 1


@dataclasses.dataclass(frozen=True)
class Treatment:
    """How a run treats every picture.

    Attributes:
        chain: the networks.
        settings: further processing of the pixels.
        max_megapixels: larger originals are rejected.
        strip: omit metadata.
        compare: write a comparison picture next to each result.
        choose: maps a picture's file and header to its networks and the reason; None: `chain` for all.
    """

    chain: Chain
    settings: Settings
    max_megapixels: float
    strip: bool = False
    compare: bool = False
    choose: Callable[[str | bytes, Header], tuple[Chain, str]] | None = None

    def of(self, file: str | bytes, header: Header) -> tuple["Treatment", str]:
        """The treatment of one picture, and the reason for its networks if the user named none."""
        if self.choose is None:
            return self, ""
        chain, reason = self.choose(file, header)
        return dataclasses.replace(self, chain=chain), reason


def make_job(
    source: str, data: bytes | None, header: Header, target: str, encoding: Encoding, treatment: Treatment
) -> Job:
    """Plans a job and checks its sizes: rejects results that cannot be written before any work.

    Raises:
        InputError: the result exceeds its format or the size limit.
    """
    name = "standard input" if source == STANDARD else source
    scale = treatment.chain.scale
    width, height = treatment.settings.final_size(header.width, header.height, scale)
    encoding.check_size(width, height, name)
    # The output size of the networks counts as well, because the picture passes through it.
    megapixels = max(width * height, header.width * header.height * scale**2) / 1e6
    limit = treatment.max_megapixels * max(16, scale**2)
    if megapixels > limit:
        raise InputError(
            f"{name}: the result would have {megapixels:,.0f} megapixels, the limit is {limit:,.0f}; request a "
            "smaller one, or raise the limit with --max-megapixels"
        )
    notes = []
    if header.frames > 1 and encoding.format not in _ANIMATED:
        notes.append(
            f"only the first of {header.frames} frames: {encoding.format} supports only one; use --format webp or gif"
        )
    if header.pages > 1:
        notes.append(f"only the first of {header.pages} pages")
    if max(width / header.width, height / header.height) > scale:
        notes.append(f"enlarged beyond the network's x{scale} by bicubic interpolation; --passes adds detail")
    return Job(source, data, target, header, (width, height), encoding, treatment.chain, "; ".join(notes))


def read_job(job: Job, treatment: Treatment) -> Iterator[Picture]:
    """The frames of a job's picture; the first one is decoded immediately."""
    source = job.source if job.data is None else job.data
    frames = read_frames(source, treatment.max_megapixels, job.name)
    first = next(frames)

    def all_frames() -> Iterator[Picture]:
        yield first
        if job.frames > 1:
            yield from frames
        else:
            cast(Generator, frames).close()

    return all_frames()


def run_job(
    job: Job, frames: Iterator[Picture], treatment: Treatment, writers: Writers, report: Callable[[float], None]
) -> "Future[str]":
    """Computes a job's picture and writes it in a thread; the future returns the name of the written file."""
    folder = None if job.target == STANDARD else Path(job.target).parent
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot create the folder {folder}: {error.strerror}; choose another one") from error
    if job.frames > 1:
        channels = _channels_of_all(job, treatment)
        return writers.feed(
            _animation(job, frames, treatment, folder, report), lambda blocks: _write_animation(job, blocks, channels)
        )
    picture = next(frames)
    pixels = visible_colors(picture.pixels, picture.alpha)
    comparison = None
    if treatment.compare and job.target != STANDARD:
        from sr_gan_tf.inference.comparison import Comparison  # it imports Matplotlib

        comparison = Comparison(pixels, job.size)
    blocks = _samples(pixels, picture.alpha, job, treatment, folder, report, comparison)
    channels = picture.pixels.shape[2] + (picture.alpha is not None and job.encoding.holds_alpha())
    metadata = _metadata(picture, job, treatment, channels)
    shape = (job.size[1], job.size[0], channels)
    dtype = job.encoding.sample_type(picture.pixels.dtype)

    def write(rows: Iterator[np.ndarray]) -> str:
        with _opened(job.target) as file:
            encode(file, rows, shape, dtype, job.encoding, metadata, folder)
        if comparison is not None:
            target = Path(job.target)
            comparison.write(target.with_name(f"{target.stem}_compare.png"), job.chain.name)
        return job.target

    return writers.feed(blocks, write)


def _samples(pixels, alpha, job: Job, treatment: Treatment, folder, report, comparison=None) -> Iterator[np.ndarray]:
    """Yields blocks of rows in the form that is written: color with alpha, in the bit depth of the format."""
    enlargement = enlarge(pixels, job.chain, treatment.settings, folder, report)
    transparency = None
    if alpha is not None:
        transparency = enlarge_alpha(alpha, job.size, treatment.settings.seamless, folder)
    row = 0
    for block in enlargement.blocks:
        if comparison is not None:
            comparison.see(row, block)
        alpha_rows = None if transparency is None else transparency[row : row + len(block)]
        row += len(block)
        yield joined(block, alpha_rows, job.encoding)


def _animation(job: Job, frames: Iterator[Picture], treatment: Treatment, folder, report) -> Iterator:
    """Yields (pixels, duration, metadata) of each enlarged frame."""
    for frame in frames:
        pixels = visible_colors(frame.pixels, frame.alpha)
        told = lambda part: report(part / job.frames)  # noqa: E731
        blocks = list(_samples(pixels, frame.alpha, job, treatment, folder, told))
        shape, dtype = (job.size[1], job.size[0], blocks[0].shape[2]), blocks[0].dtype
        # The number of open scratch files is limited, so small frames, many of which may wait, stay in memory.
        small = math.prod(shape) * dtype.itemsize <= _SMALL_FRAME
        whole = np.empty(shape, dtype) if small else scratch_array(shape, dtype, folder)
        np.concatenate(blocks, out=whole)
        yield whole, frame.duration, _metadata(frame, job, treatment, whole.shape[2])


def _write_animation(job: Job, frames: Iterator, channels: int) -> str:
    with _opened(job.target) as file:
        encode_animation(file, frames, job.header.loop, job.encoding, job.frames, channels)
    return job.target


def _channels_of_all(job: Job, treatment: Treatment) -> int:
    """Number of channels that can hold every frame; the file header needs it before the frames.

    This decodes the animation an additional time, which costs little compared with the network and detects damage
    early.
    """
    source = job.source if job.data is None else job.data
    colors, alpha = 1, False
    for frame in read_frames(source, treatment.max_megapixels, job.name):
        colors = max(colors, frame.pixels.shape[2])
        alpha = alpha or frame.alpha is not None
        if colors == 3 and alpha:
            break
    return colors + (alpha and job.encoding.holds_alpha())


def _metadata(picture: Picture, job: Job, treatment: Treatment, channels: int) -> Metadata:
    """The metadata of the result; adds lost metadata to the job's remarks."""
    if treatment.strip:
        return NOTHING
    ratio = job.size[0] / job.header.width
    before = (picture.pixels.shape[1], picture.pixels.shape[0])
    metadata = picture.metadata.resized(before, job.size, f"sr_gan_tf {__version__}: {job.chain.name} x{ratio:g}")
    # From the original's metadata, because every result gets an EXIF block that names the software.
    pixels = job.encoding.unkept(picture.pixels, picture.alpha)
    lost = dict.fromkeys((*metadata.lost, *pixels, *picture.metadata.unkept(job.encoding.format, channels)))
    remarks = [*metadata.remarks, *([f"{NOT_KEPT}: {', '.join(lost)}"] if lost else [])]
    job.remarks.extend(remark for remark in remarks if remark not in job.remarks)
    return metadata


class _opened:
    """The target as a seekable binary file that appears under its name, or on standard output, only when complete."""

    def __init__(self, target: str):
        self.target = target
        # Entered and left with this object.
        self.inner = tempfile.NamedTemporaryFile() if target == STANDARD else atomic_file(target)  # noqa: SIM115

    def __enter__(self):
        return self.inner.__enter__()

    def __exit__(self, kind, error, trace):
        if self.target == STANDARD and kind is None:
            self.inner.seek(0, io.SEEK_SET)
            shutil.copyfileobj(self.inner, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return self.inner.__exit__(kind, error, trace)
