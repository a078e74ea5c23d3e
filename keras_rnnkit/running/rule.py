"""Which path a layer runs on, and why: one rule, which the layers follow and `explain` reports.

A path is a way to run a layer: by a kernel for the whole sequence, by a loop over the cell, and so
on. Some paths have several methods, which differ in speed alone. `benchmarks/methods.py` measures
every method, and `benchmarks/results` has the times on each processor. A test fails if the rule
chooses a method that is too slow by these times; `docs/background/methods.md` says when it is.
"""

from typing import NamedTuple

PATHS = ("auto", "fused", "portable")

# The cells whose gates do not depend on the state: the new state is linear in the old one.
LINEAR_CELLS = ("MinGRU", "MinLSTM", "RGLRU")

_WITH_KERNEL = ", ".join(("LSTM", "GRU", "SimpleRNN", *LINEAR_CELLS))

# Up to this number of units, XLA is fastest with one GEMM per step, of the concatenated input and
# state. In a GRU, one block of the concatenated weights is zero; multiplying by it still takes less
# time than a second GEMM.
CONCATENATED_UP_TO = 16

# On TensorFlow, XLA runs the GEMMs of separate gates in parallel. For batches this is faster from
# PER_GATE_FROM units on, and from PER_GATE_FROM_WITH_GATES for a GRU that returns its gates in
# prediction. In prediction it is faster below PER_GATE_BELOW_IN_PREDICTION alone: from there on,
# XLA splits the one GEMM of all gates over the cores, too.
PER_GATE_FROM = 64
PER_GATE_FROM_WITH_GATES = 32
PER_GATE_BELOW_IN_PREDICTION = 512

# On PyTorch on a CPU, up to this number of values in a state (batch size times units), a linear
# recurrence is faster as an associative scan: a loop is bound by the overhead of its operations
# (`benchmarks/min_rnn.py`).
ASSOCIATIVE_UP_TO = 1024

# With resets, a layer on PyTorch cannot use the kernel of a library, and takes up to so many times
# as long, fewer with more units (`benchmarks/resets.py`).
RESETS_TAKE_UP_TO = {
    "oneDNN": {"train": 2.4, "predict": 3.9},
    "cuDNN": {"train": 6.2, "predict": 5.5},
}


class Request(NamedTuple):
    """The properties of a layer, and of one call of it, by which the path is chosen."""

    path: str = "auto"  # as requested by the user
    backend: str = "jax"
    gpu: bool = False
    onednn: bool = True  # whether PyTorch has it, and may use it
    cell: str | None = "LSTM"  # None for a cell that has no kernel
    stack: bool = False  # a stack of cells
    keras_layer: bool = True  # whether the layer subclasses Keras' layer of the same name
    units: int = 1
    batch: int | None = None  # the batch size; `None` where it is not known
    dtype: str = "float32"
    default_activations: bool = True
    use_bias: bool = True
    use_cudnn: bool = True
    unroll: bool = False
    masked: bool = False
    resets: bool = False  # new sequences start inside the rows
    capture_gates: bool = False  # the gates of all steps are requested
    training: bool = False
    dropout: bool = False  # of the inputs
    dropout_per_gate: bool = False  # a mask for each gate
    recurrent_dropout: bool = False
    weight_dropout: bool = False  # of the recurrent kernel
    exported: bool = False  # PyTorch records the call for a file
    export_format: str = ""  # of that file, where it is known
    transformed: bool = False  # by `torch.func`, or in forward mode
    recompute: bool | int = False  # as requested by the user
    runs_again: bool = True  # a second run of a step gives the same result
    holds_tensors: bool = False  # the cell has tensors whose gradients a second run would lose


class Choice(NamedTuple):
    """A path, its method, and the text that `explain` reports."""

    path: str  # "fused", "linear recurrence", "portable" or "keras"
    method: str = ""
    reason: str = ""
    faster: str = ""  # what to change in the layer for a faster path
    recompute: bool = False  # whether the call runs in chunks, each again in the backward pass


