"""Decodes and encodes in threads: reads the next picture and writes the previous one while one is enlarged."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Result = TypeVar("Result")

# Limit on the total bytes of blocks that wait for their writer; a single block may exceed it.
_BYTES_WAITING = 1 << 26
_END = object()


class Abandoned(Exception):
    """The blocks of a picture ended early; the writer must leave no file."""


def read_ahead(items: Iterable[Item], read: Callable[[Item], Result]) -> Iterator[tuple[Item, "Future[Result]"]]:
    """Yields each item with the future of `read(item)`; reads the next one while the caller works on this one."""
    items = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as executor:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            # At most two pictures are in memory: the current one and the next.
            waiting.append((item, executor.submit(read, item)))
            if len(waiting) == 2:
                yield waiting.popleft()
        yield from waiting


class Writers:
    """Threads that write pictures whose blocks come from the caller's thread, a few at a time.

    Args:
        workers: maximum number of pictures written at the same time.
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
        """Runs `write(blocks)` in a thread while this thread computes the blocks; returns when all are handed over.

        An error in the blocks also ends the writing and is raised here. An error in the writing stops the blocks and is
        set on the future.
        """
        self._wait()
        pipe = _Pipe()
        future = self.executor.submit(write, pipe.drained())
        future.add_done_callback(lambda _: pipe.close())
        self.pending.append(future)
        complete = False
        try:
            for block in blocks:
                if not pipe.put(block):
                    return future
            complete = True
        finally:
            pipe.end(complete)
        return future

    def _wait(self) -> None:
        """Waits until one of the threads is free, so that no further pictures wait in memory."""
        self.pending = [future for future in self.pending if not future.done()]
        while len(self.pending) >= self.workers:
            self.pending.pop(0).exception()


class _Pipe:
    """A queue of blocks between two threads. A block counts until the next one is requested."""

    def __init__(self):
        self.changed = threading.Condition()
        self.waiting: deque = deque()
        self.bytes = 0
        self.closed = False

    def put(self, block) -> bool:
        """Adds a block as soon as there is room; returns False if the reader has stopped."""
        size = _size(block)
        with self.changed:
            self.changed.wait_for(lambda: self.closed or not self.bytes or self.bytes + size <= _BYTES_WAITING)
            self.waiting.append(block)
            self.bytes += size
            self.changed.notify_all()
            return not self.closed

    def end(self, complete: bool) -> None:
        """Ends the blocks, after the last one or after an error."""
        with self.changed:
            self.waiting.append(_END if complete else Abandoned())
            self.changed.notify_all()

    def close(self) -> None:
        """Stops reading."""
        with self.changed:
            self.closed = True
            self.waiting.clear()
            self.changed.notify_all()

    def drained(self) -> Iterator:
        """Yields the blocks to the other thread."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting)
                block = self.waiting.popleft()
            if block is _END:
                return
            if isinstance(block, Abandoned):
                raise block
            size = _size(block)
            yield block
            del block
            with self.changed:
                self.bytes -= size
                self.changed.notify_all()


def _size(block) -> int:
    """Bytes of a block, or of an animation frame with its duration and metadata."""
    block = block[0] if isinstance(block, tuple) else block
    return max(1, block.nbytes) if isinstance(block, np.ndarray) else 1
