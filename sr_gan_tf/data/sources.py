"""Sources of pictures: folders, and the photographs in scikit-image (tfds_source.py contains TFDS).

A source lists its pictures without decoding them; an `Example` decodes on request. The fingerprint of a source
identifies its contents and determines the name of the store on disk.
"""

import abc
import contextlib
import dataclasses
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from sr_gan_tf.data.picture_files import Partners, list_pictures, state_of
from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import naming_faults, read_header, read_image, to_uint8
from sr_gan_tf.resampling import imresize


@dataclasses.dataclass(frozen=True)
class Example:
    """One picture of a source, decoded on reading.

    `hr` and `lr` are files, their bytes, or pixels: uint8 (H, W), (H, W, 1) or (H, W, 3). `squash` resizes HR to
    (height, width) regardless of its aspect ratio, `resize` by a factor.
    """

    name: str
    hr: Path | bytes | np.ndarray
    lr: Path | bytes | np.ndarray | None = None
    squash: tuple[int, int] | None = None
    resize: float | None = None

    def is_gray(self) -> bool:
        """Whether the HR file has one channel, whose values are then its luma in the published protocol."""
        if isinstance(self.hr, np.ndarray):
            return self.hr.ndim == 2 or self.hr.shape[2] == 1
        return read_image(self.hr, name=self.name if isinstance(self.hr, bytes) else "").pixels.shape[2] == 1

    def pixels(self) -> np.ndarray:
        """Decoded HR, uint8 (H, W, 3), before any resizing.

        Raises:
            Unreadable: the disk or the memory failed.
            InputError: the file is not a picture.
        """
        with naming_faults(self.name):
            return _rgb(self.hr, self.name)

    def read(self, scale: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(HR, LR or None), uint8 (H, W, 3).

        HR is cropped to a multiple of the scale, and LR with it if its size was rounded up.

        Raises:
            Unreadable: the disk or the memory failed.
            InputError: the file is not a picture, or the sizes of a pair do not fit the scale.
        """
        with naming_faults(self.name):
            return self._read(scale)

    def size(self) -> tuple[int, int]:
        """(height, width) of HR as it is stored, from its header."""
        if isinstance(self.hr, np.ndarray):
            return self.hr.shape[0], self.hr.shape[1]
        header = read_header(self.hr, name=self.name) if isinstance(self.hr, bytes) else read_header(self.hr)
        return header.height, header.width

    def _read(self, scale: int) -> tuple[np.ndarray, np.ndarray | None]:
        hr = _rgb(self.hr, self.name)
        if self.squash:
            hr = imresize(hr, size=self.squash, kernel="bilinear")
        if self.resize:
            hr = imresize(hr, self.resize)
        height, width = hr.shape[0] // scale * scale, hr.shape[1] // scale * scale
        if not height or not width:
            raise InputError(f"{self.name} is {hr.shape[1]}x{hr.shape[0]} pixels, smaller than the scale {scale}")

        whole, hr = hr, hr[:height, :width]
        if self.lr is None:
            return hr, None
        lr = _rgb(self.lr, f"LR of {self.name}")
        if (lr.shape[0], lr.shape[1]) == (-(-whole.shape[0] // scale), -(-whole.shape[1] // scale)):
            lr = lr[: height // scale, : width // scale]  # sizes are rounded up, as in MATLAB
        if lr.shape[0] * scale != height or lr.shape[1] * scale != width:
            raise InputError(f"{self.name}: {_mismatch(whole, lr, scale)}")
        return hr, lr


def _rgb(source: Path | bytes | np.ndarray, name: str) -> np.ndarray:
    """(H, W, 3) uint8: alpha dropped, 16 bits rounded to 8, gray repeated, the first frame of an animation."""
    if isinstance(source, np.ndarray):
        pixels = source[..., None] if source.ndim == 2 else source
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
            raise InputError(
                f"{name}: pixels are {source.dtype} {source.shape}; expected uint8 (H, W), (H, W, 1) or (H, W, 3)"
            )
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    pixels = to_uint8(read_image(source, name=name if isinstance(source, bytes) else "").pixels)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _mismatch(hr: np.ndarray, lr: np.ndarray, scale: int) -> str:
    sizes = f"HR is {hr.shape[1]}x{hr.shape[0]}, LR is {lr.shape[1]}x{lr.shape[0]} pixels"
    if lr.shape[0] >= hr.shape[0] * max(scale, 2):
        return f"{sizes}: HR and LR appear to be swapped; exchange path and lr_path"
    ratio = hr.shape[0] / lr.shape[0]
    if abs(ratio - round(ratio)) < 0.02 and round(ratio) != scale:
        return f"{sizes}: a pair of scale {round(ratio)}, but the experiment's scale is {scale}"
    return f"{sizes}: expected LR of {hr.shape[1] // scale}x{hr.shape[0] // scale} for scale {scale}"


class Source:
    """A list of pictures: `len`, `source[i]` and `examples(first)` give `Example`s; `str`, in messages, its name.

    `has_lr`: the source has its own LR pictures, which replace the degradation. `is_here`: nothing needs to be
    downloaded. `where`: its location in the experiment. `files`: equal for sources that decode the same HR files in
    the same order; None if that is not known.
    """

    has_lr = False
    is_here = True
    where = "data.train.0"
    files: tuple | None = None
    squash: tuple[int, int] | None = None
    resize: float | None = None

    @abc.abstractmethod
    def __len__(self) -> int:
        raise NotImplementedError

    def __str__(self) -> str:
        return type(self).__name__

    @abc.abstractmethod
    def __getitem__(self, index: int) -> Example:
        raise NotImplementedError

    def name_of(self, index: int) -> str:
        """The name of a picture, without reading it."""
        return self[index].name

    def examples(self, first: int = 0) -> Iterator[Example]:
        """The pictures in order, from number `first`."""
        for index in range(first, len(self)):
            yield self[index]

    @abc.abstractmethod
    def fingerprint(self) -> list:
        """JSON data that changes whenever the pictures of the source change."""
        raise NotImplementedError

    def sizes(self, limit: int) -> list[tuple[int, int]]:
        """(height, width) of at most `limit` pictures spread over the source, from their headers."""
        if self.squash:
            return [self.squash]
        result = []
        for index in sorted({round(place) for place in np.linspace(0, len(self) - 1, min(limit, len(self)))}):
            with contextlib.suppress(InputError):  # unreadable files are reported on reading
                height, width = self[index].size()
                factor = self.resize or 1
                result.append((math.ceil(height * factor), math.ceil(width * factor)))
        return result


class Folder(Source):
    """Pictures of a folder and its subfolders, with or without LR pictures.

    Args:
        path: folder of the HR pictures (or one picture file).
        lr_path: folder of the LR pictures; each has the relative path and name of its HR picture, with any file suffix
            and an optional ending such as `x4` (`0001x4.png` belongs to `0001.png`). Default: LR is made.
        pattern: glob relative to `path`, e.g. `"*/photo_*.png"`; default: all readable files, recursively, with a note
            that counts pictures which cannot be read.
        squash: (height, width) to which each HR picture is resized, regardless of its aspect ratio.
        resize: factor by which each HR picture is resized (bicubic) before LR is made from it: below 1 for sharper
            pictures, above 1 for softer ones than in the folder.

    Raises:
        InputError: the folder does not exist, or contains no pictures.
    """

    def __init__(
        self,
        path: str,
        lr_path: str | None = None,
        pattern: str | None = None,
        squash: tuple[int, int] | None = None,
        resize: float | None = None,
    ):
        self.path, self.lr_path, self.pattern, self.squash, self.resize = path, lr_path, pattern, squash, resize
        if lr_path and (squash or resize):
            raise InputError(f"{path}: squash and resize change only HR; remove them, or lr_path")
        if squash and resize:
            raise InputError(f"{path}: squash and resize exclude each other; remove one")
        if resize is not None and not 0.1 <= resize <= 10:
            raise InputError(f"{path}: resize: expected a factor from 0.1 to 10, found {resize}")
        self._root = Path(path).expanduser()
        self._files = list_pictures(self._root, pattern)
        self.files = tuple(self._files) if type(self) is Folder else None
        self._partners = Partners(Path(lr_path).expanduser()) if lr_path else None
        self.has_lr = bool(lr_path)

    def __str__(self) -> str:
        return f"{self.path} x{self.resize:g}" if self.resize else self.path

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Example:
        file = self._files[index]
        lr = self._partners.find(file, self._root) if self._partners else None
        return Example(str(file), file, lr, self.squash, self.resize)

    def fingerprint(self) -> list:
        files = [*self._files, *(self._partners.files if self._partners else ())]
        resized = [f"resize {self.resize}"] if self.resize else []
        return ["Folder", self.squash, self.has_lr, *resized, *(state_of(file) for file in files)]


class SamplePhotographs(Source):
    """The nine color photographs in scikit-image's wheel, split by photograph; needs no download.

    Args:
        split: `train` (a portrait, a rocket, both views of a motorcycle, a galaxy field, a retina and stained
            tissue) or `validation` (a cat, a cup of coffee); no scene is in both.
    """

    _FILES: ClassVar = {
        "train": (
            "astronaut.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "motorcycle_right.png",
            "retina.jpg", "rocket.jpg",
        ),
        "validation": ("chelsea.png", "coffee.png"),
    }  # fmt: skip

    def __init__(self, split: Literal["train", "validation"]):
        if split not in self._FILES:
            raise InputError(f"SamplePhotographs has no split {split!r}; expected train or validation")
        self.split = split
        folder = Path(str(importlib.util.find_spec("skimage").origin)).parent / "data"  # type: ignore[union-attr]
        self._files = [folder / name for name in self._FILES[split]]

    def __str__(self) -> str:
        return f"SamplePhotographs {self.split}"

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Example:
        return Example(self._files[index].name, self._files[index])

    def fingerprint(self) -> list:
        return ["SamplePhotographs", *([file.name, file.stat().st_size] for file in self._files)]
