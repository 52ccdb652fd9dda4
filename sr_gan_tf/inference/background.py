"""Decoding and encoding beside the network: the next picture is read and the last one written while one is enlarged."""

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_END = object()
_BLOCKS_WAITING = 3


class Abandoned(Exception):
    """The blocks of a picture ended early; whoever writes them leaves nothing behind."""


def read_ahead(items: Iterable[Item], read: Callable[[Item], Result]) -> Iterator[tuple[Item, "Future[Result]"]]:
    """Each item with the future of `read(item)`; the next one is read while the caller works on this one."""
    items = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as executor:
        item = next(items, _END)
        future = None if item is _END else executor.submit(read, item)
        while item is not _END:
            following = next(items, _END)
            # Two pictures are held at most: the one at work and the next.
            after = None if following is _END else executor.submit(read, following)
            yield item, future
            item, future = following, after


class Writers:
    """Threads that write pictures whose blocks come from the caller's thread, a few at a time.

    Args:
        workers: pictures that are written at once.
    """

    def __init__(self, workers: int):
        self.executor = ThreadPoolExecutor(workers, thread_name_prefix="writer")
        self.workers = workers
        self.pending: list[Future] = []

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *_) -> None:
        self.executor.shutdown(wait=True)

    def feed(self, blocks: Iterable[Item], write: Callable[[Iterator[Item]], Result]) -> "Future[Result]":
        """Runs `write(blocks)` in a thread while the blocks are computed here; returns when all are handed over.

        An error among the blocks ends the writing too and is raised here; one in the writing stops the blocks and
        stands in the future.
        """
        self._wait()
        waiting: queue.Queue = queue.Queue(_BLOCKS_WAITING)
        future = self.executor.submit(write, _drained(waiting))
        self.pending.append(future)
        last: object = Abandoned()
        try:
            for block in blocks:
                if not _put(waiting, block, future):
                    return future
            last = _END
        finally:
            _put(waiting, last, future)
        return future

    def _wait(self) -> None:
        """Until one of the threads is free, so that no more pictures wait in memory."""
        self.pending = [future for future in self.pending if not future.done()]
        while len(self.pending) >= self.workers:
            self.pending.pop(0).exception()


def _put(waiting: queue.Queue, item: object, future: Future) -> bool:
    """Hands an item over; False where nobody takes it any more."""
    while not future.done():
        try:
            waiting.put(item, timeout=0.2)
            return True
        except queue.Full:
            continue
    return False


def _drained(waiting: queue.Queue) -> Iterator:
    while (item := waiting.get()) is not _END:
        if isinstance(item, Abandoned):
            raise item
        yield item
