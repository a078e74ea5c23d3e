"""A model whose gates and states are changed while it runs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keras import ops, tree

from keras_rnnkit.cells._edits import Replacement, edit_tensors, with_edit_tensors
from keras_rnnkit.models._arrays import as_array
from keras_rnnkit.models._calls import TimeDistributedTarget
from keras_rnnkit.models._changes import Place, edits_of, parts_of_trace
from keras_rnnkit.models._runner import runner_for
from keras_rnnkit.models.traces import Traces


class Edited(NamedTuple):
    """What `keras_rnnkit.edit` returns.

    Attributes:
        outputs: What the model returns with the changes, as arrays.
        traces: The `Traces` of that run.
        before: The `Traces` of the model without changes; `before.outputs` is what it returns.
    """

    outputs: Any
    traces: Traces
    before: Traces


def edit(
    model: Any,
    x: Any,
    changes: Any,
    units: Any = None,
    steps: Any = None,
    layers: list[str] | None = None,
    batch_size: int | None = None,
) -> Edited:
    """Run a model with gates or states replaced: what if a gate were closed?

    A gate is replaced where the equations compute it, and all that they make of it follows: the
    input gate of a `CoupledLSTMCell`, the output gate of a `PeepholeLSTMCell`, which looks at the
    new cell state, the candidate of a GRU, which looks at the reset gate. A state is replaced after
    the step, before it is returned and passed on: the output of the step follows the hidden state,
    and an LSTM's hidden state follows its cell state from the next step on. Masked steps are not
    changed. The model is not changed either, and runs in inference mode.

    Args:
        model: A built model or layer, as in `keras_rnnkit.trace`.
        x: The model's input.
        changes: A dict from the keys of `keras_rnnkit.trace`, `"lstm"`, `"encoder/lstm"`, or
            `"lstm:1"` for a second call, to a dict from the names of gates and states to their
            changes. A trace with parts takes a dict of those, `{"bidirectional": {"forward":
            {"forget": 1.0}}}` or `{"stacked_rnn": {"rnn_0": {...}}}`; a stack of cells takes one by
            number, `{"rnn": {0: {...}}}`. A change is a value, as in `keras_rnnkit.Change`, a
            `Change`, or a list of them, which apply one after the other.
        units: The units that are changed: an index, a slice or a list; `None` for all. A `Change`
            with units of its own keeps them.
        steps: The steps that are changed, likewise. Steps are those of the trace: the input's
            time in a `Bidirectional`, the running order in a layer with `go_backwards`.
        layers: As in `keras_rnnkit.trace`; other layers cannot be changed.
        batch_size: Rows that run at a time; `None` chooses.

    Returns:
        `Edited`: `outputs` and `traces` of the changed run, and `before`, the traces of the model
        as it is.

    Raises:
        TypeError: If `changes` is not a dict of dicts, or a value is of no known kind.
        ValueError: For an unknown layer, gate or state, a value that does not broadcast, and a unit
            or step that is out of range; and as `keras_rnnkit.trace`.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([
    ...     keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm"), keras.layers.Dense(1),
    ... ])
    >>> x = np.ones((2, 5, 3), "float32")
    >>> closed = kit.edit(model, x, {"lstm": {"input": 0.0}}, units=[3])
    >>> closed.traces["lstm"].cell[:, -1, 3]
    array([0., 0.], dtype=float32)
    >>> closed.outputs.shape, closed.before.outputs.shape
    ((2, 1), (2, 1))
    """
    if not isinstance(changes, Mapping):
        raise TypeError(
            "`changes` must be a dict from layers to dicts from gates and states to values. "
            f"Received: type(changes)={type(changes).__name__}"
        )
    runner = runner_for(model, layers)
    batches = list(runner.batches(x, batch_size))
    before = runner.traces([runner.run(batch) for batch in batches])
    check_keys(changes, before)
    parts, start = [], 0
    for batch in batches:
        stop = start + len(tree.flatten(batch)[0])
        edits = {
            key: edits_of(given, before[key], Place((key,), units, steps), slice(start, stop))
            for key, given in changes.items()
        }
        parts.append(run_edited(runner, batch, edits, before))
        start = stop
    traces = runner.traces(parts)
    return Edited(traces.outputs, traces, before)


def check_keys(changes: Any, before: Traces) -> None:
    """Refuse a key that is not one of a call of a layer."""
    unknown = [key for key in changes if key not in before]
    if unknown:
        raise ValueError(
            f"`changes` must name traced layers of the model: {', '.join(map(repr, before))}. "
            f"Received: changes={unknown}"
        )


def run_edited(
    runner: Any, inputs: Any, edits: dict[str, Any], before: Traces, *, outputs_only: bool = False
) -> Any:
    """What `runner.run` returns for these inputs, with edits in the structure of the traces."""
    edits = {
        key: for_target(runner.target_of(key), some, before[key]) for key, some in edits.items()
    }
    tensors = [ops.convert_to_tensor(array) for array in edit_tensors(edits)]
    return tree.map_structure(as_array, _function(runner, edits, outputs_only)(inputs, tensors))


def for_target(target: Any, edits: Any, trace: Any) -> Any:
    """Edits in the structure of a trace, as the `run` of its target takes them."""
    if isinstance(target, TimeDistributedTarget):
        if not target.around_a_model:
            return {key: for_target(inner, edits, trace) for key, inner in target.targets.items()}
        return {
            key: for_target(target.target_of(key), some, trace[key]) for key, some in edits.items()
        }
    return list(_leaves(edits, trace))


def _leaves(edits: Any, trace: Any) -> Any:
    """The edits of each recurrent layer in a trace, in the order of its parts."""
    parts = parts_of_trace(trace)
    if parts is None:
        yield edits
    elif not isinstance(trace, Mapping) and not hasattr(trace, "_fields"):  # a stack of cells
        yield None if edits is None else tuple(edits.values())
    else:
        for key, part in parts.items():
            yield from _leaves(None if edits is None else edits[key], part)


def _function(runner: Any, edits: Any, outputs_only: bool) -> Callable[..., Any]:
    """The model with edits of this structure, compiled; kept unless they have functions."""

    def run(inputs: Any, tensors: Any) -> Any:
        found = runner.captured(inputs, with_edit_tensors(edits, list(tensors)))
        return found[0] if outputs_only else found

    made = runner.compiled(run)
    if _has_function(edits):  # which may depend on anything
        return made
    return runner.edited.setdefault((outputs_only, _structure(edits)), made)


def _has_function(edits: Any) -> bool:
    if edits is None or isinstance(edits, Replacement):
        return edits is not None and edits.function is not None
    return any(map(_has_function, edits.values() if isinstance(edits, dict) else edits))


def _structure(edits: Any) -> Any:
    """What a compiled function depends on beside tensors."""
    if isinstance(edits, dict):
        return tuple((name, _structure(part)) for name, part in edits.items())
    if isinstance(edits, list | tuple) and not isinstance(edits, Replacement):
        return type(edits).__name__, *map(_structure, edits)
    return type(edits).__name__