def choose(request: Request) -> Choice:
    """The fastest path for a request.

    Raises:
        ValueError: If the fused path was requested and is not available.
    """
    without_kernel = _without_kernel(request)
    if request.path == "portable":
        advice = ['path="auto"']
        if without_kernel is not None and without_kernel.faster:
            advice.append(without_kernel.faster)
        return Choice("portable", reason='path="portable"', faster=" and ".join(advice))
    if without_kernel is not None:
        if request.path == "fused":
            raise ValueError(_fused_path_error(without_kernel))
        return without_kernel
    if request.exported:
        return Choice("fused", "native", f"PyTorch's {request.cell}, one node of the export")
    if request.cell in LINEAR_CELLS:
        return _linear_recurrence(request)
    kernel = _fused_on_torch(request) if request.backend == "torch" else _fused_by_xla(request)
    if request.path == "fused" or not _keras_has_cudnn(request):
        return kernel
    # Keras does not use cuDNN with recurrent_dropout, not even in prediction.
    training = request.training or request.recurrent_dropout
    unsupported = _unsupported_by_library(request._replace(training=training))
    if not unsupported:
        return Choice("keras", reason="cuDNN, by Keras' own layer")
    return kernel._replace(faster=f"cuDNN, without {unsupported}")


def one_call_for_both(forward: Request, backward: Request, *, zero_initial_states: bool) -> bool:
    """Whether one call of cuDNN on PyTorch runs both directions of a bidirectional layer.

    On a CPU this would gain nothing: oneDNN runs the directions one after the other.
    """
    if forward != backward or not forward.gpu or forward.exported:
        return False
    if forward.training and forward.recompute:  # the directions have chunks of their own
        return False
    # Each direction has dropout masks of its own, for inputs and for weights.
    if forward.training and (forward.dropout or forward.weight_dropout):
        return False
    # The kernel moves masked steps to the end, where the backward direction starts, as identity
    # steps. These keep the cell state of an LSTM, but recompute its hidden state, `o * tanh(c)`,
    # which stays what it was only if both are zero.
    if forward.masked and not zero_initial_states:
        return False
    return choose(forward)[:2] == ("fused", "native")


def _linear_recurrence(request: Request) -> Choice:
    path, most = "linear recurrence", ASSOCIATIVE_UP_TO // request.units
    small = request.backend == "torch" and request.batch is not None and request.batch <= most
    if request.gpu or small:
        return Choice(path, "associative", "associative scan, as no gate depends on the state")
    reason = "all gates in one product, states step by step" + _compiled(request, "fixed")
    if request.backend == "torch" and request.batch is None and most:
        reason += f", or by an associative scan for a batch size up to {most}"
    return Choice(path, "sequential", reason)


def _fused_path_error(without_kernel: Choice) -> str:
    """The error of `path="fused"` where no kernel supports the call."""
    remedy = 'Set `path="auto"`'
    if without_kernel.faster:
        remedy = f'To use it, {without_kernel.faster}; or set `path="auto"`'
    reason = without_kernel.reason
    return f'`path="fused"` is not possible here: {reason}. {remedy}. Received: path="fused"'


def _without_kernel(request: Request) -> Choice | None:
    """The portable path, with the reasons, where no kernel supports the request; else `None`."""
    cell = request.cell is not None or request.stack
    backend = request.backend in ("jax", "tensorflow", "torch")
    node = not request.exported or _has_node(request)
    backends = "set KERAS_BACKEND to jax, tensorflow or torch"
    activations = "the kernels support only tanh and sigmoid"
    transform = "a transform of torch.func, or forward mode, needs plain operations"
    # (whether the kernels support it, the reason if not, what to change in the layer). The last is
    # empty if no change would help.
    conditions = [
        (not request.stack, "a stack of cells has no kernel", "stack layers, not cells"),
        (cell, "the cell has no kernel", f"use one that has: {_WITH_KERNEL}"),
        (backend, f"there are no kernels for {request.backend}", backends),
        (request.default_activations, activations, "use the default activations"),
        (not request.unroll, "unroll=True unrolls the loop", "use unroll=False"),
        (not request.transformed, transform, ""),
        (node, "an exported file has no node for this layer", ""),
    ]
    unsupported = [texts for supported, *texts in conditions if not supported]
    if not unsupported:
        return None
    reasons, remedies = zip(*unsupported, strict=True)
    faster = " and ".join(remedies) if all(remedies) else ""
    return Choice("portable", reason=" and ".join(reasons), faster=faster)


def _has_node(request: Request) -> bool:
    """Whether an exported file has one node for the whole sequence."""
    supported = request.cell in ("LSTM", "GRU", "SimpleRNN") and request.dtype == "float32"
    # What the converters of these formats cannot convert.
    lacks_gru = request.export_format == "OpenVINO" and request.cell == "GRU"
    lacks_lengths = request.export_format == "LiteRT" and request.masked
    converted = not lacks_gru and not lacks_lengths
    return supported and converted and not _unsupported_by_torch(request)


