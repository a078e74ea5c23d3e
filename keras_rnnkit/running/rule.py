"""Which path a layer runs on, and why: one rule, which the layers follow and `explain` reports.

`benchmarks/methods.py` measures every method of the kernels; `benchmarks/results` has the rows of
all processors. A test fails where the rule takes another method than the rows support.
"""

from typing import NamedTuple

PATHS = ("auto", "fused", "portable")

# The cells whose gates do not depend on the state.
SCANNED = ("MinGRU", "MinLSTM")

_WITH_KERNEL = ", ".join(("LSTM", "GRU", "SimpleRNN", *SCANNED))

# Up to this width, a step that XLA compiles is one product of the concatenated inputs and state.
# There, a second operation costs more than the zeros that fill the weights of a GRU.
CONCATENATED_UP_TO = 16

# From this width on, XLA on TensorFlow is faster with a product for each gate, which it computes in
# parallel. In prediction, it spreads the wider products over all cores by itself.
PER_GATE_FROM = 64
PER_GATE_BELOW_IN_PREDICTION = 512


class Request(NamedTuple):
    """All that the rule looks at."""

    path: str = "auto"  # as requested by the user
    backend: str = "jax"
    gpu: bool = False
    onednn: bool = True  # whether PyTorch has it, and may use it
    cell: str | None = "LSTM"  # None for a cell that has no kernel
    stack: bool = False  # a stack of cells
    keras_layer: bool = True  # whether the layer subclasses Keras' layer of the same name
    units: int = 1
    dtype: str = "float32"
    default_activations: bool = True
    use_bias: bool = True
    use_cudnn: bool = True
    unroll: bool = False
    masked: bool = False
    capture_gates: bool = False  # the gates of all steps are requested
    training: bool = False
    dropout_per_gate: bool = False  # a mask for each gate
    recurrent_dropout: bool = False
    weight_dropout: bool = False  # of the recurrent kernel
    exported: bool = False  # PyTorch records the call for a file
    transformed: bool = False  # by `torch.func`, or in forward mode


class Choice(NamedTuple):
    """A path, its method, and the text that `explain` reports."""

    path: str  # "fused", "parallel scan", "portable" or "keras"
    method: str = ""
    reason: str = ""
    faster: str = ""  # what would make it faster


def choose(request: Request) -> Choice:
    """The fastest path for a request.

    Raises:
        ValueError: If the fused path was requested and is not available.
    """
    obstacle = _obstacle(request)
    if request.path == "portable":
        advice = ['path="auto"', *([] if obstacle is None else [obstacle.faster])]
        return Choice("portable", reason='path="portable"', faster=" and ".join(advice))
    if obstacle is not None:
        if request.path == "fused":
            raise ValueError(
                f'`path="fused"` is not possible here: {obstacle.reason}. To use it, '
                f'{obstacle.faster}; or set `path="auto"`. Received: path="fused"'
            )
        return obstacle
    if request.exported:
        return Choice("fused", "native", f"PyTorch's {request.cell}, one node of the export")
    if request.cell in SCANNED:
        return _scan(request)
    found = _fused_on_torch(request) if request.backend == "torch" else _fused_by_xla(request)
    if request.path == "fused" or not _keras_has_cudnn(request):
        return found
    # Keras looks at the rate of recurrent_dropout, whether or not the layer trains.
    training = request.training or request.recurrent_dropout
    costs = _costs(request._replace(training=training))
    if not costs:
        return Choice("keras", reason="cuDNN, by Keras' own layer")
    return found._replace(faster=f"cuDNN, without {costs}")


def one_call_serves(forward: Request, backward: Request) -> bool:
    """Whether both directions of a bidirectional layer run by one call of the library's layer.

    cuDNN runs them beside each other, oneDNN one after the other.
    """
    if forward != backward or not forward.gpu or forward.exported:
        return False
    return choose(forward)[:2] == ("fused", "native")


def _scan(request: Request) -> Choice:
    """All gates in one product. The associative scan pays on a GPU alone: it computes more."""
    if request.gpu:
        return Choice(
            "parallel scan", "associative", "associative scan, as no gate depends on the state"
        )
    in_order = "all gates in one product, states step by step"
    return Choice("parallel scan", "sequential", in_order + _compiled(request, "fixed"))


