"""How a call of a recurrent layer of a model is captured, and what becomes its trace."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers import (
    Bidirectional,
    BidirectionalTrace,
    LearnedInitialState,
    StackedRNN,
    TimeDistributed,
)
from keras_rnnkit.layers._walk import layers_in, stateful_layers
from keras_rnnkit.models._intercept import intercepting, not_intercepting
from keras_rnnkit.models._keys import call_key, check_new, target_of
from keras_rnnkit.models._twins import (
    bidirectional_twin,
    time_distributed_twin,
    twin_of,
)
from keras_rnnkit.models._untracked import allowing_all, refusing_others
from keras_rnnkit.models.origins import trace_of_layer
from keras_rnnkit.running.capture import capturing

# What is captured of one recurrent layer: its trace, the states that it started from, and its
# resets with the states that new sequences start from, or `()`.
Captured = tuple[Any, Any, Any]


class Target:
    """A recurrent layer of a model, or a wrapper around some, that is reported as one."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.leaves = list(_leaves(layer))
        self.twins = [twin_of(leaf) for leaf, _ in self.leaves]
        self._call = self._call_of_twins()

    def _call_of_twins(self) -> Callable[..., Any] | None:
        """What runs in place of the layer's own call, where that would not run the twins."""
        if all(twin is leaf for twin, (leaf, _) in zip(self.twins, self.leaves, strict=True)):
            return None
        if isinstance(self.layer, keras.layers.RNN):
            return self.twins[0].call
        if type(self.layer).call in (Bidirectional.call, keras.layers.Bidirectional.call):
            return bidirectional_twin(self.layer, *self.twins).call
        raise ValueError(
            f"The layer '{self.layer.name}' of class {type(self.layer).__name__} has code of its "
            "own around recurrent layers of `keras.layers`, and what that computes is not known. "
            "Put the kit's layers of the same names in their place. "
            f"Received: layer={type(self.layer).__name__} '{self.layer.name}'"
        )

    def run(
        self, edits: list[Any] | None, original: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Captured]]:
        """What a call of the layer returns, and what is captured of each recurrent layer in it.

        Args:
            edits: Those of each recurrent layer in it, if any.
            original: The layer's own call.
            *args: Of the call, as are `**kwargs`.
            **kwargs: Of the call.
        """
        keys = list(map(id, self.twins))
        by_layer = {} if edits is None else dict(zip(keys, edits, strict=True))
        parts = [part for part in layers_in(self.layer) if part is not self.layer]
        traced = capturing(capture_gates=True, edits=by_layer)
        with not_intercepting(parts), traced as capture:  # a part may be a target by itself too
            outputs = (self._call or original)(*args, **kwargs)
        if any(key not in capture.traces for key in keys):
            raise ValueError(
                f"The layer '{self.layer.name}' of class {type(self.layer).__name__} does not call "
                "every recurrent layer in it, so that it cannot be traced. "
                f"Received: layer={type(self.layer).__name__} '{self.layer.name}'"
            )
        for twin in self.twins:  # in the scope of the run alone, for a second call of the layer
            if twin.stateful:
                twin._assign(capture.last_carries[id(twin)].states)
        found = (capture.traces, capture.initial_states, capture.resets)
        return outputs, [tuple(part[key] for part in found) for key in keys]

    def trace(self, captured: list[Captured]) -> Any:
        """The trace of one call, from arrays."""
        parts = zip(self.leaves, self.twins, captured, strict=True)
        traces = [trace_of_layer(twin.cell, backward, *of) for (_, backward), twin, of in parts]
        return _arranged(self.layer, iter(traces))


