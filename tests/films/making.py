"""Small films for the tests, made by PyAV."""

from fractions import Fraction

import av
import numpy as np


def moving(count=12, height=32, width=48, seed=0):
    """Frames (H, W, 3) uint8: smooth noise at rest, and a square that moves over it."""
    rng = np.random.default_rng(seed)
    ground = np.kron(rng.integers(40, 200, (height // 8, width // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    for index in range(count):
        frame = ground.copy()
        frame[8:16, (2 * index) % (width - 8) :][:, :8] = (250, 30, 40)
        yield frame


def make(
    path, frames, rate=25, times=None, codec="libx264", format="yuv420p", options=None, sound=None, chapters=(),
    title=None, full_range=False, matrix=1, primaries=1, transfer=1, container=None,
):  # fmt: skip
    """Writes a film; `times` are in 1/1000 s, `sound` is its length in seconds."""
    frames = list(frames)
    base = Fraction(1, 1000) if times else Fraction(1, rate)
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, options={"crf": "1", **(options or {})})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], format
        context = stream.codec_context
        context.time_base = stream.time_base = base
        context.color_range, context.colorspace = 2 if full_range else 1, matrix
        context.color_primaries, context.color_trc = primaries, transfer
        speech = output.add_stream("aac", rate=16000) if sound else None
        if title:
            output.metadata["title"] = title
        if chapters:
            output.set_chapters(list(chapters))
        for index, pixels in enumerate(frames):
            kind = "rgb24" if pixels.dtype == np.uint8 else "rgb48le"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
            frame = frame.reformat(
                format=format, dst_colorspace=1 if matrix == 1 else 5, dst_color_range=2 if full_range else 1
            )
            frame.pts, frame.time_base = times[index] if times else index, base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if speech is not None:
            for start in range(0, int(sound * 16000), 1024):
                wave = (np.sin(np.arange(start, start + 1024) / 20)[None] * 8000).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
                output.mux(speech.encode(frame))
            output.mux(speech.encode(None))
    return path


def read(path):
    """(time in seconds, (H, W, 3) uint8) of every frame."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
