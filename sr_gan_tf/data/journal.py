"""The journal of an unfinished store, which records the pictures that are safely on disk.

Tiles are appended to `tiles.bin` and synced, then the lines of their pictures are appended to `pictures.jsonl` and
synced. A killed process leaves a journal in which all lines are valid. The next process checks them against the tiles,
truncates anything written after them, and continues.

Lines are in the order of the source. `unread` in a line marks a picture for which the disk or the memory failed
("fault") or that had disappeared ("gone"). If a later attempt succeeds, the picture gets another line after those of
the whole source.
"""

import contextlib
import dataclasses
import io
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sr_gan_tf.data.store import FORMAT, Layout
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import locked, sync_folder

_SYNC_BYTES = 64 * 2**20
_SYNC_SECONDS = 2.0


class Journal:
    """The pictures of a partial store that are safely on disk, and its files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries: list[dict] = []
        self._waiting: list[dict] = []
        self._unsynced, self._synced_at = 0, time.monotonic()

    def __enter__(self) -> "Journal":
        self._tiles = open(self.folder / "tiles.bin", "a+b")
        self._lines = open(self.folder / "pictures.jsonl", "a+b")
        return self

    def __exit__(self, kind, value, trace) -> None:
        # Finished pictures are kept after Ctrl-C or a bad file, but not if the disk is full.
        with contextlib.suppress(OSError):
            if kind is not None:
                self.sync()
        self._tiles.close()
        self._lines.close()

    @property
    def size(self) -> int:
        return os.path.getsize(self.folder / "tiles.bin")

    def layout(self, wanted: Layout) -> Layout:
        """Reads the journal of an earlier process, drops incomplete pictures, and returns the layout."""
        self._lines.seek(0)
        lines = self._lines.read().split(b"\n")[:-1]  # a line without a newline is truncated
        end, good, whole = 0, 0, True
        self._tiles.seek(0)
        for number, line in enumerate(lines):
            try:
                entry = json.loads(line)
                if number == 0:
                    wanted = Layout(**entry)
                else:
                    size = 0 if "skipped" in entry else wanted.record * len(entry["details"])
                    whole = "skipped" in entry or zlib.crc32(self._tiles.read(size)) == entry["crc"]
            except (ValueError, KeyError, TypeError):
                break
            if not whole:
                break
            if number:
                self.entries.append(entry)
                end += size
            good += len(line) + 1
        self._lines.truncate(good)
        self._tiles.truncate(end)
        if not good:
            self._lines.write(json.dumps(dataclasses.asdict(wanted)).encode() + b"\n")
        return wanted

    @property
    def unread(self) -> dict[str, int]:
        """Pictures for which the disk or the memory has failed so far: name to number in the source."""
        result: dict[str, int] = {}
        for number, entry in enumerate(self.entries):
            result.pop(entry["name"], None)
            if "unread" in entry:
                result[entry["name"]] = number
        return result

    def add(self, entry: dict, records: np.ndarray | None) -> None:
        if records is not None:
            self._tiles.write(records.data)
            self._unsynced += records.nbytes
        self._waiting.append(entry)
        self.entries.append(entry)
        if self._unsynced > _SYNC_BYTES or time.monotonic() - self._synced_at > _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Writes tiles first, so that every line of the journal describes bytes on the disk."""
        self._tiles.flush()
        os.fsync(self._tiles.fileno())
        self._lines.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in self._waiting))
        self._lines.flush()
        os.fsync(self._lines.fileno())
        self._waiting, self._unsynced, self._synced_at = [], 0, time.monotonic()

    def finish(self, layout: Layout) -> None:
        """Writes the index, then the file that marks the store as complete."""
        self.sync()
        kept = [entry for entry in self.entries if "skipped" not in entry]
        index = io.BytesIO()
        np.savez(
            index,
            heights=np.array([entry["height"] for entry in kept], np.int32),
            widths=np.array([entry["width"] for entry in kept], np.int32),
            details=np.concatenate([np.array(entry["details"], np.float32) for entry in kept]),
            checksums=np.array([entry["crc"] for entry in kept], np.uint32),
        )
        _write_synced(self.folder / "index.npz", index.getvalue())
        skipped = {entry["name"]: entry["skipped"] for entry in self.entries if "skipped" in entry}
        for entry in kept:
            skipped.pop(entry["name"], None)  # read in a later attempt
        about = {
            "format": FORMAT,
            **dataclasses.asdict(layout),
            "tiles": sum(len(entry["details"]) for entry in kept),
            "index_crc": zlib.crc32(index.getvalue()),
            "skipped": skipped,
            "unread": self.unread,
        }
        _write_synced(self.folder / "store.json", json.dumps(about, indent=1).encode())
        sync_folder(self.folder)


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def locked_store(root: Path, name: str) -> Iterator[None]:
    """Locks a store for one writer; the lock is always released when its process ends."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.lock").touch()
    except OSError as error:
        raise InputError(f"cannot write to {root} ({error.strerror}); set data.cache_dir to another folder") from error
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(
                locked(
                    root / f"{name}.lock",
                    lambda: print(f"waiting for another process that creates {name}", file=sys.stderr),
                )
            )
        except OSError as error:
            raise InputError(
                f"cannot lock a file in {root} ({error.strerror}); set data.cache_dir to a folder on a local disk"
            ) from error
        yield
