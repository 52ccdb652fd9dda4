"""`in_order`: `map` in threads."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor


def in_order(function: Callable, items: Iterator, workers: int, ahead: int = 2) -> Iterator:
    """`map` in threads, with results in order. Decoding and resizing release the GIL.

    Args:
        function: what to do with an item.
        items: read in the calling thread.
        workers: number of threads.
        ahead: how many items wait for a thread.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future] = [pool.submit(function, item) for item in itertools.islice(items, workers + ahead)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(function, item) for item in itertools.islice(items, 1)]
        finally:
            for future in waiting:
                future.cancel()
