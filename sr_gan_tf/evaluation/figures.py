"""Measures methods on test sets: metrics of every picture, their means, JSON and CSV."""

import csv
import dataclasses
import io
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sr_gan_tf.data.threads import in_order
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.test_sets import Pair, PictureSet
from sr_gan_tf.metrics import Metric, measure_all, protocol_name


@dataclasses.dataclass
class Method:
    """A method to enlarge pictures, with its cost.

    Args:
        name: label of its metrics.
        enlarge: maps lr, (H, W, 3) or (H, W) uint8, to a picture `scale` times as large.
        source: where the model was loaded from; "" for interpolations.
        parameters: number of trainable parameters.
        multiply_adds: for 1280 x 720 output pixels.
    """

    name: str
    enlarge: Callable[[np.ndarray], np.ndarray]
    source: str = ""
    parameters: int | None = None
    multiply_adds: int | None = None


@dataclasses.dataclass
class PictureFigures:
    """Measurements on one picture: metrics and seconds by method."""

    name: str
    width: int
    height: int
    figures: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class SetFigures:
    """Measurements on one test set."""

    name: str
    folder: str
    lr: str
    origin: str
    pictures: list[PictureFigures]

    def mean(self, method: str, column: str) -> float:
        """Mean over the pictures for which the metric is defined; NaN if there are none."""
        values = [value for value in self.values(method, column) if not math.isnan(value)]
        return sum(values) / len(values) if values else math.nan

    def values(self, method: str, column: str) -> list[float]:
        return [picture.figures[method][column] for picture in self.pictures]

    def seconds_per_megapixel(self, method: str) -> float:
        megapixels = sum(picture.width * picture.height for picture in self.pictures) / 1e6
        return sum(picture.seconds[method] for picture in self.pictures) / megapixels


