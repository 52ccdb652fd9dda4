"""Test sets `NAME=FOLDER`: HR pictures with LR from files or made by a degradation.

Unlike in the training data, a gray picture stays gray, because its values count as luma in the published protocol.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.data.catalog import DEGRADATIONS
from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.data.sources import Folder, SamplePhotographs, Source
from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import read_image, to_uint8
from sr_gan_tf.resampling import Border, imresize

LowResolution = Literal["made", "folder"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """One picture to measure on: `hr` (H, W, 3) or (H, W) uint8, `lr` likewise, `scale` times smaller."""

    name: str
    lr: np.ndarray
    hr: np.ndarray


class PictureSet:
    """Pairs of one test set, read one at a time; HR is cropped to a multiple of the scale.

    Args:
        name: label of its metrics.
        source: location of the files.
        scale: HR size over LR size.
        border: padding of the bicubic reduction, if LR is made.
        degradation: makes LR instead; a random one treats a picture the same way each time.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        scale: int,
        border: Border = "replicate",
        degradation: Degradation | None = None,
    ):
        self.name, self.source, self.scale, self.border = name, source, scale, border
        self.degradation = degradation
        files = [source[index] for index in range(len(source))]
        self.lr: LowResolution = "folder" if source.has_lr else "made"
        self.names = _short_names([example.name for example in files])
        self._files = [(example.hr, example.lr) for example in files]

    def __len__(self) -> int:
        return len(self._files)

    @property
    def origin(self) -> str:
        """The origin of LR, for the table."""
        if self.lr == "folder":
            return "LR from files"
        return f"LR made by {'bicubic' if self.degradation is None else type(self.degradation).__name__}"

    def __getitem__(self, index: int) -> Pair:
        """Reads one pair.

        Raises:
            InputError: a file cannot be read, or sizes do not fit the scale.
        """
        hr_file, lr_file = self._files[index]
        name, hr = self.names[index], _read(hr_file)
        height, width = (length // self.scale * self.scale for length in hr.shape[:2])
        if not height or not width:
            raise InputError(f"{name}: {hr.shape[1]}x{hr.shape[0]} pixels are fewer than the scale {self.scale}")
        hr = hr[:height, :width]
        if lr_file is None and self.degradation is not None:
            colors = np.repeat(hr[..., None], 3, axis=2) if hr.ndim == 2 else hr
            return Pair(name, self.degradation.degrade(colors, Draws(index)), hr)
        if lr_file is None:
            return Pair(name, imresize(hr, 1 / self.scale, border=self.border), hr)
        lr = _read(lr_file)
        wanted = (height // self.scale, width // self.scale)
        if lr.shape[:2] != wanted:
            raise InputError(
                f"{lr_file!s} has {lr.shape[1]}x{lr.shape[0]} pixels; at scale {self.scale} the HR picture {hr_file!s} "
                f"needs {wanted[1]}x{wanted[0]}; pass the right --scale or folder, or --lr made"
            )
        if hr.ndim == 3 and lr.ndim == 2:
            lr = np.repeat(lr[..., None], 3, axis=2)
        if hr.ndim == 2 and lr.ndim == 3:
            hr = np.repeat(hr[..., None], 3, axis=2)
        return Pair(name, lr, hr)


def find_set(
    argument: str,
    scale: int,
    lr: LowResolution = "made",
    border: Border = "replicate",
    degradation: Degradation | None = None,
) -> PictureSet:
    """Finds the test set that a command line names.

    Args:
        argument: `NAME=FOLDER`, or `NAME=HR_FOLDER:LR_FOLDER`. A folder contains the HR pictures directly, in `HR`, or,
            for scale 4, in `x4/HR`; LR pictures are in `LR` next to them. If LR is made and there is no folder of this
            scale, HR comes from that of the smallest, which lost the least by cropping.
        scale: HR size over LR size.
        lr: `made` by bicubic reduction, or from the `folder`.
        border: padding of that reduction.
        degradation: makes LR instead.

    Raises:
        InputError: the folder does not exist, contains no pictures, or lacks a required LR folder.
    """
    name, separator, place = argument.partition("=")
    if not separator or not name or not place or "/" in name:
        raise InputError(f"--data {argument}: expected NAME=FOLDER, e.g. --data Set5=datasets/Set5")
    given = None
    if not Path(place).expanduser().exists() and ":" in place:
        place, _, given = place.partition(":")
    root = Path(place).expanduser()
    candidates = [root / f"x{scale}", root]
    if lr == "made" and given is None and root.is_dir() and not any(item.is_file() for item in root.iterdir()):
        others = [folder for folder in root.glob("x*") if folder.name[1:].isdecimal()]
        candidates += sorted(others, key=lambda folder: int(folder.name[1:]))
    hr = next((folder / "HR" for folder in candidates if (folder / "HR").is_dir()), root)
    if given is None and lr == "folder":
        beside = [hr.parent / "LR" / f"x{scale}", hr.parent / "LR"]
        found = next((folder for folder in beside if folder.is_dir()), None) if hr != root else None
        if found is None:
            raise InputError(
                f"--data {argument}: no folder LR next to HR in {root}; pass --data {name}={hr}:LR_FOLDER, or --lr made"
            )
        given = str(found)
    source = Folder(str(hr), str(Path(given).expanduser()) if given else None)
    return PictureSet(name, source, scale, border, degradation)


def sample_set(scale: int, border: Border = "replicate", degradation: Degradation | None = None) -> PictureSet:
    """The two photographs of scikit-image that no shipped experiment trains on."""
    return PictureSet("photographs", SamplePhotographs("validation"), scale, border, degradation)


def parse_degradation(text: str, scale: int) -> Degradation:
    """Creates a degradation from its name, or from a JSON object as in an experiment.

    Raises:
        InputError: the text is neither.
    """
    where = f"--degradation {text}"
    spec: dict[str, Any] = {"class_name": text}
    if text.lstrip().startswith("{"):
        try:
            spec = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: not JSON ({error.msg}); put names in double quotes") from error
    if set(spec) - {"class_name", "config"} or not isinstance(spec.get("class_name"), str):
        raise InputError(f'{where}: expected a name or {{"class_name": ..., "config": {{...}}}}')
    return build(Spec(**spec), DEGRADATIONS, where, scale=scale)


def _read(file: Path | bytes | np.ndarray) -> np.ndarray:
    pixels = file if isinstance(file, np.ndarray) else to_uint8(read_image(file).pixels)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _short_names(names: list[str]) -> list[str]:
    """Removes common parts and suffixes from names, as long as the names stay different."""
    paths = [Path(name) for name in names]
    short = [path.stem for path in paths]
    if len(set(short)) == len(short):
        return short
    depth = max(len(path.parts) for path in paths)
    for parts in range(2, depth + 1):
        short = ["/".join([*path.parts[-parts:-1], path.stem]) for path in paths]
        if len(set(short)) == len(short):
            return short
    return names
