"""How a layer runs over a batch of sequences: choose a path, draw the random masks, run.

Every path has a runner with the same contract, `runner(layer, call, method) -> (last, steps)`:

- `last` is the `Carry` after the last step.
- `steps` has the outputs, states and gates of every step, `(batch, time, ...)`, in running order.
  A runner may leave out the outputs (`None`) unless the layer returns sequences, and the states and
  the gates (empty) unless `call.capture_gates` is set.
- At a masked step the states are those of the step before, the gates are zero, and the output is
  that of the last valid step. Before the first valid step it is `call.initial_output`, or zeros.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.running.calls import Call, Carry, Steps
from keras_rnnkit.running.dropout_masks import masks_for
from keras_rnnkit.running.export import check_export
from keras_rnnkit.running.fused import kernel_name, run_fused
from keras_rnnkit.running.keras_layer import run_keras
from keras_rnnkit.running.linear_recurrence import run_linear_recurrence
from keras_rnnkit.running.loop import run_loop
from keras_rnnkit.running.names import name_of
from keras_rnnkit.running.portable import run_portable
from keras_rnnkit.running.recompute import (
    can_run_again,
    holds_tensors,
    run_in_chunks,
    with_recompute,
)
from keras_rnnkit.running.rule import LINEAR_CELLS, Choice, Request, choose

Runner = Callable[[Any, Call, str], tuple[Carry, Steps]]

_RUNNERS: dict[str, Runner] = {
    "fused": run_fused,
    "keras": run_keras,
    "linear recurrence": run_linear_recurrence,
    "portable": run_portable,
}


def run(layer: Any, call: Call) -> tuple[Carry, Steps]:
    """Run a layer over a batch of sequences, on the path that the rule chooses.

    Args:
        layer: A recurrent layer of the kit.
        call: The call, in running order, without dropout masks.

    Returns:
        `(last, steps)`, as in the contract above.
    """
    with backend_kernels().shared(layer):
        return _run(layer, call)


def _run(layer: Any, call: Call) -> tuple[Carry, Steps]:
    if call.edits is not None:  # only the loop over the cell can replace values between steps
        with masks_for(layer.cell, call) as masks:
            return run_loop(layer.cell, call._replace(dropout_masks=masks), layer.unroll)
    choice = choice_for(
        layer,
        call.sequences,
        masked=call.mask is not None,
        resets=call.resets is not None,
        capture_gates=call.capture_gates,
        training=call.training,
    )
    with masks_for(layer.cell, call) as masks:
        call = call._replace(dropout_masks=masks)
        if choice.recompute:
            return run_in_chunks(layer, call, partial(_run_path, layer, choice))
        return _run_path(layer, choice, call)


def _run_path(layer: Any, choice: Choice, call: Call) -> tuple[Carry, Steps]:
    return _RUNNERS[choice.path](layer, call, choice.method)


def choice_for(layer: Any, sequences: Any = None, **conditions: bool) -> Choice:
    """The path of a layer, or of one call of it; errors name the layer.

    Args:
        layer: A recurrent layer of the kit.
        sequences: The sequences of the call; `None` for the layer without a call.
        **conditions: `masked`, `capture_gates`, `training` and `resets`.
    """
    request = request_for(layer, sequences=sequences, **conditions)
    try:
        choice = choose(request)
        choice = with_recompute(request, choice) if request.recompute else choice
    except ValueError as error:
        raise ValueError(f"{name_of(layer)}: {error}") from None
    if request.exported:
        check_export(layer, sequences, choice, onnx=request.export_format == "ONNX")
    return choice


def request_for(
    layer: Any,
    *,
    masked: bool,
    capture_gates: bool,
    training: bool,
    resets: bool = False,
    sequences: Any = None,
) -> Request:
    """The properties of a layer, and of one call of it, by which the rule chooses the path."""
    cell, name = layer.cell, kernel_name(layer.cell)
    called_on_torch = sequences is not None and keras.config.backend() == "torch"
    exported = called_on_torch and backend_kernels().exporting()
    may_be_fused = called_on_torch and name is not None and layer.requested_path != "portable"
    common = Request(
        path=layer.requested_path,
        backend=keras.config.backend(),
        cell=name,
        stack=isinstance(cell, keras.layers.StackedRNNCells),
        unroll=layer.unroll,
        masked=masked,
        resets=resets,
        capture_gates=capture_gates,
        training=training,
        batch=None if sequences is None else sequences.shape[0],
        exported=exported,
        export_format=backend_kernels().export_format() if exported else "",
        transformed=may_be_fused and _transformed(cell, sequences),
        recompute=layer.recompute,
        runs_again=bool(layer.recompute) and can_run_again(cell),
        holds_tensors=bool(layer.recompute) and holds_tensors(cell),
    )
    if name is None:
        return common
    common = common._replace(gpu=_on_gpu(layer), units=cell.units)
    if name in LINEAR_CELLS:
        return common
    activations = [cell.activation is keras.activations.tanh]
    if name != "SimpleRNN":
        activations.append(cell.recurrent_activation is keras.activations.sigmoid)
    return common._replace(
        onednn=keras.config.backend() == "torch" and backend_kernels().has_onednn(),
        keras_layer=isinstance(layer, keras.layers.LSTM | keras.layers.GRU),
        dtype=cell.compute_dtype,
        default_activations=all(activations),
        use_bias=cell.use_bias,
        use_cudnn=bool(getattr(layer, "use_cudnn", False)),
        dropout=bool(cell.dropout),
        dropout_per_gate=bool(cell.dropout) and getattr(cell, "implementation", 2) == 1,
        recurrent_dropout=bool(cell.recurrent_dropout),
        weight_dropout=bool(getattr(cell, "recurrent_weight_dropout", 0)),
    )


def _transformed(cell: Any, sequences: Any) -> bool:
    """Whether the call is inside a `torch.func` transform, or has forward-mode tangents."""
    weights = (getattr(cell, name, None) for name in ("kernel", "recurrent_kernel", "bias"))
    tensors = [getattr(weight, "value", weight) for weight in weights if weight is not None]
    return backend_kernels().transforming(sequences, *tensors)


def _on_gpu(layer: Any) -> bool:
    """Whether the layer computes on a GPU; before it is built, see `Kernels.on_gpu`."""
    return backend_kernels().on_gpu(layer.cell.kernel if layer.cell.built else None)
