"""Encodes segments, and joins them to the finished film with copies of the sound and all other streams."""

import contextlib
import dataclasses
import heapq
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.stream import Disposition
from av.video.reformatter import ColorRange, VideoReformatter

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.films.reading import EXACT, Film, main_stream, open_film, swscale_matrix
from sr_gan_tf.films.timeline import Timeline

# Default constant quality: nearly indistinguishable from the uncompressed film.
_QUALITY = {"libx264": 16, "libx265": 18, "libvpx-vp9": 24, "libsvtav1": 24}
# x265 writes past the end of smaller frames, which crashes the process.
_X265_SIDE = 64
# SVT-AV1 tells its settings at every segment unless it is told to name errors only.
_SVT_LOG = ("SVT_LOG", "1")
_DELAYED = 0  # no B-frames: time stamps of segments join without a gap, also at a variable rate


@dataclasses.dataclass(frozen=True)
class Codec:
    """Encoder settings for the picture.

    Args:
        name: an FFmpeg encoder, e.g. "libx264", "libx265", "libsvtav1", "h264_nvenc"; None: chosen by the container.
        crf: constant quality, lower is better; None: the encoder's default here.
    """

    name: str | None = None
    crf: int | None = None

    def resolved(self, film: Film, target: Path, size: tuple[int, int]) -> "Codec":
        """Fills in the encoder's name and quality.

        Args:
            film: the original.
            target: file to write.
            size: (width, height) of the frames.

        Raises:
            InputError: the encoder is unavailable, or cannot encode frames of this size.
        """
        name = self.name
        if name is None:
            deep = film.bits > 8 and min(size) >= _X265_SIDE
            name = "libvpx-vp9" if target.suffix.lower() == ".webm" else "libx265" if deep else "libx264"
        if name == "libx265" and min(size) < _X265_SIDE:
            raise InputError(
                f"--codec libx265: frames of {size[0]}x{size[1]} pixels are too small for it; expected {_X265_SIDE} or "
                "more a side, or another codec, e.g. libx264"
            )
        try:
            codec = av.Codec(name, "w")
        except ValueError as error:
            raise InputError(
                f"--codec {name}: no such encoder here; expected e.g. libx264, libx265, libsvtav1"
            ) from error
        if codec.type != "video":
            raise InputError(f"--codec {name}: encodes {codec.type}; expected a video encoder, e.g. libx264")
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise InputError(f"--crf {self.crf}: expected 0 to 63")
        return Codec(name, self.crf if self.crf is not None else _QUALITY.get(name))

    def pixel_format(self, film: Film) -> str:
        """The film's own format if the encoder supports it, else 4:2:0 of its depth if supported, else of 8 bits."""
        formats = av.Codec(self.name or "libx264", "w").video_formats or []
        known = [one.name for one in formats]
        own = film.pixel_format.replace("yuvj", "yuv")
        wanted = [own if own.startswith("yuv4") else "", "yuv420p10le" if film.bits > 8 else "yuv420p", "yuv420p"]
        return next((name for name in wanted if not known or name in known), (known or wanted)[0])


class SegmentWriter:
    """Encodes a part of the film to a separate file that contains only the picture.

    Args:
        path: the file; NUT, because it preserves time stamps.
        film: the original.
        codec: resolved, with name and quality.
        size: (width, height) of the frames.
    """

    def __init__(self, path: Path, film: Film, codec: Codec, size: tuple[int, int]):
        self.film, self.format = film, codec.pixel_format(film)
        os.environ.setdefault(*_SVT_LOG)
        self._container = av.open(str(path), "w", format="nut")
        options = {} if codec.crf is None else {"crf": str(codec.crf)}
        if codec.name == "libx265":
            options["x265-params"] = "log-level=none:bframes=0"
        if codec.name == "libvpx-vp9":
            options |= {"b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4", "auto-alt-ref": "0"}
        self._stream = self._container.add_stream(codec.name or "libx264", rate=film.rate, options=options)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = *size, self.format
        context.time_base = self._stream.time_base = film.time_base
        context.sample_aspect_ratio = film.aspect
        context.max_b_frames = _DELAYED
        context.flags |= Flags.global_header
        context.color_range = ColorRange.JPEG if film.full_range else ColorRange.MPEG
        context.colorspace, context.color_primaries, context.color_trc = film.matrix, film.primaries, film.transfer
        self._reformatter = VideoReformatter()

    def write(self, pixels: np.ndarray, time: int) -> None:
        """Adds a frame: (H, W, 3) uint8 or uint16, and its time stamp in the film's time base."""
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), format="rgb24" if pixels.dtype == np.uint8 else "rgb48le"
        )
        film = self.film
        frame = self._reformatter.reformat(
            frame,
            format=self.format,
            dst_colorspace=swscale_matrix(film.matrix),
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if film.full_range else ColorRange.MPEG,
            interpolation=EXACT,
        )
        frame.colorspace, frame.color_primaries, frame.color_trc = film.matrix, film.primaries, film.transfer
        frame.pts, frame.time_base = time, film.time_base
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Writes the frames that the encoder still holds, and closes the file."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def abandon(self) -> None:
        """Closes the file without finishing it."""
        with contextlib.suppress(av.FFmpegError):
            self._container.close()


