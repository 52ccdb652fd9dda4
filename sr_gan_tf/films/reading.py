"""Decodes a film's frames to RGB arrays, upright and progressive, with their time stamps."""

import dataclasses
import fractions
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.films.timeline import Timeline

# ITU-T H.273 code points. A film that doesn't state its matrix gets one by the rule that players follow.
_BT709, _BT601, _UNSPECIFIED, _RGB, _BT2020 = 1, 6, 2, 0, (9, 10)
_SWSCALE = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
}
# Without the flags, FFmpeg's scaler truncates fractions, which makes every picture half a level darker.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


@dataclasses.dataclass(frozen=True)
class Film:
    """Properties of a film that are known before its frames are decoded.

    Attributes:
        path: the file.
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        bits: per sample, 8 or more.
        pixel_format: of the file, in FFmpeg's notation.
        matrix: code point of ITU-T H.273, never "unspecified": otherwise guessed from the size, like players do.
        primaries: code point.
        transfer: code point.
        full_range: whether luma ranges from 0 to the peak.
        turn: quarter turns counterclockwise that make the picture upright.
        interlaced: whether the first frames are interlaced.
        aspect: pixel aspect ratio, width divided by height.
        rate: mean number of frames per second.
        time_base: seconds per unit of time stamps.
        frames: expected number, to show the progress; 0 if unknown.
    """

    path: Path
    width: int
    height: int
    bits: int
    pixel_format: str
    matrix: int
    primaries: int
    transfer: int
    full_range: bool
    turn: int
    interlaced: bool
    aspect: fractions.Fraction
    rate: fractions.Fraction
    time_base: fractions.Fraction
    frames: int


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame to enlarge.

    Attributes:
        pixels: (H, W, 3) uint8, or uint16 for films of more than 8 bits.
        time: time stamp, in units of the film's time base.
        repeated: whether it could not be decoded and repeats the previous frame.
    """

    pixels: np.ndarray
    time: int
    repeated: bool = False


def open_film(path: str | Path) -> "av.container.InputContainer":
    """Opens the file.

    Raises:
        InputError: it cannot be read, or is not a film.
    """
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise InputError(
            f"{path}: cannot be read as a film ({reason}); expected e.g. an MP4, MKV or WebM file"
        ) from error
    if main_stream(container) is None:
        container.close()
        raise InputError(f"{path}: holds no video stream; expected a film")
    return container


def main_stream(container: "av.container.InputContainer") -> Any:
    """The film's picture: the video stream that players show; None if there is only a cover."""
    streams = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    return best if best in streams else next(iter(streams), None)


def probe(path: str | Path) -> Film:
    """Reads a film's properties from its header and first frames.

    Raises:
        InputError: it cannot be read, or none of its first frames can be decoded.
    """
    with open_film(path) as container:
        stream = main_stream(container)
        context, first, interlaced = stream.codec_context, None, False
        for count, frame in enumerate(_decoded(container, stream, [])):
            if frame is None:
                continue
            first = first or frame
            interlaced |= bool(frame.interlaced_frame)
            if count >= 8:
                break
        if first is None:
            raise InputError(f"{path}: none of its frames can be decoded; re-encode it, for instance with ffmpeg")
        turn = round(first.rotation / 90) % 4
        width, height = (first.height, first.width) if turn % 2 else (first.width, first.height)
        matrix = int(first.colorspace) if int(first.colorspace) != _UNSPECIFIED else int(context.colorspace)
        if matrix == _UNSPECIFIED:
            matrix = _BT709 if first.width >= 1280 or first.height > 576 else _BT601
        rate = stream.average_rate or stream.guessed_rate or fractions.Fraction(25)
        seconds = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
        aspect = stream.sample_aspect_ratio or fractions.Fraction(1)
        return Film(
            Path(path), width, height, max(component.bits for component in first.format.components),
            first.format.name, matrix, int(first.color_primaries), int(first.color_trc),
            int(first.color_range) == int(ColorRange.JPEG) or first.format.name.startswith("yuvj"), turn, interlaced,
            1 / aspect if turn % 2 else aspect, fractions.Fraction(rate), fractions.Fraction(stream.time_base),
            stream.frames or round(seconds * float(rate)),
        )  # fmt: skip


class Frames:
    """A film's frames, one after another, all of the first one's size.

    Args:
        film: what `probe` said.

    Attributes:
        broken: number of frames that could not be decoded.
        skipped: number of frames that were left out, since their time is not after that of the frame before.
        resized: number of frames that had another size.
    """

    def __init__(self, film: Film):
        self.film, self.broken, self.skipped, self.resized = film, 0, 0, 0
        self._size = (film.height, film.width) if film.turn % 2 else (film.width, film.height)
        self._reformatter = VideoReformatter()

    def __iter__(self) -> Iterator[Frame]:
        film, last, times = self.film, None, -(2**62)
        with open_film(film.path) as container:
            stream = main_stream(container)
            stream.thread_type = "SLICE"  # with threads by frame, some packets' errors would appear too late
            lost: list[int | None] = []
            for frame in _deinterlaced(_decoded(container, stream, lost), stream, film):
                self.broken += len(lost)
                for time in lost:
                    if last is not None and time is not None and time > times:
                        times = time
                        yield Frame(last, time, repeated=True)
                lost.clear()
                if frame is None:
                    continue
                time = frame.pts if frame.pts is not None else times + 1
                if time <= times:
                    self.skipped += 1  # out of order after a fault: a player would not show it either
                    continue
                if frame.is_corrupt:
                    self.broken += 1
                    if last is None:
                        continue
                    times = time
                    yield Frame(last, time, repeated=True)
                    continue
                last, times = self._pixels(frame), time
                yield Frame(last, time)

    def _pixels(self, frame: "av.VideoFrame") -> np.ndarray:
        film, (width, height) = self.film, self._size
        self.resized += (frame.width, frame.height) != self._size
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb48le" if film.bits > 8 else "rgb24",
            src_colorspace=swscale_matrix(film.matrix),
            src_color_range=ColorRange.JPEG if film.full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=EXACT,
        )
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), film.turn))


def swscale_matrix(matrix: int) -> int:
    """Returns the number that FFmpeg's software scaler gives to a matrix of ITU-T H.273."""
    if matrix in _BT2020:
        return 9
    return int(_SWSCALE.get(matrix, Colorspace.DEFAULT))


def _decoded(container, stream, lost: list[int | None]) -> Iterator:
    """Decoded frames; None in place of those of a packet that cannot be decoded, whose time goes into `lost`."""
    packets = Timeline(container).packets(container, [stream])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:  # the rest of the file is missing or damaged
            lost.append(None)
            yield None
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            lost.append(packet.pts)
            yield None
            continue
        yield from frames


def _deinterlaced(frames: Iterator, stream, film: Film) -> Iterator:
    """Makes the frames of an interlaced film progressive, one for one."""
    if not film.interlaced:
        yield from frames
        return
    graph = Graph()
    source = graph.add_buffer(template=stream, time_base=stream.time_base)
    deinterlace, sink = graph.add("bwdif", "mode=send_frame"), graph.add("buffersink")
    source.link_to(deinterlace)
    deinterlace.link_to(sink)
    graph.configure()

    def ready() -> Iterator:
        while True:
            try:
                yield sink.pull()
            except (av.BlockingIOError, av.EOFError):
                return

    for frame in frames:
        if frame is None:
            yield None
            continue
        source.push(frame)
        yield from ready()
    source.push(None)
    yield from ready()
