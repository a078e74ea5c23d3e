"""Which path a layer runs on, and why: one rule, which the layers follow and `explain` reads out.

The thresholds were set with `benchmarks/layers.py` on two CPU cores.
"""

from typing import NamedTuple

PATHS = ("auto", "fused", "portable")

# Up to this width a step is one product of inputs and state side by side: fewer, larger pieces.
# Above it the input's product comes ahead of the loop, a piece for each gate.
JOINED_UP_TO = 32

# From this width on, XLA's own loop predicts faster on JAX than the kernel: its two products of a
# step run beside each other.
PORTABLE_PREDICTION_FROM = 256


class Request(NamedTuple):
    """All that the rule looks at."""

    path: str = "auto"  # what the user asked for
    backend: str = "jax"
    gpu: bool = False
    cell: str | None = "LSTM"  # None for a cell that has no kernel
    keras_layer: bool = True  # whether Keras' layer of the same name stands behind this one
    units: int = 1
    dtype: str = "float32"
    default_activations: bool = True
    use_bias: bool = True
    use_cudnn: bool = True
    unroll: bool = False
    masked: bool = False
    record: bool = False  # gates are asked for
    training: bool = False
    dropout_per_gate: bool = False
    recurrent_dropout: bool = False


class Choice(NamedTuple):
    """A path, how it goes, and what there is to say about it."""

    path: str  # "fused", "portable" or "keras"
    method: str = ""
    reason: str = ""
    faster: str = ""  # what would make it faster


def choose(request: Request) -> Choice:
    """The path that serves a request the fastest.

    Raises:
        ValueError: If the fused path was asked for and cannot serve.
    """
    if request.path == "portable":
        return Choice("portable", reason='path="portable"', faster='path="auto"')
    obstacle = _obstacle(request)
    if obstacle is not None:
        if request.path == "fused":
            raise ValueError(
                f'`path="fused"` cannot serve: {obstacle.reason}. '
                f'{obstacle.faster.capitalize()}, or use `path="auto"`.'
            )
        return obstacle
    found = _fused_on_torch(request) if request.backend == "torch" else _fused_by_xla(request)
    if request.path == "fused" or not _keras_has_cudnn(request):
        return found
    costs = _costs_of_cudnn(request)
    if not costs:
        return Choice("keras", reason="cuDNN, by Keras' own layer")
    return found._replace(faster=f"on cuDNN, but for {costs}")


def _obstacle(request: Request) -> Choice | None:
    """The portable path, where no kernel can serve."""
    if request.cell is None:
        return Choice("portable", reason="the cell has no kernel", faster="use a cell of the kit")
    if not request.default_activations:
        return Choice(
            "portable",
            reason="the kernels know tanh and sigmoid alone",
            faster="use the default activations",
        )
    if request.unroll:
        return Choice(
            "portable",
            reason="unroll=True writes the steps out",
            faster="use unroll=False",
        )
    return None


def _keras_has_cudnn(request: Request) -> bool:
    """Whether Keras' own layer can run on cuDNN. On torch the kit's kernel does that by itself."""
    served = {"jax": ("LSTM",), "tensorflow": ("LSTM", "GRU")}.get(request.backend, ())
    plain = request.keras_layer and request.use_cudnn and request.use_bias
    return request.gpu and plain and request.cell in served


def _costs_of_cudnn(request: Request) -> str:
    """What is asked for that cuDNN cannot do."""
    costs = {
        "the gates": request.record,
        "the mask": request.masked,
        "recurrent_dropout": _drops_state(request),
        "implementation=1": request.training and request.dropout_per_gate,
    }
    return " and ".join(name for name, asked in costs.items() if asked)


def _fused_on_torch(request: Request) -> Choice:
    costs = _costs_of_cudnn(request._replace(masked=False))
    library = "cuDNN" if request.gpu else "oneDNN"
    if request.cell == "LSTM" and (request.gpu or request.dtype == "float32"):
        if not costs:
            return Choice("fused", "native", f"{library}'s LSTM, by PyTorch")
        return Choice("fused", "hoisted", _LOOP, f"on {library}, but for {costs}")
    if request.cell == "GRU" and not costs:
        if request.gpu:
            return Choice("fused", "native", "cuDNN's GRU, by PyTorch")
        return Choice("fused", "in place", f"{_LOOP}, in place")
    return Choice("fused", "hoisted", _LOOP)


_LOOP = "a loop with its own backward pass"


def _fused_by_xla(request: Request) -> Choice:
    predicts_plainly = not (request.training or request.record)
    if (
        request.path == "auto"
        and request.backend == "jax"
        and not request.gpu
        and predicts_plainly
        and request.units >= PORTABLE_PREDICTION_FROM
    ):
        return Choice("portable", reason="XLA's own loop predicts faster at this width")
    simple = not (_drops_state(request) or (request.training and request.dropout_per_gate))
    if request.units <= JOINED_UP_TO and simple and request.cell != "GRU, reset before":
        return Choice("fused", "joined", "one product a step, and its own backward pass")
    return Choice("fused", "hoisted", "inputs ahead of the loop, and its own backward pass")


def _drops_state(request: Request) -> bool:
    return request.training and request.recurrent_dropout