class TimeDistributedTarget:
    """A `TimeDistributed` around recurrent layers, which has an outer axis of time.

    Args:
        layer: The wrapper.
        targets: Those of the layer or model in it, by key.
        around_a_model: Whether there is a model inside, so that a trace is a dict of traces.
    """

    def __init__(self, layer: Any, targets: dict[str, Any], around_a_model: bool) -> None:
        if type(layer).call not in (TimeDistributed.call, keras.layers.TimeDistributed.call):
            raise ValueError(
                f"The layer '{layer.name}' of class {type(layer).__name__} has code of its own "
                "around recurrent layers, and what that computes is not known. Put that code into "
                "a layer before or after a `TimeDistributed`. "
                f"Received: layer={type(layer).__name__} '{layer.name}'"
            )
        stateful = stateful_layers(layer.layer)
        if stateful:
            raise ValueError(
                f"The layer '{layer.name}' of class {type(layer).__name__} is around the stateful "
                f"layer '{stateful[0].name}', whose states pass from one outer step to the next, "
                "and a trace runs the outer steps as rows of one batch. Use `stateful=False` in "
                "it, or leave it out by `layers=`. "
                f"Received: layer={type(layer).__name__} '{layer.name}'"
            )
        self.layer = layer
        self.targets, self.around_a_model = targets, around_a_model
        self._twin = time_distributed_twin(layer)

    def run(
        self, edits: dict[str, Any] | None, original: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, list[dict[str, Any]]]:
        """What a call of the layer returns, and what is captured of each inner call."""
        captured: list[dict[str, Any]] = []
        inputs = args[0] if args else kwargs["inputs"]
        known = [target.layer for target in self.targets.values() if target is not None]
        with refusing_others(known), intercepting(handlers_for(self.targets, captured, edits)):
            outputs = self._twin.call(*args, **kwargs)
        shape = tuple(ops.shape(inputs)[:2])

        def unfolded(tensor: Any) -> Any:
            return ops.reshape(tensor, (*shape, *ops.shape(tensor)[1:]))

        return outputs, tree.map_structure(unfolded, captured)

    def trace(self, captured: list[dict[str, Any]]) -> Any:
        """The trace of one call, from arrays: a dict of traces around a model."""
        traces = traces_by_call(self.targets, captured)
        return traces if self.around_a_model else next(iter(traces.values()))

    def target_of(self, key: str) -> Any:
        """The inner target of the key of a call."""
        return target_of(self.targets, key)


def handlers_for(
    targets: dict[str, Any], captured: list[dict[str, Any]], edits: dict[str, Any] | None = None
) -> dict[Any, Any]:
    """Handlers, by layer, that append what they capture, by the key of the layer.

    Args:
        targets: By key.
        captured: The list to append to.
        edits: By the key of a call, those for `run` of its target.
    """
    return {
        target.layer: _handler(key, target, captured, edits or {})
        for key, target in targets.items()
        if target is not None
    }


def _handler(
    key: str, target: Any, captured: list[dict[str, Any]], edits: dict[str, Any]
) -> Callable[..., Any]:
    def handler(original: Any, *args: Any, **kwargs: Any) -> Any:
        call = call_key(key, sum(key in of_call for of_call in captured))
        with allowing_all():
            outputs, of_call = target.run(edits.get(call), original, *args, **kwargs)
        captured.append({key: of_call})
        return outputs

    return handler


def traces_by_call(targets: dict[str, Any], captured: list[dict[str, Any]]) -> dict[str, Any]:
    """The traces in the order of the calls: `"lstm"`, and `"lstm:1"` for a second call."""
    calls: Counter[str] = Counter()
    traces: dict[str, Any] = {}
    for of_call in captured:
        ((key, value),) = of_call.items()
        name = call_key(key, calls[key])
        check_new(name, [*traces, *(targets if calls[key] else ())])
        traces[name] = targets[key].trace(value)
        calls[key] += 1
    return traces


def _leaves(layer: Any) -> Iterator[tuple[Any, bool]]:
    """The recurrent layers in a target, and whether each runs backward in the input's time."""
    if isinstance(layer, LearnedInitialState):
        yield from _leaves(layer.layer)
    elif isinstance(layer, StackedRNN):
        for part in layer.recurrent_layers:
            yield from _leaves(part)
    elif isinstance(layer, keras.layers.Bidirectional):
        yield layer.forward_layer, bool(layer.forward_layer.go_backwards)
        yield layer.backward_layer, bool(layer.backward_layer.go_backwards)
    else:
        yield layer, False


def _arranged(layer: Any, traces: Iterator[Any]) -> Any:
    """The traces of the recurrent layers in a target, in its structure."""
    if isinstance(layer, LearnedInitialState):
        return _arranged(layer.layer, traces)
    if isinstance(layer, StackedRNN):
        return {part.name: _arranged(part, traces) for part in layer.recurrent_layers}
    if isinstance(layer, keras.layers.Bidirectional):
        return BidirectionalTrace(next(traces), next(traces))
    return next(traces)
