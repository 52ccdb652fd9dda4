"""The store on disk: pictures of a source, decoded once, cut into fixed-size uint8 tiles and memory-mapped.

A store is a folder of four files. `tiles.bin` contains one record per tile: the HR tile (T, T, 3), then, if LR is
stored, the LR tile (T/scale, T/scale, 3). `index.npz` contains the position of each picture's tiles, `pictures.jsonl`
the names of the pictures, and `store.json`, written last, the description. Tiles do not overlap. A crop is assembled
from the tiles it touches, so a crop may have any size. LR comes from the whole picture, so tile borders leave no trace
in it.
"""

import dataclasses
import json
import os
import zlib
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Layout:
    """The shape of a store's records; `tile` is T, the HR pixels per side, a multiple of the scale."""

    tile: int
    scale: int
    has_lr: bool

    @property
    def small(self) -> int:
        """LR pixels per side of a tile."""
        return self.tile // self.scale

    @property
    def record(self) -> int:
        """Bytes of a record."""
        return 3 * self.tile**2 + (3 * self.small**2 if self.has_lr else 0)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tiles that cover a picture of this size in HR pixels."""
        return -(-height // self.tile), -(-width // self.tile)


def cut(hr: np.ndarray, lr: np.ndarray | None, layout: Layout) -> np.ndarray:
    """(tiles, record bytes) of one picture, row by row; zero outside the picture."""
    rows, columns = layout.grid(*hr.shape[:2])
    records = np.zeros((rows * columns, layout.record), np.uint8)
    big, small = views(records, layout)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        for target, picture, side in ((big, hr, layout.tile), (small, lr, layout.small)):
            if picture is not None and target is not None:
                part = picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
                target[number, : part.shape[0], : part.shape[1]] = part
    return records


def views(records: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray | None]:
    """Views (n, T, T, 3) and (n, T/scale, T/scale, 3) of the records."""
    sides = (layout.tile, layout.small)
    middle = 3 * layout.tile**2
    parts = (records[:, :middle], records[:, middle:])
    big, small = (
        (part.reshape(len(records), side, side, 3) for part, side in zip(parts, sides, strict=True))
        if (layout.has_lr)
        else (parts[0].reshape(len(records), sides[0], sides[0], 3), None)
    )
    return big, small


def details(hr: np.ndarray, layout: Layout) -> np.ndarray:
    """float32 detail of each tile: the mean absolute difference between neighboring pixels, in gray levels."""
    gray = hr.mean(axis=2, dtype=np.float32)
    steps = np.zeros_like(gray)
    steps[:, 1:] += np.abs(np.diff(gray, axis=1)) / 2
    steps[1:] += np.abs(np.diff(gray, axis=0)) / 2
    rows, columns = layout.grid(*gray.shape)
    side = layout.tile
    return np.array(
        [
            steps[row * side : (row + 1) * side, column * side : (column + 1) * side].mean()
            for row in range(rows)
            for column in range(columns)
        ],
        np.float32,
    )


class TileStore:
    """A complete store, read through a memory map: `crop` copies a part of one picture.

    Attributes:
        heights, widths: HR pixels of each picture.
        details: detail of each tile; picture n's tiles start at `firsts[n]`, row by row.
        names: names of the pictures, read on request.
        skipped: names of skipped pictures, and the reasons.
        unread: those for which the disk or the memory failed, and their numbers in the source.

    Raises:
        InputError: the folder contains no complete store.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            about = json.loads((folder / "store.json").read_text())
            index = (folder / "index.npz").read_bytes()
            size = os.path.getsize(folder / "tiles.bin")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder} is not a complete store ({error}); delete the folder and start again"
            ) from error
        layout = Layout(about["tile"], about["scale"], about["has_lr"])
        expected = about["tiles"] * layout.record
        if about["format"] != FORMAT or size != expected or zlib.crc32(index) != about["index_crc"]:
            raise InputError(f"{folder} is damaged ({size} bytes of tiles, expected {expected}); delete the folder")
        self.layout, self.skipped, self.unread = layout, about["skipped"], about.get("unread", {})
        with np.load(folder / "index.npz") as arrays:
            self.heights, self.widths = arrays["heights"], arrays["widths"]
            self.details, self._checksums = arrays["details"], arrays["checksums"]
        tiles = -(-self.heights // layout.tile) * -(-self.widths // layout.tile)
        self.firsts = np.concatenate([[0], np.cumsum(tiles)])
        self._records: np.ndarray = np.zeros((0, layout.record), np.uint8)
        if size:
            self._records = np.memmap(folder / "tiles.bin", np.uint8, "r", shape=(about["tiles"], layout.record))
        self._hr, self._lr = views(np.asarray(self._records), layout)

    def __len__(self) -> int:
        return len(self.heights)

    @property
    def names(self) -> list[str]:
        lines = (self.folder / "pictures.jsonl").read_text(encoding="utf-8").splitlines()
        return [entry["name"] for entry in map(json.loads, lines[1:]) if "skipped" not in entry]

    def crop(self, picture: int, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(hr, lr or None) of a part of a picture; all four numbers in LR pixels, inside the picture."""
        scale, side = self.layout.scale, self.layout.small
        hr = np.empty((height * scale, width * scale, 3), np.uint8)
        lr = np.empty((height, width, 3), np.uint8) if self.layout.has_lr else None
        columns = -(-int(self.widths[picture]) // self.layout.tile)
        for row in range(y // side, (y + height - 1) // side + 1):
            top, bottom = max(y, row * side), min(y + height, (row + 1) * side)
            for column in range(x // side, (x + width - 1) // side + 1):
                left, right = max(x, column * side), min(x + width, (column + 1) * side)
                record = self.firsts[picture] + row * columns + column
                for factor, target, tiles in ((1, lr, self._lr), (scale, hr, self._hr)):
                    if target is not None and tiles is not None:
                        up, beside = row * side * factor, column * side * factor
                        target[
                            (top - y) * factor : (bottom - y) * factor, (left - x) * factor : (right - x) * factor
                        ] = tiles[
                            record,
                            top * factor - up : bottom * factor - up,
                            left * factor - beside : right * factor - beside,
                        ]
        return hr, lr

    def verify(self) -> list[str]:
        """Names of pictures whose tiles do not match their checksum."""
        names = self.names
        return [
            names[number]
            for number in range(len(self))
            if zlib.crc32(self._records[self.firsts[number] : self.firsts[number + 1]].data) != self._checksums[number]
        ]
