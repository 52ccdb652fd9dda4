"""Creates a store: decodes, degrades and cuts in parallel, writes in order, and leaves a complete store or none.

Everything goes into `KEY.partial`, where a journal (journal.py) records finished work. Only a complete folder is
renamed to `KEY`, which is atomic, so a folder of that name is complete. The key is a hash of the source's pictures
(paths, sizes, times) and of every setting that affects the tiles.

Errors in a picture are permanent for this key. Failures of disk or memory are not: the affected pictures are tried
again at the end and whenever the store is opened, and are added as soon as they can be read.
"""

import contextlib
import dataclasses
import errno
import hashlib
import itertools
import json
import math
import os
import re
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.journal import Journal, locked_store
from sr_gan_tf.data.sampling import Draws
from sr_gan_tf.data.sources import Example, Source
from sr_gan_tf.data.store import FORMAT, Layout, TileStore, cut, details
from sr_gan_tf.errors import InputError
from sr_gan_tf.files import sync_folder, user_cache
from sr_gan_tf.pictures.reading import Unreadable, naming_faults
from sr_gan_tf.registry.parts import source_digest

_LISTED = 20
_SIDES = range(96, 257)  # tile sides to choose from


def cache_folder(cache_dir: str | None) -> Path:
    """Location of stores: the experiment's `cache_dir`, or the user's cache folder."""
    return Path(cache_dir).expanduser() if cache_dir else user_cache()


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
    return store


def _made(folder: Path, source: Source, degradation: Degradation, on_bad_file: str) -> TileStore:
    """The store of that name; creates a missing store, and completes an unfinished one."""
    while True:
        if not folder.is_dir():
            with locked_store(folder.parent, folder.name):
                # Another process may have created it while this one waited for the lock.
                if not folder.is_dir():
                    _write(folder, source, degradation, on_bad_file)
        try:
            return TileStore(folder)
        except InputError:
            if folder.is_dir():
                raise
            # Another process has just started to complete it.


def _can_be_read(store: TileStore, source: Source, degradation: Degradation) -> bool:
    """Whether a picture can be read now for which the disk or the memory failed before."""
    examples = (source[number] for number in store.unread.values())
    entries = in_order(lambda example: _prepare(example, degradation, store.layout)[0], examples, os.cpu_count() or 1)
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
        _write(folder, source, degradation, on_bad_file)


def say_skipped(source: Source, reasons: list[str]) -> None:
    """Lists skipped pictures on standard error; each reason names its file."""
    if reasons:
        listed = [f"  {reason}" for reason in reasons[:_LISTED]]
        more = [f"  and {len(reasons) - _LISTED} more"] if len(reasons) > _LISTED else []
        print("\n".join([f"skipped {len(reasons)} pictures of {source}:", *listed, *more]), file=sys.stderr)


def store_folder(source: Source, degradation: Degradation, cache_dir: str | None) -> Path:
    """Current or future location of the source's store."""
    return cache_folder(cache_dir) / f"{_slug(str(source))}-{store_key(source, degradation)}"


def store_key(source: Source, degradation: Degradation) -> str:
    """20 hexadecimal digits that depend on the pictures and on every setting that affects the tiles."""
    about: list[Any] = [FORMAT, degradation.scale, source.fingerprint()]
    if _stores_lr(source, degradation) and not source.has_lr:
        about += [type(degradation).__name__, degradation.get_config()]
    # Custom parts change with their code.
    about += [digest.hex() for digest in map(source_digest, (source, degradation)) if digest]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:20]


def _stores_lr(source: Source, degradation: Degradation) -> bool:
    """Whether LR is stored: random degradations are applied to each crop, unless the source has its own LR."""
    return source.has_lr or not degradation.is_random


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", text).strip("_.")[-40:] or "source"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The estimated requirements of a store, from the headers of up to 64 pictures."""

    pictures: int
    megapixels: float
    gigabytes: float
    tile: int


