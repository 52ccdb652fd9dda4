"""The report: one self-contained HTML page with figures and pictures that opens without a network connection."""

import json
from pathlib import Path
from string import Template

import numpy as np

from sr_gan_tf.evaluation.figures import Evaluation, PictureFigures
from sr_gan_tf.evaluation.report.pictures import ERROR_PEAK, encode_picture
from sr_gan_tf.evaluation.test_sets import Pair
from sr_gan_tf.files import replacing
from sr_gan_tf.version import __version__

_FOLDER = Path(__file__).parent
# Bytes of all encoded pictures; base64 adds a third, and the page stays below 60 MB.
_BUDGET = 42_000_000
_LARGEST = 3_000_000


class Report:
    """Collects pictures while they are measured, and writes the page.

    Args:
        scale: HR size divided by LR size.
        count: number of expected pictures; they share the page's size.
    """

    def __init__(self, scale: int, count: int):
        self.scale = scale
        self.budget = min(_LARGEST, _BUDGET // max(count, 1))
        self._views: dict[tuple[str, str], str] = {}
        self._details: dict[tuple[str, str], dict] = {}

    def add(self, set_name: str, pair: Pair, outputs: dict[str, np.ndarray], figures: PictureFigures) -> None:
        """Encodes one picture and the outputs of all methods."""
        key = (set_name, pair.name)
        views, self._details[key] = encode_picture(pair, outputs, self.scale, self.budget)
        self._views[key] = _embedded(views)

    def write(self, path: Path, evaluation: Evaluation) -> None:
        """Writes the page, completely or not at all."""
        data = evaluation.to_json() | {"error_peak": ERROR_PEAK}
        views = []
        for set_index, one in enumerate(data["sets"]):
            for picture_index, picture in enumerate(one["pictures"]):
                key = (one["name"], picture["name"])
                picture |= self._details[key]
                # Parsed only when the picture is viewed, so that a page of 50 MB opens immediately.
                views.append(
                    f'<script type="text/plain" id="views-{set_index}-{picture_index}">{self._views[key]}</script>'
                )
        page = Template(_part("page.html")).substitute(
            title=f"Super-resolution ×{self.scale}",
            version=f"sr_gan_tf {__version__}",
            style=_part("style.css"),
            script="".join(map(_part, ("tables.js", "spectrum.js", "viewer.js"))),
            data=_embedded(data),
            views="\n".join(views),
        )
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")


def _embedded(data: dict) -> str:
    """Formats JSON such that no picture's name can end the script element that contains it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _part(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