def _keras_has_cudnn(request: Request) -> bool:
    """Whether Keras' own layer can run on cuDNN and is correct there: on TensorFlow only.

    On PyTorch the kit's kernel calls cuDNN itself. On JAX, Keras' call of cuDNN reads a transposed
    operand as if it were not transposed (https://github.com/jax-ml/jax/issues/19177): under jit, an
    LSTM behind a GRU gives wrong numbers. The rule never takes it there.
    """
    allowed = request.gpu and request.keras_layer and request.use_cudnn and request.use_bias
    return request.backend == "tensorflow" and request.cell in ("LSTM", "GRU") and allowed


def _unsupported_by_torch(request: Request) -> str:
    """The requested options that rule out PyTorch's own layer.

    Masks and `recurrent_weight_dropout` do not: before the call, the kit moves the valid steps of
    each sequence to its front, and drops the recurrent weights. Nor does `recompute`: each chunk of
    steps is a call.
    """
    request = request._replace(masked=False, weight_dropout=False, recompute=False)
    return _unsupported_by_library(request)


def _unsupported_by_library(request: Request) -> str:
    """The requested options that cuDNN and oneDNN do not support, as `explain` names them."""
    requested = {
        "the gates": request.capture_gates,
        "the mask": request.masked,
        "the resets": request.resets,
        "recurrent_dropout": _drops_state(request),
        "recurrent_weight_dropout": request.weight_dropout,
        "implementation=1": _drops_per_gate(request) and not request.recurrent_dropout,
        "recompute": request.training and bool(request.recompute),
    }
    return " and ".join(name for name, holds in requested.items() if holds)


def _fused_on_torch(request: Request) -> Choice:
    gpu = request.gpu and request.use_cudnn
    library = "cuDNN" if gpu else "oneDNN"
    onednn = request.cell == "LSTM" and request.onednn and request.dtype == "float32"
    library_has_cell = request.cell in ("LSTM", "GRU") if gpu else onednn and not request.gpu
    unsupported = _unsupported_by_torch(request)
    if library_has_cell and not unsupported:
        return Choice("fused", "native", f"{library}'s {request.cell}, by PyTorch")
    if library_has_cell and gpu and unsupported == "the gates":
        reason = f"cuDNN's {request.cell}, by PyTorch, then the gates of all steps in one product"
        return Choice("fused", "native + gates", reason)
    if request.cell in ("LSTM", "GRU"):
        faster = f"{library}, without {unsupported}" if library_has_cell else ""
        if library_has_cell and unsupported == "the resets":
            faster += _COST_OF_RESETS.format(**RESETS_TAKE_UP_TO[library])
        return Choice(
            "fused", "preallocated", "a preallocated loop with its own backward pass", faster
        )
    return Choice("fused", "hoisted", "a loop with its own backward pass")


_COST_OF_RESETS = (
    ": with them, training takes up to {train} times as long, and prediction up to {predict} times"
)


def _fused_by_xla(request: Request) -> Choice:
    method = _method_by_xla(request)
    return Choice("fused", method, _BY_XLA[method] + _compiled(request, "fixed or comes often"))


def _compiled(request: Request, length: str) -> str:
    """On TensorFlow, when XLA compiles the kernel. On JAX it compiles the whole model."""
    return f", compiled where the length is {length}" if request.backend == "tensorflow" else ""


_BY_XLA = {
    "concatenated": "concatenated-input GEMM",
    "fused gates": "fused-gate GEMM",
    "per gate": "per-gate GEMM",
    "hoisted": "hoisted input projection",
    "hoisted or per gate": "hoisted input projection for one sequence, per-gate GEMM for more",
}


def _method_by_xla(request: Request) -> str:
    if request.gpu:  # fewer and larger products
        return "hoisted"
    if _drops_state(request) or _drops_per_gate(request):  # each gate has inputs of its own
        return "per gate"
    if request.units <= CONCATENATED_UP_TO and request.cell != "GRU, reset before":
        return "concatenated"
    predicts, units = not request.training, request.units
    if request.backend != "tensorflow" or (predicts and units >= PER_GATE_BELOW_IN_PREDICTION):
        return "fused gates"
    if units >= PER_GATE_FROM:
        return {None: "hoisted or per gate", 1: "hoisted"}.get(request.batch, "per gate")
    gates_of_gru = predicts and request.capture_gates and request.cell == "GRU"
    return "per gate" if gates_of_gru and units >= PER_GATE_FROM_WITH_GATES else "fused gates"


def _drops_state(request: Request) -> bool:
    return request.training and request.recurrent_dropout


def _drops_per_gate(request: Request) -> bool:
    return request.training and request.dropout_per_gate
