"""Compares an export with the Keras model: output and time."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
from skimage import data

from sr_gan_tf.errors import InputError
from sr_gan_tf.resampling import imresize

# Relative to the range of values: the rounding error of float32 with another order of additions.
TOLERANCE = 1e-5
# A file for one size is run on a picture of that size, which must fit in memory.
LARGEST_SIDE = 2048
# (N, H, W) of the pictures on which every format is compared.
SIZES = ((1, 64, 64), (4, 33, 40), (1, 61, 37))


@dataclasses.dataclass(frozen=True)
class Agreement:
    """An exported file compared with the Keras model.

    Attributes:
        format: name of the format, with its options.
        path: the written file or folder.
        size: bytes on disk.
        milliseconds: median time for one picture, 64x64 or of the requested side; `keras_milliseconds`: Keras's.
        difference: largest difference of values in [0, 1].
        psnr: of all values, clipped to [0, 1], in dB; infinite if they are equal.
    """

    format: str
    path: Path
    size: int
    milliseconds: float
    keras_milliseconds: float
    difference: float
    psnr: float


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A format that was not written, and why: it cannot represent the network, or its packages are missing."""

    format: str
    reason: str


def check_side(side: int | None) -> None:
    """Raises InputError for an impossible side of a file's single input picture."""
    if side is not None and not 1 <= side <= LARGEST_SIDE:
        raise InputError(f"--side {side}: expected 1 to {LARGEST_SIDE} pixels; larger pictures are cut into tiles")


def photographs(count: int, height: int, width: int) -> np.ndarray:
    """(count, height, width, 3) pieces of photographs, float32 in [0, 1], as sharp as low-resolution pictures are."""
    pictures = _reduced_photographs()
    pieces = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        padding = [(0, max(0, side - length)) for side, length in zip((height, width), picture.shape, strict=False)]
        # Mirrored as often as needed.
        picture = np.pad(picture, [*padding, (0, 0)], mode="symmetric")
        pieces.append(picture[:height, :width])
    return np.stack(pieces).astype(np.float32) / 255


@functools.cache
def _reduced_photographs() -> tuple[np.ndarray, ...]:
    """scikit-image's photographs at half their size, uint8; reducing them takes longer than a small export."""
    return tuple(imresize(picture, 0.5) for picture in (data.coffee(), data.chelsea(), data.astronaut(), data.rocket()))


def reference(generator: keras.Model, pictures: np.ndarray, border: int = 0) -> np.ndarray:
    """Returns the result of `model.predict` for pictures extended by `border` mirrored pixels, cropped again."""
    wide = np.pad(pictures, ((0, 0), (border, border), (border, border), (0, 0)), mode="symmetric")
    result, cut = generator.predict(wide, verbose=0), border * generator.scale
    return result[:, cut : result.shape[1] - cut, cut : result.shape[2] - cut]


def compare(
    name: str,
    path: Path,
    run: Callable[[np.ndarray], np.ndarray],
    generator: keras.Model,
    sizes: Sequence[tuple[int, int, int]] = SIZES,
    border: int = 0,
    clipped: bool = False,
) -> Agreement:
    """Runs an export on photographs of several sizes and batches.

    Args:
        name: name of the format.
        path: the file or folder.
        run: (N, H, W, 3) float32 to (N, scale*H, scale*W, 3).
        generator: the Keras model.
        sizes: (N, H, W) of each batch; the first one is also timed.
        border: pixels by which the export extends pictures beyond their edges.
        clipped: whether the export's values are clipped to [0, 1]; the model's are then clipped for the difference.
    """
    worst, squares, count = 0.0, 0.0, 0
    for size in sizes:
        pictures = photographs(*size)
        wanted, found = reference(generator, pictures, border), run(pictures)
        if found.shape != wanted.shape:
            raise InputError(f"{name}: gave {found.shape} for pictures of {size}, expected {wanted.shape}; not written")
        if not np.isfinite(wanted).all():
            raise InputError(
                f"{name}: the network's own pictures have values that are not finite; nothing was written; export an "
                "earlier checkpoint"
            )
        wanted = np.clip(wanted, 0, 1) if clipped else wanted
        worst = float(np.maximum(worst, np.abs(found - wanted).max()))  # Python's max would lose a NaN
        squares += float(np.square(np.clip(found, 0, 1) - np.clip(wanted, 0, 1), dtype=np.float64).sum())
        count += wanted.size
    psnr = float("inf") if squares == 0 else -10 * float(np.log10(squares / count))
    picture = photographs(1, *sizes[0][1:])
    ours, keras_own = median_milliseconds([lambda: run(picture), lambda: reference_step(generator, picture)])
    return Agreement(name, path, size_of(path), ours, keras_own, worst, psnr)


def reference_step(generator: keras.Model, pictures: np.ndarray):
    """Calls `predict_on_batch`, which does the same as `predict` without its loop."""
    return generator.predict_on_batch(pictures)


def check(agreement: Agreement, values: float = 1.0, tolerance: float = TOLERANCE) -> Agreement:
    """Returns the agreement, or raises InputError if the difference exceeds `tolerance` of the range.

    Args:
        agreement: the measured agreement.
        values: largest absolute value of the model's output; the range is at least 1.
        tolerance: fraction of the range.
    """
    limit = tolerance * max(1.0, values)
    if not agreement.difference <= limit:
        raise InputError(
            f"{agreement.format}: its pictures differ from the model's by {agreement.difference:.2g}, more than "
            f"{limit:.2g}; nothing was written"
        )
    return agreement


def largest_value(generator: keras.Model) -> float:
    """Largest absolute value on photographs; an untrained network's can be far above 1."""
    return float(np.abs(reference(generator, photographs(1, *SIZES[0][1:]))).max())


def median_milliseconds(functions: Sequence[Callable], seconds: float = 1.0, most: int = 30) -> list[float]:
    """Median milliseconds of each function, called in turns."""
    times: list[list[float]] = [[] for _ in functions]
    end = time.perf_counter() + seconds * len(functions)
    for _ in range(most):
        for function, own in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            own.append(time.perf_counter() - start)
        if time.perf_counter() > end:
            break
    return [statistics.median(own) * 1000 for own in times]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
    return sum(item.stat().st_size for item in files)


def table(agreements: Iterable[Agreement | Refusal]) -> str:
    """Formats the agreements as a Markdown table."""
    lines = [
        "| format | MB | ms | Keras ms | largest difference | PSNR to Keras |",
        "|---|---|---|---|---|---|",
    ]
    for item in agreements:
        if isinstance(item, Refusal):
            lines.append(f"| {item.format} | | | | | not written: {item.reason} |")
            continue
        psnr = "equal" if item.psnr == float("inf") else f"{item.psnr:.1f} dB"
        lines.append(
            f"| {item.format} | {item.size / 1e6:.2f} | {item.milliseconds:.1f} | {item.keras_milliseconds:.1f} "
            f"| {item.difference:.1e} | {psnr} |"
        )
    return "\n".join(lines)
