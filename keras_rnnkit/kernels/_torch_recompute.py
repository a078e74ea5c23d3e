"""A loop over chunks of steps on PyTorch, each of which the backward pass runs again.

Not by `torch.utils.checkpoint`: what its second run makes is part of a reference cycle, and stays
in memory until Python collects its garbage. Training could take more memory with it than without.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from keras import tree
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import get_device_states, set_device_states

from keras_rnnkit.kernels._recompute import values_of


@torch.compiler.disable  # it would unroll the loop, and cannot compile the kernels in a chunk
def recomputing_loop(
    step: Callable[..., Any], variables: list[Any], carry: Any, xs: list[Any], draws: bool
) -> tuple[Any, list[Any]]:
    """The loop of `Kernels.recomputing_loop`."""
    values, scope = values_of(variables)

    def run(carry: Any, current: list[Any]) -> Any:
        with scope(values):
            return step(carry, current)

    chunks = []
    for current in zip(*(x.unbind(0) for x in xs), strict=True):
        if torch.is_grad_enabled():
            carry, outputs = _run_twice(run, carry, list(current), values, draws)
        else:
            carry, outputs = run(carry, list(current))
        chunks.append(outputs)
    return carry, [torch.stack(tensors) for tensors in zip(*chunks, strict=True)]


def _run_twice(
    run: Callable[..., Any], carry: Any, current: list[Any], values: list[Any], draws: bool
) -> Any:
    """What `run(carry, current)` returns, by a graph that saves a `_Chunk` in place of tensors."""
    chunk = _Chunk(run, carry, current, values, draws)
    with saved_tensors_hooks(chunk.number, chunk.tensor):
        result = run(carry, current)
    chunk.complete = True
    return result


class _Chunk:
    """The tensors that the graph of a chunk saves: a second run makes them where they are needed.

    The graph holds the chunk. Nothing that the chunk holds refers to the graph, so that both are
    freed as soon as the backward pass is through with them.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        carry: Any,
        current: list[Any],
        values: list[Any],
        draws: bool,
    ) -> None:
        self._run, self._saved = run, _Saved()
        self._kinds: list[Any] = []  # of the tensors of the first run
        self.complete = False  # whether that run is over
        # A state may be a view of the states of all steps, which its copy does not keep.
        carry = tree.map_structure(
            lambda state: _without_graph(state.detach().clone(), state), carry
        )
        current = [_without_graph(tensor.detach(), tensor) for tensor in current]
        self._args, tensors = (carry, current), [*current, *values]
        self._versions = [(tensor, tensor._version) for tensor in tensors]
        self._contexts = [_autocast(kind) for kind in sorted({t.device.type for t in tensors})]
        if draws:
            self._contexts.append(_random_numbers(tensors))

    def number(self, tensor: Any) -> int:
        """The number of a tensor that the first run saves."""
        self._kinds.append(_kind(tensor))
        return len(self._kinds) - 1

    def tensor(self, number: int) -> Any:
        """The tensor of a number; where it was taken before, it is made once more."""
        if number not in self._saved.tensors:
            self._saved = self._run_again()
        return self._saved.tensors.pop(number)

    def _run_again(self) -> "_Saved":
        changed = [list(t.shape) for t, version in self._versions if t._version != version]
        if changed:
            raise RuntimeError(
                "With `recompute`, the backward pass runs the layer again, with the same inputs, "
                "states and weights. They must not change in place between the call of the layer "
                "and the backward pass: change copies of them. "
                f"Received: a changed tensor with shape={changed[0]}"
            )
        saved = _Saved()
        with ExitStack() as stack:
            for context in self._contexts:
                stack.enter_context(context())
            stack.enter_context(torch.enable_grad())
            stack.enter_context(saved_tensors_hooks(*saved.hooks()))
            self._run(*self._args)
        kinds = [_kind(tensor) for tensor in saved.tensors.values()]
        if kinds[: None if self.complete else len(self._kinds)] != self._kinds:
            raise RuntimeError(
                "With `recompute`, a step of the cell must compute the same in a second run. Here "
                "it saves other tensors for the gradient. "
                f"Received: first run={len(self._kinds)} tensors, second run={len(kinds)}"
            )
        return saved


class _Saved:
    """The tensors that a run saves, by number."""

    def __init__(self) -> None:
        self.tensors: dict[int, Any] = {}

    def hooks(self) -> tuple[Callable[[Any], int], Callable[[int], Any]]:
        """Hooks that hold no tensor: garbage may hold the graph of the run for a while."""
        saved = weakref.ref(self)

        def number(tensor: Any) -> int:
            tensors = _alive(saved).tensors
            tensors[len(tensors)] = tensor.detach()
            return len(tensors) - 1

        return number, lambda number: _alive(saved).tensors[number]


def _kind(tensor: Any) -> Any:
    return tensor.shape, tensor.dtype, tensor.device


def _alive(saved: "weakref.ref[_Saved]") -> _Saved:
    found = saved()
    assert found is not None
    return found


def _without_graph(detached: Any, tensor: Any) -> Any:
    return detached.requires_grad_(tensor.requires_grad)


def _autocast(kind: str) -> Callable[[], Any]:
    """Makes the context of `torch.autocast` that a kind of device has now."""
    if not torch.amp.is_autocast_available(kind):
        return nullcontext
    options = {
        "enabled": torch.is_autocast_enabled(kind),
        "dtype": torch.get_autocast_dtype(kind),
        "cache_enabled": torch.is_autocast_cache_enabled(),
    }
    return lambda: torch.autocast(kind, **options)


def _random_numbers(tensors: list[Any]) -> Callable[[], Any]:
    """Makes the context in which the devices of tensors draw the numbers that come next now."""
    kinds = {tensor.device.type for tensor in tensors} - {"cpu", "meta"}
    kind = kinds.pop() if kinds else "cuda"
    state, (devices, states) = torch.get_rng_state(), get_device_states(*tensors)

    @contextmanager
    def context() -> Iterator[None]:
        with torch.random.fork_rng(devices=devices, device_type=kind):
            torch.set_rng_state(state)
            set_device_states(devices, states, device_type=kind)
            yield

    return context