def _obstacle(request: Request) -> Choice | None:
    """The portable path, where no kernel is available; else `None`."""
    obstacles = {
        ("a stack of cells has no kernel", "stack layers, not cells"): request.stack,
        (
            "the cell has no kernel",
            f"use one that has: {_WITH_KERNEL}",
        ): request.cell is None and not request.stack,
        (
            f"there are no kernels for {request.backend}",
            "set KERAS_BACKEND to jax, tensorflow or torch",
        ): request.backend not in ("jax", "tensorflow", "torch"),
        (
            "the kernels support only tanh and sigmoid",
            "use the default activations",
        ): not request.default_activations,
        ("unroll=True unrolls the loop", "use unroll=False"): request.unroll,
        (
            "a transform of torch.func, or forward mode, needs plain operations",
            'use `path="portable"`',
        ): request.transformed,
        ("an exported file has no node for this layer", 'use `path="portable"`'): request.exported
        and not _has_node(request),
    }
    found = [words for words, holds in obstacles.items() if holds]
    if not found:
        return None
    reason, faster = (" and ".join(words) for words in zip(*found, strict=True))
    return Choice("portable", reason=reason, faster=faster)


def _has_node(request: Request) -> bool:
    """Whether an exported file has one node for the whole sequence."""
    cell = request.cell in ("LSTM", "GRU", "SimpleRNN") and request.dtype == "float32"
    return cell and not _costs(request._replace(masked=False, weight_dropout=False))


def _keras_has_cudnn(request: Request) -> bool:
    """Whether Keras' own layer can run on cuDNN and is correct there: on TensorFlow only.

    On PyTorch the kit's kernel calls cuDNN itself. On JAX, Keras' call of cuDNN reads a transposed
    operand as if it were not transposed (https://github.com/jax-ml/jax/issues/19177): under jit, an
    LSTM behind a GRU gives wrong numbers. The rule never takes it there.
    """
    allowed = request.gpu and request.keras_layer and request.use_cudnn and request.use_bias
    return request.backend == "tensorflow" and request.cell in ("LSTM", "GRU") and allowed


def _costs(request: Request) -> str:
    """The requested options that cuDNN and oneDNN do not support."""
    costs = {
        "the gates": request.capture_gates,
        "the mask": request.masked,
        "recurrent_dropout": _drops_state(request),
        "recurrent_weight_dropout": request.weight_dropout,
        "implementation=1": _drops_per_gate(request) and not request.recurrent_dropout,
    }
    return " and ".join(name for name, asked in costs.items() if asked)


def _fused_on_torch(request: Request) -> Choice:
    gpu = request.gpu and request.use_cudnn
    library = "cuDNN" if gpu else "oneDNN"
    onednn = request.cell == "LSTM" and request.onednn and request.dtype == "float32"
    serves = request.cell in ("LSTM", "GRU") if gpu else onednn and not request.gpu
    # The kit packs the valid steps, and applies the dropout of weights, before the call.
    costs = _costs(request._replace(masked=False, weight_dropout=False))
    if serves and not costs:
        return Choice("fused", "native", f"{library}'s {request.cell}, by PyTorch")
    if serves and gpu and costs == "the gates":
        reason = f"cuDNN's {request.cell}, by PyTorch, then the gates of all steps in one product"
        return Choice("fused", "native + gates", reason)
    if request.cell in ("LSTM", "GRU"):
        faster = f"{library}, without {costs}" if serves else ""
        return Choice(
            "fused", "preallocated", "a preallocated loop with its own backward pass", faster
        )
    return Choice("fused", "hoisted", "a loop with its own backward pass")


def _fused_by_xla(request: Request) -> Choice:
    method = _method_by_xla(request)
    return Choice("fused", method, _BY_XLA[method] + _compiled(request, "fixed or comes often"))


def _compiled(request: Request, length: str) -> str:
    """When TensorFlow's kernels are compiled; on JAX the whole model is."""
    return f", compiled where the length is {length}" if request.backend == "tensorflow" else ""


_BY_XLA = {
    "concatenated": "concatenated-input GEMM",
    "fused gates": "fused-gate GEMM",
    "per gate": "per-gate GEMM",
    "hoisted": "hoisted input projection",
}


def _method_by_xla(request: Request) -> str:
    if request.gpu:  # fewer and larger products
        return "hoisted"
    if _drops_state(request) or _drops_per_gate(request):  # each gate has inputs of its own
        return "per gate"
    if request.units <= CONCATENATED_UP_TO and request.cell != "GRU, reset before":
        return "concatenated"
    widest = float("inf") if request.training else PER_GATE_BELOW_IN_PREDICTION
    per_gate = request.backend == "tensorflow" and PER_GATE_FROM <= request.units < widest
    return "per gate" if per_gate else "fused gates"


def _drops_state(request: Request) -> bool:
    return request.training and request.recurrent_dropout


def _drops_per_gate(request: Request) -> bool:
    return request.training and request.dropout_per_gate
