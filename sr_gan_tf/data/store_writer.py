"""Creates a store: decodes, degrades and cuts in parallel, writes in order, and leaves a complete store or none.

Stores of the same files in several sizes are created together, and each picture is decoded once for all of them.

Everything goes into `KEY.partial`, where a journal (journal.py) records finished work. Only a complete folder is
renamed to `KEY` (store_key.py), which is atomic, so a folder of that name is complete.

Errors in a picture are permanent for this key. Failures of disk or memory are not: the affected pictures are tried
again at the end and whenever the store is opened, and are added as soon as they can be read.
"""

import contextlib
import dataclasses
import errno
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from sr_gan_tf.data.cleaning import mark_used
from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.estimating import Estimate, estimate
from sr_gan_tf.data.journal import Journal, locked_store
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.data.sources import Example, Source
from sr_gan_tf.data.store import Layout, TileStore, cut, details
from sr_gan_tf.data.store_key import store_folder, stores_lr
from sr_gan_tf.data.threads import in_order
from sr_gan_tf.devices import processors
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import sync_folder
from sr_gan_tf.pictures.progress import Progress, progress
from sr_gan_tf.pictures.reading import Unreadable, naming_faults

_LISTED = 20


def open_store(
    source: Source,
    degradation: Degradation,
    cache_dir: str | None = None,
    on_bad_file: Literal["error", "skip"] = "error",
) -> TileStore:
    """Opens the source's store; creates a missing store, and completes an unfinished one.

    Raises:
        InputError: unreadable pictures (unless they are skipped), a full disk, or no usable picture.
    """
    folder = store_folder(source, degradation, cache_dir)
    store = _made(folder, source, degradation, on_bad_file)
    # A store in a read-only folder belongs to other users, who complete it.
    if store.unread and os.access(folder.parent, os.W_OK) and _can_be_read(store, source, degradation):
        _complete(folder, source, degradation, on_bad_file)
        store = _made(folder, source, degradation, on_bad_file)
    if store.skipped and on_bad_file == "error":
        reason = next(iter(store.skipped.values()))
        raise InputError(
            f"{len(store.skipped)} pictures of {source} cannot be used, the first: {reason}; "
            'repair or remove them, or set data.on_bad_file="skip"'
        )
    say_skipped(source, list(store.skipped.values()))
    mark_used(store.folder)
    return store


def open_stores(
    sources: Sequence[Source],
    degradation: Degradation,
    cache_dir: str | None = None,
    on_bad_file: Literal["error", "skip"] = "error",
) -> list[TileStore]:
    """Opens the store of each source; missing stores of the same files in several sizes are created together.

    Raises:
        InputError: as in `open_store`.
    """
    groups: dict[tuple, dict[Path, Source]] = {}
    for source in sources:
        if source.files is not None:
            groups.setdefault(source.files, {})[store_folder(source, degradation, cache_dir)] = source
    for group in groups.values():
        if sum(not folder.is_dir() for folder in group) > 1:
            _make_together(group, degradation, on_bad_file)
    return [open_store(source, degradation, cache_dir, on_bad_file) for source in sources]


def _make_together(group: dict[Path, Source], degradation: Degradation, on_bad_file: str) -> None:
    with contextlib.ExitStack() as stack:
        # Always in the same order, so that two processes never wait for each other.
        for folder in sorted(group):
            if not folder.is_dir():
                stack.enter_context(locked_store(folder.parent, folder.name))
        missing = {folder: source for folder, source in group.items() if not folder.is_dir()}
        if missing:
            _write(missing, degradation, on_bad_file)


def _made(folder: Path, source: Source, degradation: Degradation, on_bad_file: str) -> TileStore:
    """The store of that name; creates a missing store, and completes an unfinished one."""
    while True:
        if not folder.is_dir():
            with locked_store(folder.parent, folder.name):
                # Another process may have created it while this one waited for the lock.
                if not folder.is_dir():
                    _write({folder: source}, degradation, on_bad_file)
        try:
            return TileStore(folder)
        except InputError:
            if folder.is_dir():
                raise
            # Another process has just started to complete it.


