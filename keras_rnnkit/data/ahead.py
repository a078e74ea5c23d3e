"""Prepares the next batches in threads or processes while the model uses the present one.

Keras has such workers for every `PyDataset`, but those of Keras 3.15 keep batches of one pass for
the next: `fit` takes a batch to build the model, then starts again, and the batches that were
prepared meanwhile come in addition to the same batches of the first epoch, whose last ones come in
the second epoch. The workers of this file only ever return the batch that is asked for.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

Make = Callable[[int, int], Any]  # from epoch and index to a batch


class Ahead:
    """Workers that prepare batches ahead as long as they are asked for one after the other.

    Args:
        make: Returns the batch of an epoch and an index; a pure function.
        count: The number of batches in an epoch.
        workers: The number of threads or processes.
        processes: Whether they are processes.
        most: How many batches to prepare ahead.
    """

    def __init__(self, make: Make, count: int, workers: int, processes: bool, most: int) -> None:
        self._make = make
        self._count = count
        self._most = most
        self._pool: Executor = (
            ProcessPoolExecutor(workers, initializer=_keep, initargs=(make,))
            if processes
            else ThreadPoolExecutor(workers)
        )
        self._run = _run if processes else make
        self._lock = threading.Lock()
        self._futures: dict[tuple[int, int], Future] = {}
        self._expected = (-1, -1)

    def get(self, epoch: int, index: int) -> Any:
        """Returns a batch, prepared before if the one before it was the last one asked for."""
        with self._lock:
            future = self._futures.pop((epoch, index), None)
            if index and (epoch, index) != self._expected:
                self._keep_only(epoch, range(0))
            else:
                self._keep_only(epoch, range(index + 1, index + 1 + self._most))
            self._expected = (epoch, index + 1)
        return self._make(epoch, index) if future is None else future.result()

    def _keep_only(self, epoch: int, wanted: range) -> None:
        keys = [(epoch, i) for i in wanted if i < self._count]
        for key in set(self._futures) - set(keys):
            self._futures.pop(key).cancel()
        for key in keys:
            if key not in self._futures:
                self._futures[key] = self._pool.submit(self._run, *key)


_made_by: list[Make] = []  # in a process of the pool, the function that it runs


def _keep(make: Make) -> None:
    _made_by[:] = [make]


def _run(epoch: int, index: int) -> Any:
    return _made_by[0](epoch, index)
