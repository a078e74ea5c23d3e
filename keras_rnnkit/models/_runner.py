"""A model as a function that also returns what its recurrent layers report."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_rnnkit._checks import check_integer
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers._walk import layers_in, stateful_layers
from keras_rnnkit.models._arrays import Rows, as_array, as_inputs, as_view, joined, row_count
from keras_rnnkit.models._calls import TimeDistributedTarget, handlers_for, traces_by_call
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models._keys import target_of
from keras_rnnkit.models._stored import stored
from keras_rnnkit.models._targets import targets_in
from keras_rnnkit.models._untracked import refusing_others
from keras_rnnkit.models.traces import Traces
from keras_rnnkit.running.assigned_variables import NestedScope

_BYTES = 16 * 2**20  # about what the captured tensors of a batch take


class Runner:
    """A model as a function that also returns what is captured, compiled where that is usual."""

    def __init__(self, model: Any, layers: list[str] | None) -> None:
        self.model = model
        self.targets = targets_in(model, layers)
        self.edited: dict[Any, Any] = {}  # compiled functions for `keras_rnnkit.edit`
        self._reductions: dict[Callable[..., Any], Callable[..., Any]] = {}  # compiled
        self.adds_losses = False  # whether layers add losses of their own in a call
        self._refuses_others = layers is None
        # XLA would take as long to swap the axes of a batch as NumPy takes to copy it, so that is
        # left to the copy. And as JAX returns before a batch is computed, the next one is started.
        self._on_jax = keras.config.backend() == "jax"
        self._function = self.compiled(self._time_first if self._on_jax else self.captured)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that runs the model, compiled where that is usual."""
        return backend_kernels().compiled(function, variables=self.model.variables, xla=False)

    def captured(self, inputs: Any, edits: Any = None, loss: Any = None) -> tuple[Any, Any]:
        """The outputs of the model and what is captured, as tensors.

        Args:
            inputs: Those of the model.
            edits: By the key of a call, the edits of its target.
            loss: A function of outputs, whose value is then returned instead of them. There, the
                model has the losses that its layers add in the call.
        """
        captured: list[dict[str, Any]] = []
        with NestedScope(collect_losses=True) as scope:
            with self._checking(), intercepting(handlers_for(self.targets, captured, edits)):
                outputs = self.model(inputs, training=False)
            self.adds_losses = bool(scope.losses)
            return (outputs if loss is None else loss(outputs)), captured

    def _checking(self) -> Any:
        """Refuses recurrent layers that are in no attribute of the model."""
        if not self._refuses_others:
            return contextlib.nullcontext()
        return refusing_others([target.layer for target in self.targets.values() if target])

    def _time_first(self, inputs: Any) -> tuple[Any, list[dict[str, Any]]]:
        outputs, captured = self.captured(inputs)
        return outputs, tree.map_structure(_swapped, captured)

    def run(self, inputs: Any) -> tuple[Any, list[dict[str, Any]]]:
        """The outputs and what is captured, as arrays."""
        return tree.map_structure(lambda view: np.array(view, order="C"), self.views(inputs))

    def views(self, inputs: Any) -> tuple[Any, list[dict[str, Any]]]:
        """The same as views where there can be one: they may be read-only, and are not to be kept.

        A tensor of PyTorch may be overwritten by the next run.
        """
        return self._as_views(self._function(inputs))

    def _as_views(self, tensors: Any) -> tuple[Any, list[dict[str, Any]]]:
        outputs, captured = tree.map_structure(as_view, tensors)
        return outputs, tree.map_structure(_swapped, captured) if self._on_jax else captured

    def reduced(self, reduction: Callable[[dict[str, Any]], Any], inputs: Any) -> Any:
        """What a function makes of the traces of a run, as arrays; it is compiled with the model.

        Args:
            reduction: A function of traces of tensors by key; no two that do the same.
            inputs: Those of the model.
        """
        if reduction not in self._reductions:
            self._reductions[reduction] = self.compiled(
                lambda given: reduction(traces_by_call(self.targets, self.captured(given)[1]))
            )
        return tree.map_structure(as_array, self._reductions[reduction](inputs))

    def target_of(self, key: str) -> Any:
        """The target of the key of a call, such as `"lstm:1"`."""
        return target_of(self.targets, key)

    def batches(self, x: Any, batch_size: int | None) -> Iterator[Any]:
        """The rows in batches: all at once for a stateful model."""
        check_integer(batch_size, "batch_size", least=1, optional=True)
        x = as_inputs(x)
        count = row_count(x)
        if stateful_layers(self.model):
            batch_size = count
        size = batch_size or self.even_batch_size(x)
        for start in range(0, count, size):
            yield tree.map_structure(lambda array: array[start : start + size], x)  # noqa: B023

    def copies_at_a_time(self, batch: Any) -> int:
        """How many copies of a batch may run as one; a fixed batch size allows one."""
        fixed = any(a.shape[0] is not None for a in tree.flatten(getattr(self.model, "inputs", [])))
        if fixed or stateful_layers(self.model):
            return 1
        return max(1, self.batch_size(batch) // row_count(batch))

    def batch_size(self, x: Any) -> int:
        """Rows whose captured tensors take about `_BYTES`, 32 at least and 1,024 at most."""
        twins, outer = _twins_in(self.targets)
        axes = slice(1, 3 if outer else 2)  # two axes of time, if any layer is in TimeDistributed
        steps = max((int(np.prod(a.shape[axes])) for a in tree.flatten(x)), default=1)
        widths = sum(sum(tree.flatten(twin.state_size)) * 3 for twin in twins)
        return int(np.clip(_BYTES // (4 * steps * max(widths, 64)), 32, 1024))

    def even_batch_size(self, x: Any) -> int:
        """At most `batch_size`, with hardly fewer rows in the last batch, which compiles anew."""
        count = row_count(x)
        return -(-count // -(-count // self.batch_size(x)))

    def trace(self, x: Any, batch_size: int | None) -> Traces:
        """The traces of all rows; each batch is copied once, to its place."""
        rows, running = Rows(row_count(as_inputs(x))), deque[Any]()
        for batch in self.batches(x, batch_size):
            running.append((row_count(batch), self._function(batch)))
            while len(running) > self._on_jax:
                self._copy(running, rows)
        while running:
            self._copy(running, rows)
        return self.traces([rows.result()])

    def _copy(self, running: deque[Any], rows: Rows) -> None:
        count, tensors = running.popleft()
        rows.add(count, self._as_views(tensors))

    def traces(self, parts: list[Any]) -> Traces:
        """The traces of all batches."""
        outputs, captured = tree.map_structure(lambda *arrays: joined(arrays), *parts)
        traces = traces_by_call(self.targets, captured)
        called = {key for of_call in captured for key in of_call}
        return Traces(traces, outputs, self._not_called(called))

    def _not_called(self, called: set[str]) -> list[str]:
        """The keys of the layers that were called neither by themselves nor in another target."""
        targets = self.targets.items()
        seen = {
            id(layer) for key, one in targets if key in called for layer in layers_in(one.layer)
        }
        return [
            key
            for key, one in targets
            if key not in called and (one is None or id(one.layer) not in seen)
        ]


def _swapped(tensor: Any) -> Any:
    """A tensor or array `(batch, time, units)` with time first, or back; any other one as it is."""
    if len(tensor.shape) < 3:
        return tensor
    return tensor.swapaxes(0, 1)


def _twins_in(targets: dict[str, Any]) -> tuple[list[Any], bool]:
    """The recurrent layers that run in these targets, and whether any is in `TimeDistributed`."""
    found, outer = [], False
    for target in targets.values():
        if isinstance(target, TimeDistributedTarget):
            found += _twins_in(target.targets)[0]
            outer = True
        elif target is not None:
            found += target.twins
    return found, outer


def runner_for(model: Any, layers: list[str] | None) -> Runner:
    """The runner of a model: the stored one, or a new one if the model has changed."""
    key = None if layers is None else tuple(layers)
    return stored(model, ("runner", key), lambda: Runner(model, layers))