def _can_be_read(store: TileStore, source: Source, degradation: Degradation) -> bool:
    """Whether a picture can be read now for which the disk or the memory failed before."""
    examples = (source[number] for number in store.unread.values())
    entries = in_order(lambda example: _prepare(example, degradation, store.layout)[0], examples, processors())
    return any("unread" not in entry for entry in entries)


def _complete(folder: Path, source: Source, degradation: Degradation, on_bad_file: str) -> None:
    """Adds the pictures that can be read now; other processes keep their memory maps of the store."""
    with locked_store(folder.parent, folder.name):
        # Another process may have done it in the meantime, and tiles that others read must not change.
        if not folder.is_dir() or not (store := TileStore(folder)).unread or store.verify():
            return
        print(
            f"warning: pictures of {source} that could not be read before ({len(store.unread)}) are now being added; "
            "a resumed run sees different samples from here on",
            file=sys.stderr,
        )
        _write({folder: source}, degradation, on_bad_file)


def say_skipped(source: Source, reasons: list[str]) -> None:
    """Lists skipped pictures on standard error; each reason names its file."""
    if reasons:
        listed = [f"  {reason}" for reason in reasons[:_LISTED]]
        more = [f"  and {len(reasons) - _LISTED} more"] if len(reasons) > _LISTED else []
        print("\n".join([f"skipped {len(reasons)} pictures of {source}:", *listed, *more]), file=sys.stderr)


@dataclasses.dataclass(frozen=True)
class _Work:
    """An unfinished store of a source; `done` pictures were in its journal at the start."""

    source: Source
    journal: Journal
    layout: Layout
    needed: Estimate
    done: int

    @property
    def left(self) -> int:
        return self.needed.pictures - self.done

    @property
    def megapixels(self) -> float:
        """Of the pictures that are left."""
        return self.needed.megapixels * self.left / max(1, self.needed.pictures)


# A picture and the stores that lack it.
_Row = list[tuple[_Work, Example]]


def _write(sources: dict[Path, Source], degradation: Degradation, on_bad_file: str) -> None:
    """Writes stores by folder, whose sources have the same files if there are several; all are locked."""
    parent = next(iter(sources)).parent
    partials = {folder: folder.with_name(folder.name + ".partial") for folder in sources}
    try:
        with contextlib.ExitStack() as stack:
            works = []
            for folder, partial in partials.items():
                if folder.is_dir():
                    os.rename(folder, partial)
                partial.mkdir(exist_ok=True)
                journal = stack.enter_context(Journal(partial))
                needed = estimate(sources[folder], degradation)
                layout = Layout(needed.tile, degradation.scale, stores_lr(sources[folder], degradation))
                layout = journal.layout(layout)
                done = min(len(journal.entries), needed.pictures)
                works.append(_Work(sources[folder], journal, layout, needed, done))
            _check_room(parent, works)
            _fill(works, degradation, on_bad_file)
            for work in works:
                work.journal.finish(work.layout)
        for folder, partial in partials.items():
            os.rename(partial, folder)
        sync_folder(parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"no space left in {parent}; free space and run the command again (finished pictures are kept), "
                "or set data.cache_dir to another folder"
            ) from error
        raise InputError(f"cannot write {error.filename or parent}: {error.strerror}") from error


def _check_room(parent: Path, works: Sequence[_Work]) -> None:
    free = shutil.disk_usage(parent).free / 1e9
    missing = sum(work.needed.gigabytes - work.journal.size / 1e9 for work in works)
    if missing > free:
        raise InputError(
            f"the tiles need {missing:.1f} GB, but {parent} has {free:.1f} GB free; set data.cache_dir to a folder "
            "with more space, or delete old tiles (python -m sr_gan_tf.data stores lists them)"
        )


