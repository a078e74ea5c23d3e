"""From a layer to its path: the request, the kernel's tensors, and what comes back."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells import GRUCell, LSTMCell, Masks, MinGRUCell, MinLSTMCell, SimpleRNNCell
from keras_rnnkit.cells._weight_dropout import WeightDropout
from keras_rnnkit.kernels import _cells, backend_kernels
from keras_rnnkit.kernels._sequence import Arguments, Plan
from keras_rnnkit.running.export import check_export
from keras_rnnkit.running.loop import Carry, zeros_where_masked
from keras_rnnkit.running.names import name_of
from keras_rnnkit.running.parallel_scan import halving_pays, linear_scan, run_scan
from keras_rnnkit.running.rule import SCANNED, Choice, Request, choose

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
    SimpleRNNCell: "SimpleRNN",
}


def request_for(
    layer: Any, *, masked: bool, capture_gates: bool, training: bool, sequences: Any = None
) -> Request:
    """What a layer asks of the rule, of itself and, with the sequences of a call, in that call."""
    cell, name = layer.cell, kernel_name(layer.cell)
    called_on_torch = sequences is not None and keras.config.backend() == "torch"
    may_be_fused = called_on_torch and name is not None and layer.requested_path != "portable"
    common = Request(
        path=layer.requested_path,
        backend=keras.config.backend(),
        cell=name,
        stack=isinstance(cell, keras.layers.StackedRNNCells),
        unroll=layer.unroll,
        masked=masked,
        capture_gates=capture_gates,
        training=training,
        exported=called_on_torch and backend_kernels().exporting(),
        transformed=may_be_fused and _transformed(cell, sequences),
    )
    if name is None:
        return common
    if name in SCANNED:
        return common._replace(gpu=_on_gpu(layer))
    activations = [cell.activation is keras.activations.tanh]
    if name != "SimpleRNN":
        activations.append(cell.recurrent_activation is keras.activations.sigmoid)
    return common._replace(
        gpu=_on_gpu(layer),
        onednn=keras.config.backend() == "torch" and backend_kernels().has_onednn(),
        keras_layer=isinstance(layer, keras.layers.LSTM | keras.layers.GRU),
        units=cell.units,
        dtype=cell.compute_dtype,
        default_activations=all(activations),
        use_bias=cell.use_bias,
        use_cudnn=getattr(layer, "use_cudnn", False) is not False,
        dropout_per_gate=bool(cell.dropout) and getattr(cell, "implementation", 2) == 1,
        recurrent_dropout=bool(cell.recurrent_dropout),
        weight_dropout=bool(getattr(cell, "recurrent_weight_dropout", 0)),
    )


def kernel_name(cell: Any) -> str | None:
    """The name of a cell's kernel; a subclass may compute something else, so it has none."""
    if type(cell) is GRUCell:
        return "GRU" if cell.reset_after else "GRU, reset before"
    return _NAMES.get(type(cell))


def choice_for(layer: Any, sequences: Any = None, **asked: bool) -> Choice:
    """The path of a layer, or of one call of it, or an error that names it."""
    request = request_for(layer, sequences=sequences, **asked)
    try:
        choice = choose(request)
    except ValueError as error:
        raise ValueError(f"{name_of(layer)}: {error}") from None
    if request.exported:
        check_export(layer, sequences, choice, onnx=backend_kernels().exporting_to_onnx())
    return choice


def _transformed(cell: Any, sequences: Any) -> bool:
    """Whether PyTorch transforms the call, or has tangents in its inputs or its weights."""
    weights = (getattr(cell, name, None) for name in ("kernel", "recurrent_kernel", "bias"))
    tensors = [getattr(weight, "value", weight) for weight in weights if weight is not None]
    return backend_kernels().transforming(sequences, *tensors)


