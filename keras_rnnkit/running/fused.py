"""The fused path: converts a call to the arguments of a kernel, and its results back."""

from typing import Any

from keras import ops

from keras_rnnkit.cells import (
    GRUCell,
    LSTMCell,
    Masks,
    MinGRUCell,
    MinLSTMCell,
    RGLRUCell,
    SimpleRNNCell,
)
from keras_rnnkit.kernels import _cells, backend_kernels
from keras_rnnkit.kernels._arguments import Arguments, Plan
from keras_rnnkit.running.calls import (
    Call,
    Carry,
    Steps,
    swap_batch_and_time,
    with_initial_output,
    zeros_where_masked,
)

_KERNELS = {
    "LSTM": _cells.LSTM,
    "GRU": _cells.GRU,
    "GRU, reset before": _cells.GRUResetBefore,
    "SimpleRNN": _cells.SimpleRNN,
}

_NAMES = {
    LSTMCell: "LSTM",
    MinGRUCell: "MinGRU",
    MinLSTMCell: "MinLSTM",
    RGLRUCell: "RGLRU",
    SimpleRNNCell: "SimpleRNN",
}


def kernel_name(cell: Any) -> str | None:
    """The name of a cell's kernel; `None` for a subclass, which may compute something else."""
    if type(cell) is GRUCell:
        return "GRU" if cell.reset_after else "GRU, reset before"
    return _NAMES.get(type(cell))


def run_fused(layer: Any, call: Call, method: str) -> tuple[Carry, Steps]:
    """The runner of the kernels for whole sequences; the contract is in `running/run.py`."""
    cell, capture_gates, mask = layer.cell, call.capture_gates, call.mask
    plan = Plan(kernel_of(cell), method, layer.return_sequences or capture_gates, capture_gates)
    last_states, result = backend_kernels().run(plan, arguments_of(cell, call), call.training)
    states = [swap_batch_and_time(state) for state in result.states]
    gates = [swap_batch_and_time(gate) for gate in result.gates]
    if mask is not None:
        gates = [zeros_where_masked(mask, gate) for gate in gates]
    last = Carry(last_states[0], list(last_states))
    steps = Steps(states[0] if states else None, states, cell.gates_type(*gates) if gates else ())
    return (last, steps) if mask is None else with_initial_output(call, last, steps)


def kernel_of(cell: Any) -> Any:
    """The kernel of a cell that has one."""
    return _KERNELS[kernel_name(cell)]  # type: ignore[index]


def arguments_of(cell: Any, call: Call) -> Arguments:
    """The tensors of a kernel, time first."""
    kernel, recurrent_kernel, bias = _weights(cell, call.training, call.dropout_masks)
    return Arguments(
        inputs=_inputs(cell, call.sequences, call.dropout_masks),
        states=list(call.initial_states),
        kernel=kernel,
        recurrent_kernel=recurrent_kernel,
        bias=bias,
        mask=[] if call.mask is None else [swap_batch_and_time(call.mask)[..., None]],
        recurrent_masks=_recurrent_masks(cell, call.dropout_masks),
        resets=[] if call.resets is None else [swap_batch_and_time(call.resets)[..., None]],
        fresh=[] if call.fresh_states is None else list(call.fresh_states),
    )


def _inputs(cell: Any, sequences: Any, masks: Masks | None) -> list[Any]:
    """The inputs, time first, after dropout: one tensor, or one for each gate."""
    x = swap_batch_and_time(ops.convert_to_tensor(sequences, dtype=cell.compute_dtype))
    if masks is None or masks.inputs is None:
        return [x]
    return [x * mask for mask in _as_list(masks.inputs)]


def _recurrent_masks(cell: Any, masks: Masks | None) -> list[Any]:
    if masks is None or masks.recurrent is None:
        return []
    listed = _as_list(masks.recurrent)  # one for each gate, or one for all
    return listed * (len(cell.gates_type._fields) // len(listed))


def _as_list(masks: Any) -> list[Any]:
    return list(masks) if isinstance(masks, list | tuple) else [masks]


def _weights(cell: Any, training: bool, masks: Masks | None) -> list[Any]:
    """The kernels and the bias in the compute dtype; zeros where there is no bias."""
    drops = training and bool(getattr(cell, "recurrent_weight_dropout", 0))
    recurrent = cell.recurrent_weights(training, masks) if drops else cell.recurrent_kernel
    weights = [cell.kernel, recurrent, *([cell.bias] if cell.use_bias else [])]
    tensors = [ops.convert_to_tensor(weight, dtype=cell.compute_dtype) for weight in weights]
    if not cell.use_bias:
        width = cell.kernel.shape[1]
        shape = (2, width) if kernel_name(cell) == "GRU" else (width,)
        tensors.append(ops.zeros(shape, dtype=cell.compute_dtype))
    return tensors
