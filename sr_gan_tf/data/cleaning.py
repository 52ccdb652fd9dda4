"""Stores in a cache folder: their size and last use, and the removal of those that no run needs any more.

Each change of an image, a scale or a degradation makes a new store, and the old one stays, since another experiment may
need it.
"""

import contextlib
import dataclasses
import os
import shutil
import time
from pathlib import Path

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import locked

_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Stored:
    """A store in a cache folder, complete or not.

    Attributes:
        folder: its folder; the name ends in `.partial` while the store is incomplete.
        gigabytes: size on disk.
        used: time of the last run that opened it, in seconds since 1970; of an incomplete one, of the last change.
    """

    folder: Path
    gigabytes: float
    used: float

    @property
    def days(self) -> float:
        """Days since the last use."""
        return max(0.0, (time.time() - self.used) / _DAY)


def mark_used(folder: Path) -> None:
    """Remembers that a run opens this store now; has no effect where the folder cannot be changed."""
    with contextlib.suppress(OSError):
        os.utime(folder / "store.json")


def stores(root: Path) -> list[Stored]:
    """The stores of a cache folder, those unused for the longest first.

    Raises:
        InputError: the folder cannot be read.
    """
    found = []
    try:
        for folder in root.iterdir() if root.exists() else ():
            marks = [folder / name for name in ("store.json", "pictures.jsonl") if (folder / name).is_file()]
            if folder.is_dir() and marks:
                size = sum(path.stat().st_size for path in folder.iterdir())
                found.append(Stored(folder, size / 1e9, marks[0].stat().st_mtime))
    except OSError as error:
        raise InputError(f"cannot read {error.filename or root}: {error.strerror}") from error
    return sorted(found, key=lambda one: one.used)


def delete_unused(root: Path, days: float) -> list[Stored]:
    """Deletes the stores that no run has opened for some days, and returns them; a store being made stays.

    Raises:
        InputError: a store cannot be deleted.
    """
    deleted = []
    for one in stores(root):
        if one.days < days:
            continue
        lock = root / f"{one.folder.name.removesuffix('.partial')}.lock"
        try:
            with locked(lock):
                shutil.rmtree(one.folder)
        except BlockingIOError:
            continue
        except OSError as error:
            raise InputError(f"cannot delete {error.filename or one.folder}: {error.strerror}") from error
        deleted.append(one)
    return deleted
