"""Enlarges a film: decodes, enlarges and encodes frames as they arrive; an interrupted run can be resumed.

During the work, the folder `TARGET.partial` next to the target contains the finished segments and a journal that lists
them and where the next one begins. Finished segments are not encoded again; a half-written one is.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import replacing
from sr_gan_tf.films.flicker import Stabilizer
from sr_gan_tf.films.frames import FrameEnlarger
from sr_gan_tf.films.reading import Film, Frame, Frames, probe
from sr_gan_tf.films.writing import Codec, SegmentWriter, check_container, join
from sr_gan_tf.inference.chain import Chain
from sr_gan_tf.inference.passes import Settings

SEGMENT = 240  # frames


@dataclasses.dataclass
class FilmReport:
    """Result of enlarging a film.

    Attributes:
        target: the written file.
        frames: number of them.
        broken: frames that could not be decoded and show the one before once more.
        skipped: frames that were left out, since their time stamps go back.
        resized: frames that had another size than the first one.
        reused: share of the picture's squares that did not change and were not computed again, 0 to 1.
        resumed: frames that an earlier run had done.
        lost: what could not be kept, a line each.
        interlaced: the original was, and was made progressive.
    """

    target: Path
    frames: int = 0
    broken: int = 0
    skipped: int = 0
    resized: int = 0
    reused: float = 0.0
    resumed: int = 0
    lost: list[str] = dataclasses.field(default_factory=list)
    interlaced: bool = False

    def __str__(self) -> str:
        text = f"{self.frames} frames, wrote {self.target}"
        if self.resumed:
            text += f"; {self.resumed} were done before"
        if self.reused > 0.005:
            text += f"; {self.reused:.0%} of the picture had not changed and was not computed again"
        if self.broken:
            text += f"; {self.broken} broken frames repeat the one before"
        if self.skipped:
            text += f"; {self.skipped} frames whose time stamps go back were left out"
        if self.resized:
            text += f"; {self.resized} frames of another size were brought to the first one's"
        if self.interlaced:
            text += "; interlaced, made progressive"
        return text


def enlarge_film(
    film: Film,
    target: Path,
    chain: Chain,
    settings: Settings,
    codec: Codec,
    stabilize: bool = False,
    tell: Callable[[int], Any] = lambda frames: None,
    warn: Callable[[str], Any] = lambda lost: None,
    segment: int = SEGMENT,
) -> FilmReport:
    """Enlarges a film; resumes an interrupted run of the same command.

    Args:
        film: the result of `probe`.
        target: file to write; an existing one is replaced.
        chain: the networks.
        settings: final size, colors, edges, tiles.
        codec: encoder and quality.
        stabilize: calm the still parts.
        tell: receives numbers of finished frames.
        warn: receives what the target cannot keep, a line each, before the work begins.
        segment: frames of a segment.

    Raises:
        InputError: the encoder or the container is unavailable, no frame can be decoded, or the disk is full.
    """
    format = _container(target)
    width, height = settings.final_size(film.width, film.height, chain.scale)
    size = (width - width % 2, height - height % 2)  # 4:2:0 has one color sample per 2x2 pixels
    codec = codec.resolved(film, target, size)
    for lost in check_container(film, codec, size, target, format):
        warn(lost)
    journal = _Journal(target, _identity(film, chain, settings, codec, stabilize, segment))
    frames, enlarger = Frames(film), FrameEnlarger(chain, settings)
    stabilizer = Stabilizer() if stabilize else None
    report = FilmReport(target, journal.done, resumed=journal.done, interlaced=film.interlaced)
    if journal.done:
        pixels, enlarged, shown = journal.last()
        enlarger.resume(pixels, enlarged)
        if stabilizer is not None:
            stabilizer.resume(pixels, shown)
        tell(journal.done)
    try:
        coming = iter(frames)
        for _ in range(journal.done):
            next(coming, None)
        while part := _Part(coming, segment):
            writer = SegmentWriter(journal.unfinished, film, codec, size)
            try:
                for frame in part:
                    enlarged = enlarger(frame.pixels)
                    shown = enlarged if stabilizer is None else stabilizer(frame.pixels, enlarged)
                    writer.write(shown[: size[1], : size[0]], frame.time)
                    report.frames += 1
                    tell(1)
                writer.close()
            except BaseException:
                writer.abandon()
                raise
            state = None if stabilizer is None else stabilizer.state
            journal.add(part.count, frame.pixels, enlarged, enlarged if state is None else state)
        if not report.frames:
            raise InputError(f"{film.path}: none of its frames can be decoded; nothing to enlarge")
        with replacing(target) as temporary:
            report.lost = join(journal.segments(), film, temporary, format)
    except av.FFmpegError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror or error}); choose another --codec or -o"
        ) from error
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror}); free some room or choose another -o"
        ) from error
    journal.remove()
    report.broken, report.skipped, report.resized = frames.broken, frames.skipped, frames.resized
    squares = enlarger.computed + enlarger.reused
    report.reused = enlarger.reused / squares if squares else 0.0
    return report


class _Part:
    """Up to `length` of the next frames; false if there are none."""

    def __init__(self, coming: Iterator[Frame], length: int):
        self._first, self._coming, self._length, self.count = next(coming, None), coming, length, 0

    def __bool__(self) -> bool:
        return self._first is not None

    def __iter__(self) -> Iterator[Frame]:
        frame = self._first
        while frame is not None:
            self.count += 1
            yield frame
            frame = next(self._coming, None) if self.count < self._length else None


class _Journal:
    """The folder of finished segments."""

    def __init__(self, target: Path, identity: str):
        self.folder = target.with_name(f"{target.name}.partial")
        self.unfinished = self.folder / "unfinished.nut"
        self._notes: dict[str, Any] = {"identity": identity, "counts": []}
        path = self.folder / "journal.json"
        if path.exists():
            notes = json.loads(path.read_text(encoding="utf-8"))
            if notes.get("identity") == identity:
                self._notes = notes
            else:
                raise InputError(
                    f"{self.folder} holds an interrupted run with other settings; delete the folder to start over, or "
                    "repeat the settings to resume it"
                )
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> int:
        return sum(self._notes["counts"])

    def segments(self) -> list[Path]:
        return [self.folder / f"{number:06d}.nut" for number in range(len(self._notes["counts"]))]

    def last(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with np.load(self.folder / f"last_{len(self._notes['counts']):06d}.npz") as saved:
            return saved["pixels"], saved["enlarged"], saved["shown"]

    def add(self, count: int, pixels: np.ndarray, enlarged: np.ndarray, shown: np.ndarray) -> None:
        """Records the finished segment, and the last frame, from which the next segment continues."""
        number = len(self._notes["counts"])
        np.savez(self.folder / f"last_{number + 1:06d}.npz", pixels=pixels, enlarged=enlarged, shown=shown)
        self.unfinished.replace(self.folder / f"{number:06d}.nut")
        self._notes["counts"].append(count)
        with replacing(self.folder / "journal.json") as temporary:
            temporary.write_text(json.dumps(self._notes), encoding="utf-8")
        (self.folder / f"last_{number:06d}.npz").unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _identity(film: Film, chain: Chain, settings: Settings, codec: Codec, stabilize: bool, segment: int) -> str:
    status = film.path.stat()
    weights = hashlib.sha256()
    for enlarger in chain.enlargers:
        weights.update(enlarger.identity.encode())
    about = [
        str(film.path.resolve()), status.st_size, status.st_mtime_ns, weights.hexdigest(), chain.precision,
        dataclasses.asdict(settings), dataclasses.asdict(codec), stabilize, segment,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


_CONTAINERS = {
    ".m4v": "mp4", ".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi", ".ts": "mpegts",
    ".m2ts": "mpegts", ".mts": "mpegts",
}  # fmt: skip


def _container(target: Path) -> str:
    name = _CONTAINERS.get(target.suffix.lower())
    if name is None:
        raise InputError(f"-o {target}: expected a film's name that ends in one of {', '.join(_CONTAINERS)}")
    return name


def default_target(source: Path, folder: Path | None, scale: str) -> Path:
    """Default output file: FILM_x4.mp4; MKV if the film's own container cannot be written here."""
    suffix = source.suffix.lower() if source.suffix.lower() in _CONTAINERS else ".mkv"
    return (folder or source.parent) / f"{source.stem}_x{scale}{suffix}"


__all__ = ["FilmReport", "default_target", "enlarge_film", "probe"]