@dataclasses.dataclass
class Evaluation:
    """The metrics of all methods on all sets.

    `columns` maps names that include the protocol, e.g. `psnr_y_crop4`, to metrics.
    """

    scale: int
    crop: int
    columns: dict[str, Metric]
    methods: list[Method]
    sets: list[SetFigures]

    def to_json(self) -> dict[str, Any]:
        """JSON data; an undefined value is null, an infinite one the string "Infinity"."""
        return {
            "scale": self.scale,
            "crop": self.crop,
            "metrics": {
                name: {
                    "title": metric.title,
                    "better": metric.better,
                    "digits": metric.digits,
                    "meaning": metric.meaning,
                }
                for name, metric in self.columns.items()
            },
            "models": [
                {key: getattr(method, key) for key in ("name", "source", "parameters", "multiply_adds")}
                for method in self.methods
            ],
            "sets": [self._set_json(one) for one in self.sets],
        }

    def _set_json(self, one: SetFigures) -> dict[str, Any]:
        return {
            "name": one.name,
            "folder": one.folder,
            "lr": one.lr,
            "origin": one.origin,
            "means": {
                method.name: {column: plain(one.mean(method.name, column)) for column in self.columns}
                for method in self.methods
            },
            "seconds_per_megapixel": {
                method.name: plain(one.seconds_per_megapixel(method.name)) for method in self.methods
            },
            "pictures": [
                {
                    "name": picture.name,
                    "width": picture.width,
                    "height": picture.height,
                    "figures": {
                        method: {column: plain(value) for column, value in figures.items()}
                        for method, figures in picture.figures.items()
                    },
                    "seconds": picture.seconds,
                }
                for picture in one.pictures
            ],
        }

    def to_csv(self) -> str:
        """One row per picture and model."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["set", "picture", "width", "height", "model", *self.columns, "seconds"])
        for one in self.sets:
            for picture in one.pictures:
                for method in self.methods:
                    figures = [f"{picture.figures[method.name][column]:.6f}" for column in self.columns]
                    start = [one.name, picture.name, picture.width, picture.height, method.name]
                    writer.writerow([*start, *figures, f"{picture.seconds[method.name]:.4f}"])
        return text.getvalue()

    def table(self) -> str:
        """The means of every set as text; `*` marks a mean over fewer pictures than the set has."""
        return "\n\n".join(self._set_table(one) for one in self.sets)

    def _set_table(self, one: SetFigures) -> str:
        rows = [["model", *self.columns, "parameters", "multiply-adds", "s/megapixel"]]
        for method in self.methods:
            cells = [self._mean_cell(one, method.name, column) for column in self.columns]
            costs = [amount(method.parameters), amount(method.multiply_adds)]
            rows.append([method.name, *cells, *costs, f"{one.seconds_per_megapixel(method.name):.3f}"])
        count = len(one.pictures)
        title = f"{one.name} x{self.scale}: {count} picture{'s' * (count != 1)}, {one.origin}, means over the pictures"
        return f"{title}\n{aligned(rows)}"

    def _mean_cell(self, one: SetFigures, method: str, column: str) -> str:
        mean = one.mean(method, column)
        if math.isnan(mean):
            return "-"
        mark = "*" if any(math.isnan(value) for value in one.values(method, column)) else ""
        return f"{mean:.{self.columns[column].digits}f}{mark}"


# Receives the set's name, a picture, the outputs of all methods, and the metrics.
Watch = Callable[[str, Pair, dict[str, np.ndarray], PictureFigures], None]
_Enlarged = tuple[SetFigures, Pair, dict[str, np.ndarray], PictureFigures]


def evaluate(
    methods: Sequence[Method],
    sets: Iterable[PictureSet],
    scale: int,
    metrics: dict[str, Metric],
    crop: int | None = None,
    watch: Watch | None = None,
    jobs: int = 1,
) -> Evaluation:
    """Measures every method on every picture; at most `jobs` pictures at a time are in memory.

    Args:
        methods: methods to compare, with different names.
        sets: test sets with this scale.
        scale: HR size over LR size.
        metrics: name to metric, e.g. `METRICS`.
        crop: pixels to crop from each border before measuring; default: `scale`, the published protocol.
        watch: receives each picture, the outputs of all methods, and the metrics.
        jobs: number of pictures processed at once: one is enlarged, the others are measured in threads. The metrics do
            not depend on it, but the seconds of methods are longer while others are measured.

    Raises:
        InputError: a picture cannot be read or is too small to measure.

    Example:
        >>> from sr_gan_tf.evaluation.figures import evaluate
        >>> from sr_gan_tf.evaluation.methods import load_methods
        >>> from sr_gan_tf.evaluation.test_sets import sample_set
        >>> from sr_gan_tf.metrics import METRICS
        >>> methods, scale = load_methods([], 4)  # nearest and bicubic
        >>> result = evaluate(methods, [sample_set(scale)], scale, {"psnr_y": METRICS["psnr_y"]})
        >>> round(result.sets[0].mean("bicubic", "psnr_y_crop4"), 2)
        29.37
    """
    crop = scale if crop is None else crop
    columns = {protocol_name(name, crop): metric for name, metric in metrics.items()}
    result = Evaluation(scale, crop, columns, list(methods), [])
    warm: set[str] = set()

    def enlarged() -> Iterator[_Enlarged]:
        for one in sets:
            figures = SetFigures(one.name, str(one.source), one.lr, one.origin, [])
            result.sets.append(figures)
            for index in range(len(one)):
                pair = one[index]
                if min(pair.hr.shape[:2]) <= 2 * crop:
                    raise InputError(
                        f"{one.name}: {pair.name} is {pair.hr.shape[1]}x{pair.hr.shape[0]} pixels, and nothing remains "
                        f"after cropping {crop} from each border; remove it or pass a smaller --crop"
                    )
                yield figures, pair, *_enlarge(methods, pair, scale, warm)

    def measured(item: _Enlarged) -> _Enlarged:
        _, pair, outputs, picture = item
        picture.figures = measure_all(pair.hr, outputs, scale, metrics, crop)
        return item

    items = map(measured, enlarged()) if jobs == 1 else in_order(measured, enlarged(), jobs - 1, ahead=1)
    for figures, pair, outputs, picture in items:
        figures.pictures.append(picture)
        if watch is not None:
            watch(figures.name, pair, outputs, picture)
    return result


def _enlarge(methods, pair: Pair, scale: int, warm: set[str]) -> tuple[dict[str, np.ndarray], PictureFigures]:
    """The outputs of all methods on one picture, and their seconds."""
    height, width = pair.hr.shape[:2]
    result, outputs = PictureFigures(pair.name, width, height), {}
    for method in methods:
        if method.name not in warm:
            # Tracing and the first access to the weights do not count as time per picture.
            method.enlarge(pair.lr[:16, :16])
            warm.add(method.name)
        start = time.perf_counter()
        sr = method.enlarge(pair.lr)
        result.seconds[method.name] = time.perf_counter() - start
        if sr.shape[:2] != (height, width):
            raise InputError(
                f"{method.name} makes {sr.shape[1]}x{sr.shape[0]} pixels of {pair.lr.shape[1]}x{pair.lr.shape[0]}, "
                f"expected {width}x{height}; the model does not have scale {scale}"
            )
        outputs[method.name] = sr
    return outputs, result


def plain(value: float) -> float | str | None:
    """A float as a value of strict JSON."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value).replace("inf", "Infinity")


def to_text(data: dict[str, Any]) -> str:
    """JSON text without values that are invalid in strict JSON."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def amount(value: int | None) -> str:
    """E.g. 1.55 M, 146.1 G."""
    if value is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= size:
            return f"{value / size:.{2 if unit == 'M' else 1}f} {unit}"
    return str(value)


def aligned(rows: list[list[str]]) -> str:
    """Aligned columns: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