def check_container(film: Film, codec: Codec, size: tuple[int, int], target: Path, format: str) -> list[str]:
    """Writes the film's beginning without its picture, so that hours of work do not end in a refusal.

    Args:
        film: the original.
        codec: with name and quality.
        size: (width, height) of the frames.
        target: file that is going to be written.
        format: FFmpeg's name of its container.

    Returns:
        What of the original cannot be kept, a line each.

    Raises:
        InputError: the container cannot hold what the encoder writes, or the film's sound or subtitles.
    """
    with tempfile.TemporaryDirectory() as folder:
        segment, joined = Path(folder) / "segment.nut", Path(folder) / f"joined{target.suffix}"
        gray = np.full((size[1], size[0], 3), 128, np.uint8)
        try:
            writer = SegmentWriter(segment, film, codec, size)
            try:
                for number in range(3):
                    writer.write(gray, number * max(1, round(1 / (film.rate * film.time_base))))
                writer.close()
            except BaseException:
                writer.abandon()
                raise
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"--codec {codec.name}: cannot encode {size[0]}x{size[1]} pixels here ({_reason(error)}); expected "
                "e.g. libx264, libx265, libsvtav1"
            ) from error
        try:
            lost = join([segment], film, joined, format, most=100)
            with av.open(str(joined)) as container:
                next(container.decode(video=0))
        except (av.FFmpegError, ValueError, LookupError, StopIteration) as error:
            raise InputError(
                f"{target}: cannot hold what {codec.name} encodes and the film's other tracks ({_reason(error)}); "
                "choose another -o, e.g. a name that ends in .mkv, or another --codec"
            ) from error
    return lost


def _reason(error: Exception) -> str:
    if isinstance(error, (LookupError, StopIteration)):
        return "it cannot be read back"
    return getattr(error, "strerror", None) or one_line(error)


def join(segments: Sequence[Path], film: Film, target: Path, format: str, most: int | None = None) -> list[str]:
    """Writes the finished film: the segments' packets as they are, with the original's other streams and chapters.

    Args:
        segments: files of `SegmentWriter`, in order.
        film: the original.
        target: file to write.
        format: FFmpeg's name of the container.
        most: packets of the original's other streams, for a trial; None: all.

    Returns:
        What could not be kept, one line each.
    """
    lost: list[str] = []
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_film(film.path))
        output = stack.enter_context(av.open(str(target), "w", format=format))
        first = stack.enter_context(av.open(str(segments[0])))
        # Opaque: the name of the decoder (libdav1d) need not be that of an encoder.
        picture = output.add_stream_from_template(first.streams.video[0], opaque=True)
        picture.codec_context.codec_tag = "\0\0\0\0"
        picture.time_base = film.time_base
        shown = main_stream(source)
        picture.metadata.update(shown.metadata)
        copied = {}
        for stream in source.streams:
            if stream.index == shown.index:
                continue
            if stream.type == "data" and source.chapters():
                continue  # MP4 stores the chapters' titles as a stream; they are written anew
            if stream.disposition & Disposition.attached_pic:
                lost.append("the cover picture")
                continue
            if stream.type not in ("audio", "subtitle", "attachment"):
                lost.append(f"{_named(stream)} ({stream.codec_context.name if stream.codec_context else '?'})")
                continue
            try:
                copied[stream.index] = output.add_stream_from_template(stream)
                copied[stream.index].metadata.update(stream.metadata)
            except (av.FFmpegError, ValueError) as error:
                lost.append(f"{_named(stream)}: {one_line(error)}")
        output.metadata.update({key: value for key, value in source.metadata.items() if key != "encoder"})
        output.set_chapters(source.chapters())
        pictures = _pictures(segments, picture)
        others = itertools.islice(_others(source, copied), most)
        for _, _, packet in heapq.merge(pictures, others):
            output.mux(packet)
    return lost


def _named(stream) -> str:
    return f"{'an' if stream.type[0] == 'a' else 'a'} {stream.type} stream"


def _pictures(segments: Sequence[Path], stream) -> Iterator[tuple[Fraction, int, "av.Packet"]]:
    last = -(2**62)
    for path in segments:
        with av.open(str(path)) as container:
            for number, packet in enumerate(container.demux(video=0)):
                if packet.dts is None:
                    continue
                packet.dts = last = max(packet.dts, last + 1)
                packet.stream = stream
                yield packet.dts * Fraction(packet.time_base), number, packet


def _others(source, copied: dict) -> Iterator[tuple[Fraction, int, "av.Packet"]]:
    if not copied:
        return
    streams = [source.streams[index] for index in copied]
    time = Fraction(0)
    last: dict[int, int] = {}
    for number, packet in enumerate(Timeline(source).packets(source, streams)):
        if packet.dts is None:
            continue
        index = packet.stream.index
        # What goes back after a fault would end the writing.
        least = last.get(index, packet.dts - 1) + (packet.stream.type == "audio")
        if packet.dts < least:
            packet.dts, packet.pts = least, max(least, packet.pts or least)
        last[index] = packet.dts
        time = max(time, packet.dts * Fraction(packet.time_base))
        packet.stream = copied[index]
        yield time, -number - 1, packet
