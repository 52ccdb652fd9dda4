"""Encodes segments, and joins them to the finished film with copies of the sound and all other streams."""

import contextlib
import dataclasses
import heapq
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

# Default constant quality: nearly indistinguishable from the uncompressed film.
_QUALITY = {"libx264": 16, "libx265": 18, "libvpx-vp9": 24, "libsvtav1": 24}
# x265 writes past the end of smaller frames, which crashes the process.
_X265_SIDE = 64
_DELAYED = 0  # no B-frames: time stamps of segments join without a gap, even at a variable rate


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
        return next((name for name in wanted if not known or name in known), known[0])


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


def join(segments: Sequence[Path], film: Film, target: Path, format: str) -> list[str]:
    """Writes the finished film: copies the segments' packets, and the original's other streams and chapters.

    Args:
        segments: files of `SegmentWriter`, in order.
        film: the original.
        target: file to write.
        format: FFmpeg's name of the container.

    Returns:
        What could not be kept, one line each.
    """
    lost: list[str] = []
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_film(film.path))
        output = stack.enter_context(av.open(str(target), "w", format=format))
        first = stack.enter_context(av.open(str(segments[0])))
        picture = output.add_stream_from_template(first.streams.video[0])
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
                lost.append(f"a {stream.type} stream ({stream.codec_context.name if stream.codec_context else '?'})")
                continue
            try:
                copied[stream.index] = output.add_stream_from_template(stream)
                copied[stream.index].metadata.update(stream.metadata)
            except (av.FFmpegError, ValueError) as error:
                lost.append(f"a {stream.type} stream: {one_line(error)}")
        output.metadata.update({key: value for key, value in source.metadata.items() if key != "encoder"})
        output.set_chapters(source.chapters())
        pictures = _pictures(segments, picture)
        others = _others(source, copied)
        for _, _, packet in heapq.merge(pictures, others):
            output.mux(packet)
    return lost


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
    for number, packet in enumerate(source.demux(streams)):
        if packet.dts is None:
            continue
        time = max(time, packet.dts * Fraction(packet.time_base))
        packet.stream = copied[packet.stream.index]
        yield time, -number - 1, packet
