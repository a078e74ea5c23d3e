"""The kit's layers from a recurrent module of PyTorch."""

from typing import Any

import keras

from keras_rnnkit._checks import check_choice
from keras_rnnkit.cells import ProjectedLSTMCell
from keras_rnnkit.cells._checks import check_rate
from keras_rnnkit.interop.gate_blocks import CellWeights, from_torch_layout
from keras_rnnkit.interop.torch.form import KINDS, Form
from keras_rnnkit.interop.torch.inference import form_of
from keras_rnnkit.interop.torch.reading import is_module, part_of, read_parameters
from keras_rnnkit.layers import GRU, LSTM, RNN, Bidirectional, SimpleRNN, StackedRNN
from keras_rnnkit.layers._states import directions

LAYERS = {"lstm": LSTM, "gru": GRU, "simple_rnn": SimpleRNN}


def from_torch(
    source: Any,
    *,
    prefix: str = "",
    kind: str | None = None,
    dropout: float | None = None,
    return_sequences: bool = True,
    return_state: bool = False,
    return_gates: bool = False,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    """A layer of the kit with the weights of a `torch.nn.LSTM`, `torch.nn.GRU` or `torch.nn.RNN`.

    The layer gives the same outputs and last states. It takes sequences `(batch, time, features)`,
    also where the module has `batch_first=False`. It works on every backend, and PyTorch must be
    installed only for a `source` that is made of its classes. The page "Exchange weights with
    PyTorch" shows the layout of the weights and the order of the states.

    PyTorch's two biases of an LSTM and of a simple RNN become one, their sum. `dropout` between the
    layers of PyTorch draws a new mask at every step, that of `StackedRNN` one mask for a sequence.
    A module with `proj_size` becomes a layer with `ProjectedLSTMCell`.

    Args:
        source: The module, or a model that contains it; or a `state_dict()`, a mapping of names to
            tensors or arrays; or the path of a `.safetensors` file. A file that PyTorch writes with
            pickle (`.pt`, `.pth`) is refused, because it could run code.
        prefix: The place of the module in a model, `"encoder.lstm"`, with which the names of its
            parameters begin in the `state_dict` or the file of the model.
        kind: `"lstm"`, `"gru"`, `"rnn_tanh"` or `"rnn_relu"`. The shapes of the parameters tell
            all but the activation of a `torch.nn.RNN`, for which `kind` must be given, unless
            `source` is the module.
        dropout: The rate between the layers, in `[0, 1)`; by default that of the module, and 0 for
            a mapping or a file, which do not contain it.
        return_sequences: Whether the layer returns the output of every step, as PyTorch does, or
            the last.
        return_state: Whether the layer returns the last states too.
        return_gates: Whether the layer returns its gates too.
        dtype: Dtype or dtype policy of the layer; by default the dtype of the parameters.
        name: Name of the layer.

    Returns:
        A built layer: an `LSTM`, `GRU` or `SimpleRNN`, or with `proj_size` an `RNN`; a
        `Bidirectional` around one for both directions; a `StackedRNN` for several layers.

    Raises:
        TypeError: If `source` is none of these.
        ValueError: If parameters are missing, unknown, of a wrong shape or of several dtypes, if
            `kind` or `prefix` must be given or do not fit, or if a file is of another format.
        FileNotFoundError: If there is no such file.
        ImportError: If `safetensors` is not installed and `source` is such a file.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> shapes = {"weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "bias_ih_l0": (16,)}
    >>> shapes["bias_hh_l0"] = (16,)
    >>> state_dict = {name: np.ones(shape, "float32") for name, shape in shapes.items()}
    >>> layer = kit.from_torch(state_dict)
    >>> type(layer).__name__, layer.units
    ('LSTM', 4)
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 5, 4)
    """
    if kind is not None:
        check_choice(kind, "kind", tuple(KINDS))
    if is_module(source):
        source, prefix = part_of(source, prefix), ""
        kind = _kind_of(source, kind)
    arrays, own_dtype = read_parameters(source, prefix)
    form = form_of(arrays, kind)
    form = form._replace(dropout=_dropout(source, form, dropout))
    dtype = own_dtype if dtype is None else dtype
    _check_dtype(dtype)
    layer = _made(
        form,
        return_sequences=return_sequences,
        return_state=return_state,
        return_gates=return_gates,
        dtype=dtype,
        name=name,
    )
    layer.build((None, None, form.features))
    rows = layer.recurrent_layers if isinstance(layer, StackedRNN) else [layer]
    for row, endings in zip(rows, form.endings, strict=True):
        for direction, ending in zip(directions(row), endings, strict=True):
            parts = {
                key.removesuffix(ending): arrays[key]
                for key in form.shapes()
                if key.endswith(ending)
            }
            _assign(direction.cell, from_torch_layout(form.kind, parts))
    return layer


def _kind_of(module: Any, kind: str | None) -> str:
    """The kind of a module, which must be the one that is given, if any."""
    mode: str = module.mode.lower()
    if kind not in (None, mode):
        raise ValueError(
            f"`kind` must be that of the module, {mode!r}, or be left out. Received: kind={kind!r}"
        )
    return mode


def _dropout(source: Any, form: Form, dropout: float | None) -> float:
    """The rate between the layers, by default that of the module."""
    if dropout is None:
        return getattr(source, "dropout", 0.0) if form.layers > 1 else 0.0
    check_rate("from_torch", "dropout", dropout)
    if dropout and form.layers == 1:
        raise ValueError(
            "`dropout` is the rate between the layers, and there is one layer. Put a "
            f"`keras.layers.Dropout` before or after it. Received: dropout={dropout!r}"
        )
    return dropout


def _check_dtype(dtype: Any) -> None:
    """Refuse float64 where JAX would replace it by float32."""
    name = getattr(dtype, "variable_dtype", None) or getattr(dtype, "__name__", dtype)
    if keras.config.backend() != "jax" or name != "float64":
        return
    import jax

    if not jax.config.jax_enable_x64:
        raise ValueError(
            "`dtype` is float64, by default that of the parameters, and JAX computes in float32. "
            'Call `jax.config.update("jax_enable_x64", True)` first, or pass dtype="float32". '
            f"Received: dtype={dtype!r}"
        )


def _made(form: Form, return_gates: bool, dtype: Any, name: Any, **returned: Any) -> Any:
    """The layer for a form, not built."""
    options: dict[str, Any] = {} if form.bias else {"use_bias": False}
    if form.activation != "tanh":
        options["activation"] = form.activation
    if form.layers > 1:
        if form.projection:
            options["projection"] = form.projection
        return StackedRNN(
            [form.units] * form.layers,
            cell="projected_lstm" if form.projection else form.kind,
            dropout=[0.0] + [form.dropout] * (form.layers - 1),
            bidirectional=form.bidirectional,
            cell_options=options,
            return_gates=return_gates,
            dtype=dtype,
            name=name,
            **returned,
        )
    inner = {**returned, "dtype": dtype}
    if form.bidirectional:
        return Bidirectional(
            _single(form, options, inner), return_gates=return_gates, dtype=dtype, name=name
        )
    return _single(form, options, {**inner, "return_gates": return_gates, "name": name})


def _single(form: Form, options: dict[str, Any], layer: dict[str, Any]) -> Any:
    if form.projection:
        cell = ProjectedLSTMCell(form.units, form.projection, dtype=layer["dtype"], **options)
        return RNN(cell, **layer)
    return LAYERS[form.kind](form.units, **options, **layer)


def _assign(cell: Any, weights: CellWeights) -> None:
    for name, value in weights._asdict().items():
        if value is not None:
            getattr(cell, name).assign(value)