def _fill(works: Sequence[_Work], degradation: Degradation, on_bad_file: str) -> None:
    """Adds every picture that is not in a journal yet, in order; then again those that could not be read."""
    workers = processors()

    def prepare(row: _Row) -> list[tuple[_Work, dict, np.ndarray | None]]:
        return [(work, *_prepare(example, degradation, work.layout)) for work, example in _decoded(row)]

    start = time.perf_counter()
    # Always closed, so that an error does not appear on the line of the bar.
    with contextlib.ExitStack() as stack:
        bar: Progress | None = None
        for results in in_order(prepare, _rows(works), workers):
            if bar is None:
                _announce(works, [entry for _, entry, _ in results], (time.perf_counter() - start) / workers, workers)
                bar = stack.enter_context(progress(lines=True, unit="pictures"))
                bar.reset(total=max(work.left for work in works))
            for work, entry, records in results:
                if records is None and on_bad_file == "error":
                    fault = " (run the same command again; finished work is kept)"
                    kept = fault if entry.get("unread") == "fault" else ""
                    raise InputError(f'{entry["skipped"]}{kept}; or set data.on_bad_file="skip"')
                work.journal.add(entry, records)
            bar.set_description_str("tiles")
            bar.update(1)
    for work in works:
        again = ([(work, work.source[number])] for number in work.journal.unread.values())
        for [(_, entry, records)] in in_order(prepare, again, workers):
            if "unread" not in entry:
                work.journal.add(entry, records)
        if all("skipped" in entry for entry in work.journal.entries):
            reason = work.journal.entries[0]["skipped"] if work.journal.entries else ""
            raise InputError(f"{work.source} has no usable pictures: {reason}")


def _rows(works: Sequence[_Work]) -> Iterator[_Row]:
    """For each picture, the stores that lack it."""
    if len(works) == 1:
        for example in works[0].source.examples(works[0].done):
            yield [(works[0], example)]
        return
    for number in range(min(work.done for work in works), len(works[0].source)):
        yield [(work, work.source[number]) for work in works if work.done <= number]


def _decoded(row: _Row) -> _Row:
    """The same pictures, decoded once if there are several stores."""
    if len(row) > 1:
        with contextlib.suppress(InputError):  # reading it for each store gives the reason
            pixels = row[0][1].pixels()
            return [(work, dataclasses.replace(example, hr=pixels)) for work, example in row]
    return row


def _announce(works: Sequence[_Work], first: Sequence[dict], seconds: float, workers: int) -> None:
    """Prints what will be written and the estimated time, from that of the first picture."""
    megapixels = sum(entry.get("height", 0) * entry.get("width", 0) for entry in first) / 1e6
    duration = f"about {seconds * sum(work.megapixels for work in works) / megapixels if megapixels else 0:.0f} s"
    lines = [
        f"creating tiles of {work.source}: {work.left} of {work.needed.pictures} pictures, "
        f"{work.needed.gigabytes:.2f} GB in {work.journal.folder.parent}"
        for work in works
    ]
    if len(works) == 1:
        lines[0] += f", {duration}"
    else:
        lines.append(f"each picture is decoded once for these {len(works)} sizes, in {workers} threads, {duration}")
    print("\n".join(lines), file=sys.stderr)


def _prepare(example: Example, degradation: Degradation, layout: Layout) -> tuple[dict, np.ndarray | None]:
    """The journal entry and the records of one picture; no records if it cannot be read."""
    try:
        with naming_faults(example.name):
            hr, lr = example.read(layout.scale)
            if layout.has_lr and lr is None:
                lr = degradation.degrade(hr, Draws(0))
            records = cut(hr, lr, layout)
            entry = {
                "name": example.name,
                "height": hr.shape[0],
                "width": hr.shape[1],
                "crc": zlib.crc32(records.data),
                "details": [round(float(value), 3) for value in details(hr, layout)],
            }
            return entry, records
    except InputError as error:
        entry = {"name": example.name, "skipped": str(error)}
        if isinstance(error, Unreadable):
            entry["unread"] = "fault"
        elif isinstance(example.hr, Path) and not example.hr.exists():
            entry["unread"] = "gone"  # it existed when it was listed, so it may reappear together with its disk
        return entry, None
