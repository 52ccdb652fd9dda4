"""Measuring in turns; statistics of times: mean, median, 95th percentile, ratios with their range, fitted lines."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def in_turns(measures: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Medians over the rounds; the first round is a warm-up and does not count.

    Args:
        measures: by name, what measures once: a number, or several, each of which has a median of its own.
        rounds: how often each measures.
    """
    values: dict[str, list] = {name: [] for name in measures}
    for index in range(rounds + 1):
        for name, measure in measures.items():
            value = measure()
            if index:
                values[name].append(value)
    return {name: np.median(found, axis=0) for name, found in values.items()}


@dataclasses.dataclass(frozen=True)
class Times:
    """Statistics of a row's iterations in seconds."""

    mean: float
    median: float
    p95: float


def summarize(rounds: Sequence[Sequence[float]]) -> Times:
    """Statistics over all iterations of all rounds."""
    seconds = [value for one in rounds for value in one]
    return Times(statistics.fmean(seconds), statistics.median(seconds), float(np.percentile(seconds, 95)))


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The median over the rounds of (row's median / baseline's median in the same round), and its range."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def ratio(rounds: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]]) -> Ratio:
    """The ratio of two rows that were measured in turns."""
    pairs = zip(rounds, baseline, strict=True)
    values = [statistics.median(own) / statistics.median(other) for own, other in pairs]
    return Ratio(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Line:
    """seconds = start + slope * size, and the explained share of the variance (R^2)."""

    start: float
    slope: float
    explained: float


def fit_line(sizes: Sequence[float], seconds: Sequence[float]) -> Line:
    """Fits by least squares of the relative error, so that small sizes count as much as large ones.

    Raises:
        ValueError: for fewer than three different sizes.
    """
    if len(set(sizes)) < 3:
        raise ValueError("a line needs three or more different sizes")
    x, y = np.asarray(sizes, float), np.asarray(seconds, float)
    start, slope = np.linalg.lstsq(np.stack([1 / y, x / y], axis=1), np.ones_like(y), rcond=None)[0]
    residual = np.square(y - start - slope * x).sum()
    return Line(float(start), float(slope), float(1 - residual / np.square(y - y.mean()).sum()))
