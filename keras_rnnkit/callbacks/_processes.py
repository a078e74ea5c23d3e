"""Several processes that train one model: process 0 writes the checkpoint, and all read it.

The order is held by a barrier, a function that returns when every process has called it. Process 0
locks the folder and writes the checkpoint of a new run, if there is none, before it calls the
barrier; every process reads after it. So all begin with the same weights, optimizer, seed and
epoch, and all do the same: on JAX, a variable is assigned by all processes together.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_rnnkit._checks import check_integer
from keras_rnnkit.callbacks._checkpoint import Snapshot, read, write
from keras_rnnkit.callbacks._lock import FolderLock
from keras_rnnkit.models.reset import made_stateful

Barrier = Callable[[], Any]


class Processes(NamedTuple):
    """The place of this process among those that train a model."""

    rank: int = 0
    barrier: Barrier | None = None

    @property
    def writes(self) -> bool:
        """Whether this process writes the checkpoint."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether other processes train the model, too."""
        return self.barrier is not None

    def read_together(
        self, file: Path, found: Snapshot | None, new: Callable[[], Snapshot]
    ) -> Snapshot:
        """The checkpoint to begin with, the same in every process.

        Args:
            file: The file of the checkpoint.
            found: What process 0 has found there, or None to start anew.
            new: Makes the checkpoint of a new run.

        Raises:
            ValueError: This process does not see the file of process 0.
        """
        if self.writes and found is None:
            write(file, new())
        if self.barrier is not None:
            self.barrier()
        shared = read(file)
        if shared is None:
            raise ValueError(
                "`folder` must be the same folder in every process, such as one on a shared file "
                f"system; here it has no checkpoint. Received: rank={self.rank}, "
                f"checkpoint='{file}'"
            )
        return shared

    def check_states(self, model: keras.Model) -> None:
        """Refuse states of rows, of which process 0 would save its own only.

        In a `keras.distribution`, every process has the states of all rows.
        """
        if not self.several or keras.distribution.distribution() is not None:
            return
        for layer in made_stateful(model):
            raise ValueError(
                "`model` must not have stateful layers when several processes train it: each "
                "process has the states of its own rows, and a checkpoint has those of process 0 "
                "only. Make the layer with stateful=False. "
                f"Received: stateful=True in layer '{layer.name}'"
            )


ALONE = Processes()


def check_processes(rank: Any, barrier: Any) -> Processes:
    """The checked arguments of a preset."""
    rank = check_integer(rank, "rank", least=0)
    if barrier is not None and not callable(barrier):
        raise TypeError(
            "`barrier` must be a function that returns when every process has called it, such as "
            f"torch.distributed.barrier. Received: barrier={barrier!r}"
        )
    if rank and barrier is None:
        raise ValueError(
            "`barrier` must be given when several processes train a model, in each of them: a "
            "function that returns when every process has called it, such as "
            f"torch.distributed.barrier. Received: rank={rank}, barrier=None"
        )
    return Processes(rank, barrier)


class _NoLock:
    """The lock of a process that only reads."""

    def acquire(self) -> None:
        """Nothing to take."""

    keep = release = acquire


def lock_of(processes: Processes, folder: Path) -> FolderLock | _NoLock:
    """The lock of the folder, for the process that writes there."""
    if not processes.writes:
        return _NoLock()
    ranks = "If that process belongs to this run, pass its own `rank=` to each process. "
    return FolderLock(folder, "folder", ranks if processes.several else "")
