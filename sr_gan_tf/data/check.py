"""Checks every picture of an experiment: unreadable, mismatched, too small, or in both train and validation.

Two pictures count as equal if the fine structure of their 24x24 gray thumbnails correlates, directly or mirrored. This
holds for another format, size, brightness or compression, or a border of 1 % cropped (correlation 0.89 or more on 80
photographs; different pictures among 216 reach at most 0.57). Crops of a picture are not detected.
"""

import dataclasses
import sys

import numpy as np
from tqdm import tqdm

from sr_gan_tf import config
from sr_gan_tf.data import kernels
from sr_gan_tf.data.catalog import build_degradation, build_sources
from sr_gan_tf.data.estimating import estimate
from sr_gan_tf.data.sources import Example, Source
from sr_gan_tf.data.store import TileStore
from sr_gan_tf.data.store_key import store_folder
from sr_gan_tf.data.threads import in_order
from sr_gan_tf.devices import processors
from sr_gan_tf.errors import InputError
from sr_gan_tf.resampling import imresize

_SIDE = 24
_SAME = 0.8  # correlation of the fine structure
_CHUNK = 4096
_ALIKE = 0.7  # correlation between the thumbnails of LR and HR


@dataclasses.dataclass
class CheckReport:
    """Result of a check: `problems` by kind, one line per picture; `totals`, one line per source."""

    problems: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    totals: list[str] = dataclasses.field(default_factory=list)

    def add(self, kind: str, line: str) -> None:
        self.problems.setdefault(kind, []).append(line)

    def __str__(self) -> str:
        lines = []
        for kind, found in self.problems.items():
            lines += [f"{kind}: {len(found)}", *(f"  {line}" for line in found)]
        return "\n".join([*lines, *self.totals, "no problems found" if not self.problems else ""]).rstrip()


@dataclasses.dataclass(frozen=True)
class _Seen:
    """Properties of a picture: its size, the fine structure of its thumbnail, or why it cannot be read."""

    name: str
    size: tuple[int, int] = (0, 0)
    structure: np.ndarray | None = None
    problem: tuple[str, str] | None = None


def check(data: config.Data, scale: int, patch_size: int | None = None) -> CheckReport:
    """Reads every picture of the training and validation sources once.

    Args:
        data: the experiment's `data`.
        scale: HR pixels per LR pixel.
        patch_size: the largest of the stages; default: that of `data`.

    Raises:
        InputError: a source cannot be listed.
    """
    report = CheckReport()
    seen: dict[str, list[_Seen]] = {}
    degradation = build_degradation(data, scale)
    for role, specs in (("train", data.train), ("validation", data.validation)):
        seen[role] = []
        for source in build_sources(specs, f"data.{role}", scale):
            pictures = _look(source, scale)
            seen[role] += pictures
            for picture in pictures:
                if picture.problem:
                    report.add(*picture.problem)
            if role == "train":
                _too_small(report, pictures, patch_size or data.patch_size)
            report.totals.append(_total(source, pictures))
            if role == "train":
                _stored(report, source, degradation, data)
    _duplicates(report, seen["train"], seen["validation"])
    return report


def _look(source: Source, scale: int) -> list[_Seen]:
    found = in_order(lambda example: _see(example, scale), source.examples(), processors())
    return list(tqdm(found, f"{source}", len(source), unit="picture", disable=None, leave=False, file=sys.stderr))


def _see(example: Example, scale: int) -> _Seen:
    try:
        hr, lr = example.read(scale)
    except InputError as error:
        is_pair = example.lr is not None and "pixels" in str(error)
        return _Seen(example.name, problem=("mismatched pairs" if is_pair else "unreadable", str(error)))
    small = _miniature(hr)
    problem = None
    if lr is not None:
        likeness = _correlation(small - small.mean(), (other := _miniature(lr)) - other.mean())
        if likeness < _ALIKE:
            message = f"{example.name}: LR shows a different image than HR (correlation {likeness:.2f})"
            problem = ("mismatched pairs", message)
    return _Seen(example.name, hr.shape[:2], _structure(small), problem)


def _miniature(picture: np.ndarray) -> np.ndarray:
    gray = picture.mean(axis=2, dtype=np.float32)
    return imresize(gray, size=(_SIDE, _SIDE), kernel="area")


def _structure(miniature: np.ndarray) -> np.ndarray:
    """The thumbnail without low frequencies, of unit length; (576,) float16."""
    fine = miniature - kernels.blurred(miniature[..., None], kernels.gaussian(9, (2.0, 2.0)))[..., 0]
    length = np.linalg.norm(fine)
    # A flat picture has no structure, so it matches nothing.
    return (fine / length if length > _SIDE / 2 else np.zeros_like(fine)).ravel().astype(np.float16)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / lengths) if lengths > _SIDE else 1.0


def _too_small(report: CheckReport, pictures: list[_Seen], patch: int) -> None:
    for picture in pictures:
        height, width = picture.size
        if picture.structure is not None and min(height, width) < patch:
            report.add("too small", f"{picture.name}: {width}x{height} pixels, smaller than the patch of {patch}")


def _stack(pictures: list[_Seen]) -> np.ndarray:
    return np.stack([picture.structure for picture in pictures if picture.structure is not None]).astype(np.float32)


def _duplicates(report: CheckReport, train: list[_Seen], validation: list[_Seen]) -> None:
    train = [picture for picture in train if picture.structure is not None]
    validation = [picture for picture in validation if picture.structure is not None]
    if not train or not validation:
        return
    structures = _stack(validation)
    mirrored = structures.reshape(-1, _SIDE, _SIDE)[:, :, ::-1].reshape(structures.shape)
    for start in range(0, len(train), _CHUNK):
        chunk = _stack(train[start : start + _CHUNK])
        for what, wanted in (("", structures), (" mirrored", mirrored)):
            for own, other in np.argwhere(wanted @ chunk.T > _SAME):
                line = f"{validation[own].name} (validation) is {train[start + other].name} (train){what}"
                report.add("in train and validation", line)


def _total(source: Source, pictures: list[_Seen]) -> str:
    good = [picture.size for picture in pictures if picture.structure is not None]
    megapixels = sum(height * width for height, width in good) / 1e6
    pairs = ", with LR pictures" if source.has_lr else ""
    return (
        f"{source.where} ({source}): {len(good)} of {len(pictures)} pictures usable, {megapixels:.1f} megapixels{pairs}"
    )


def _stored(report: CheckReport, source: Source, degradation, data: config.Data) -> None:
    """The state of the source's tiles: complete (verifies their checksums), or the required disk space."""
    folder = store_folder(source, degradation, data.cache_dir)
    if not folder.is_dir():
        needed = estimate(source, degradation)
        report.totals.append(f"  tiles: not created yet, about {needed.gigabytes:.2f} GB in {folder.parent}")
        return
    store = TileStore(folder)
    for name in store.verify():
        report.add("damaged tiles", f"{name} in {folder}; delete the folder to rebuild it")
    report.totals.append(f"  tiles: {len(store)} pictures in {folder}")