def run_fused(
    layer: Any,
    method: str,
    sequences: Any,
    states: Any,
    mask: Any,
    *,
    masks: Masks | None,
    training: bool,
    capture_gates: bool,
) -> tuple[Carry, Carry]:
    """The last carry, and the carry of every step, as the portable loop returns them.

    Args:
        layer: The layer.
        method: How the kernel is to go about it.
        sequences: `(batch, time, features)`.
        states: The first states.
        mask: `(batch, time)`, or `None`.
        masks: Those of dropout, or `None`.
        training: Whether a backward pass may follow.
        capture_gates: Whether gates and states are asked for.
    """
    cell = layer.cell
    kernel = _KERNELS[kernel_name(cell)]  # type: ignore[index]
    plan = Plan(kernel, method, layer.return_sequences or capture_gates, capture_gates)
    kernel_weights, recurrent_weights, bias = _weights(cell, training, masks)
    args = Arguments(
        inputs=_inputs(cell, sequences, masks),
        states=list(states),
        kernel=kernel_weights,
        recurrent_kernel=recurrent_weights,
        bias=bias,
        keep=[] if mask is None else [ops.swapaxes(mask, 0, 1)[..., None]],
        drop=_recurrent_masks(cell, masks),
    )
    last, steps = backend_kernels().run(plan, args, training)
    states = list(last)
    every, gates = ([_batch_first(t) for t in part] for part in (steps.states, steps.gates))
    if not capture_gates:
        return Carry(last[0], states, ()), Carry(every[0] if every else None, (), ())
    if mask is not None:
        gates = [zeros_where_masked(mask, gate) for gate in gates]
    gates = cell.gates_type(*gates)
    return Carry(last[0], states, ()), Carry(every[0], every, gates)


def run_minimal(
    layer: Any, method: str, sequences: Any, states: Any, mask: Any, **how: Any
) -> tuple[Carry, Carry]:
    """The same for a minimal cell: a parallel scan, or the kernel that goes one by one."""
    kernels = backend_kernels()
    halves = method == "associative" or halving_pays(states[0])
    scan = linear_scan if halves else kernels.linear_scan
    return run_scan(layer, scan, kernels.together, sequences, states, mask, **how)


def run_keras(
    layer: Any, sequences: Any, states: Any, *, masks: Masks | None
) -> tuple[Carry, Carry]:
    """The same by Keras' own layer, which finds cuDNN."""
    if masks is not None and masks.inputs is not None:
        sequences = sequences * masks.inputs[:, None]
    own = keras.layers.LSTM if isinstance(layer, keras.layers.LSTM) else keras.layers.GRU
    backwards, layer.go_backwards = layer.go_backwards, False  # the sequences are turned already
    try:
        output, outputs, last = own.inner_loop(layer, sequences, states, None, False)
    finally:
        layer.go_backwards = backwards
    last = tree.pack_sequence_as(states, tree.flatten(last))
    return Carry(output, last, ()), Carry(outputs, (), ())


def of_batch(sequences: Any, batch: int) -> Any:
    """The same sequences with a batch size that the backend did not know yet."""
    return backend_kernels().of_batch(sequences, batch)


def _on_gpu(layer: Any) -> bool:
    if keras.config.backend() == "torch":
        return layer.cell.built and layer.cell.kernel.value.device.type == "cuda"
    names = keras.distribution.list_devices()
    return any(name.startswith(("cuda", "gpu", "rocm")) for name in names)


def _inputs(cell: Any, sequences: Any, masks: Masks | None) -> list[Any]:
    """The inputs, time first, after dropout: one tensor, or one for each gate."""
    x = ops.convert_to_tensor(sequences, dtype=cell.compute_dtype)
    x = ops.swapaxes(x, 0, 1)
    if masks is None or masks.inputs is None:
        return [x]
    return [x * mask for mask in _listed(masks.inputs)]


def _recurrent_masks(cell: Any, masks: Masks | None) -> list[Any]:
    if masks is None or masks.recurrent is None:
        return []
    of_gates = _listed(masks.recurrent)
    return of_gates * (len(cell.gates_type._fields) // len(of_gates))


def _listed(masks: Any) -> list[Any]:
    return list(masks) if isinstance(masks, list | tuple) else [masks]


def _weights(cell: Any, training: bool, masks: Masks | None) -> list[Any]:
    """The kernels and the bias in the compute dtype; zeros where there is no bias."""
    drops = isinstance(cell, WeightDropout)
    recurrent = cell.recurrent_weights(training, masks) if drops else cell.recurrent_kernel
    weights = [cell.kernel, recurrent, *([cell.bias] if cell.use_bias else [])]
    tensors = [ops.convert_to_tensor(weight, dtype=cell.compute_dtype) for weight in weights]
    if not cell.use_bias:
        width = cell.kernel.shape[1]
        shape = (2, width) if kernel_name(cell) == "GRU" else (width,)
        tensors.append(ops.zeros(shape, dtype=cell.compute_dtype))
    return tensors


def _batch_first(tensor: Any) -> Any:
    return ops.swapaxes(tensor, 0, 1)
