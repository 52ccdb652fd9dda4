"""Shows the progress of work on pictures: a bar in a terminal, otherwise a line every ten seconds."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from tqdm import tqdm


class Progress(Protocol):
    """Receives the progress: the total, e.g. in megapixels of the originals, and each finished part."""

    def reset(self, total: float) -> None: ...
    def update(self, part: float) -> object: ...
    def set_description_str(self, text: str) -> None: ...


class _Lines:
    """A line on standard error every ten seconds, without a terminal."""

    def __init__(self, seconds: float = 10.0):
        self.seconds = seconds
        self.reset(1.0)

    def reset(self, total: float) -> None:
        self.total, self.done, self.text = total, 0.0, ""
        self.start = self.said = time.monotonic()

    def set_description_str(self, text: str) -> None:
        self.text = text

    def update(self, part: float) -> None:
        self.done += part
        now = time.monotonic()
        if now - self.said < self.seconds or not 0 < self.done < self.total:
            return
        self.said = now
        left = (now - self.start) * (self.total / self.done - 1)
        print(f"{self.done / self.total:4.0%}, {_clock(left)} left: {self.text}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@contextlib.contextmanager
def progress(lines: bool = False, quiet: bool = False, unit: str = "MP") -> Iterator[Progress]:
    """A bar on standard error, by default of the originals' megapixels.

    Args:
        lines: whether to print a line every ten seconds if standard error is not a terminal.
        quiet: whether to suppress the bar in a terminal.
        unit: what is counted; anything but megapixels in whole numbers.
    """
    if lines and not quiet and not sys.stderr.isatty():
        yield _Lines()
        return
    number = ".1f" if unit == "MP" else ".0f"
    layout = f"{{desc}} {{percentage:3.0f}}%|{{bar}}| {{n:{number}}}/{{total:{number}}} {unit}, {{remaining}} left"
    with tqdm(total=1.0, bar_format=layout, disable=quiet or None, file=sys.stderr, leave=False) as bar:
        yield bar