def estimate(source: Source, degradation: Degradation) -> Estimate:
    """Disk space of a source's store, and the tile side with the least waste."""
    count, scale = len(source), degradation.scale
    sizes = source.sizes(64)
    layouts = [Layout(side, scale, _stores_lr(source, degradation)) for side in _SIDES if side % scale == 0]

    def size(layout: Layout) -> int:
        return sum(layout.record * math.prod(layout.grid(height, width)) for height, width in sizes)

    # The largest of nearly equal sides: fewer tiles per crop, longer reads.
    least = min(size(layout) for layout in layouts)
    best = max((layout for layout in layouts if size(layout) <= 1.02 * least), key=lambda layout: layout.tile)
    share = count / max(1, len(sizes))
    megapixels = sum(height * width for height, width in sizes) * share / 1e6
    return Estimate(count, megapixels, float(size(best)) * share / 1e9, best.tile)


def _write(folder: Path, source: Source, degradation: Degradation, on_bad_file: str) -> None:
    partial = folder.with_name(folder.name + ".partial")
    try:
        if folder.is_dir():
            os.rename(folder, partial)
        partial.mkdir(exist_ok=True)
        with Journal(partial) as journal:
            needed = estimate(source, degradation)
            layout = journal.layout(Layout(needed.tile, degradation.scale, _stores_lr(source, degradation)))
            _check_room(partial, needed, journal.size)
            _fill(journal, source, degradation, layout, needed, on_bad_file)
            journal.finish(layout)
        os.rename(partial, folder)
        sync_folder(folder.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"no space left in {folder.parent}; free space and run the command again (finished pictures are kept), "
                "or set data.cache_dir to another folder"
            ) from error
        raise InputError(f"cannot write {error.filename or partial}: {error.strerror}") from error


def _check_room(partial: Path, needed: Estimate, done: int) -> None:
    free = shutil.disk_usage(partial).free / 1e9
    missing = needed.gigabytes - done / 1e9
    if missing > free:
        raise InputError(
            f"the tiles need {missing:.1f} GB, but {partial.parent} has {free:.1f} GB free; "
            "set data.cache_dir to a folder with more space"
        )


def _fill(
    journal: Journal, source: Source, degradation: Degradation, layout: Layout, needed: Estimate, on_bad_file: str
) -> None:
    """Yields every picture that is not in the journal yet, in order; then again those that could not be read."""
    done = min(len(journal.entries), needed.pictures)
    workers = os.cpu_count() or 1

    def prepare(example: Example) -> tuple[dict, np.ndarray | None]:
        return _prepare(example, degradation, layout)

    start = time.perf_counter()
    # Always closed, so that an error does not appear on the line of the bar.
    with contextlib.ExitStack() as stack:
        bar = None
        for entry, records in in_order(prepare, source.examples(done), workers):
            if bar is None:
                _announce(journal.folder.parent, source, entry, needed, done, (time.perf_counter() - start) / workers)
                bar = stack.enter_context(
                    tqdm(total=needed.pictures, initial=done, unit="picture", disable=None, leave=False)
                )
            if records is None and on_bad_file == "error":
                kept = " (run the same command again; finished work is kept)" if entry.get("unread") == "fault" else ""
                raise InputError(f'{entry["skipped"]}{kept}; or set data.on_bad_file="skip"')
            journal.add(entry, records)
            bar.update()
    again = journal.unread.values()
    results = in_order(prepare, (source[number] for number in again), workers)
    for entry, records in tqdm(results, total=len(again), unit="picture", disable=None, leave=False):
        if "unread" not in entry:
            journal.add(entry, records)
    if all("skipped" in entry for entry in journal.entries):
        raise InputError(f"{source} has no usable pictures: {journal.entries[0]['skipped'] if journal.entries else ''}")


def _announce(folder: Path, source: Source, first: dict, needed: Estimate, done: int, seconds: float) -> None:
    """Prints what will be written and the estimated time, from that of the first picture."""
    megapixels = first.get("height", 0) * first.get("width", 0) / 1e6
    left = needed.pictures - done
    duration = seconds * needed.megapixels * left / max(1, needed.pictures) / megapixels if megapixels else 0
    print(
        f"creating tiles of {source}: {left} of {needed.pictures} pictures, {needed.gigabytes:.2f} GB in {folder}, "
        f"about {duration:.0f} s",
        file=sys.stderr,
    )


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


def in_order(function: Callable, items: Iterator, workers: int) -> Iterator:
    """`map` in threads, a few items ahead, with results in order. Decoding and resizing release the GIL."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future] = [pool.submit(function, item) for item in itertools.islice(items, workers + 2)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(function, item) for item in itertools.islice(items, 1)]
        finally:
            for future in waiting:
                future.cancel()
