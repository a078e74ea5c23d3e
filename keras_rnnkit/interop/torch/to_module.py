"""A recurrent module of PyTorch from Keras layers."""

from typing import Any

import numpy as np

from keras_rnnkit.cells._checks import check_rate
from keras_rnnkit.interop._libraries import optional_library
from keras_rnnkit.interop.gate_blocks import to_torch_layout
from keras_rnnkit.interop.torch.cells import activation_name, kind_of, weights_of
from keras_rnnkit.interop.torch.form import MODULES, Form
from keras_rnnkit.interop.torch.refusals import REPLACED, refuse
from keras_rnnkit.interop.torch.stacks import Row, rows_of


def to_torch(layer: Any, *, dropout: float | None = None, batch_first: bool = True) -> Any:
    """A `torch.nn.LSTM`, `torch.nn.GRU` or `torch.nn.RNN` with the weights of Keras layers.

    The module gives the same outputs and last states. It works on every backend where PyTorch is
    installed too. Save the weights with `torch.save(module.state_dict(), path)` or with the library
    safetensors. The page "Exchange weights with PyTorch" shows the layout of the weights and the
    order of the states.

    A module always returns the output of every step, and the last states; with
    `return_sequences=False`, a layer of Keras returns the last output only. PyTorch has no masks:
    sequences of different lengths are packed there (`torch.nn.utils.rnn.pack_padded_sequence`). The
    bias of an LSTM or a simple RNN becomes `bias_ih`, and `bias_hh` is zero. Not carried over,
    because the numbers do not depend on them: initializers (`unit_forget_bias` too), regularizers,
    constraints, `trainable` and `return_gates`. The dropout of a recurrent layer of Keras draws one
    mask for a sequence, that of PyTorch one for each step.

    Args:
        layer: A built layer of the kit or of `keras.layers`: `LSTM`, `GRU`, `SimpleRNN`, an `RNN`
            around one of their cells or a `ProjectedLSTMCell`, a `Bidirectional` around one of
            these, or a `StackedRNN`; or a list or a `Sequential` of such layers, also with
            `Dropout` between them.
        dropout: The rate of the module between its layers, in `[0, 1)`, in place of all dropout
            of the Keras layers. By default the dropout of the layers, which PyTorch must have.
        batch_first: Whether the module takes `(batch, time, features)`, as layers of Keras do, or
            `(time, batch, features)`.

    Returns:
        The module, in evaluation mode, on the CPU, with the dtype of the weights.

    Raises:
        TypeError: If `layer` is no layer, or something in it is none.
        ValueError: For what PyTorch does not have. The message names the layer, the argument and
            what to do: other cells and activations, `reset_after=False`, `merge_mode` other than
            `"concat"`, `go_backwards`, `stateful`, `residual`, `layer_norm`, `recurrent_dropout`,
            dropout before the first layer, layers of different units, kinds or dtypes, a
            projection that is not smaller than the units, and layers that are not built.
        ImportError: If PyTorch is not installed.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> stack = kit.StackedRNN([4, 4], cell="gru", bidirectional=True)
    >>> stack.build((None, 5, 3))
    >>> kit.to_torch(stack)
    GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True)
    """
    if dropout is not None:
        check_rate("to_torch", "dropout", dropout)
    rows = rows_of(layer, with_dropout=dropout is None)
    form = form_of_rows(rows, dropout)
    dtype = _dtype_of(rows)
    torch = optional_library("torch", "torch", "to_torch")
    options: dict[str, Any] = {"proj_size": form.projection} if form.projection else {}
    if form.kind == "simple_rnn":
        options["nonlinearity"] = form.activation
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):  # the random first weights are replaced
        module = getattr(torch.nn, MODULES[form.kind])(
            form.features,
            form.units,
            form.layers,
            bias=form.bias,
            batch_first=batch_first,
            dropout=form.dropout,
            bidirectional=form.bidirectional,
            device="cpu",
            dtype=getattr(torch, dtype),
            **options,
        )
    state = {name: torch.from_numpy(array) for name, array in state_of_rows(rows, form).items()}
    module.load_state_dict(state)
    return module.eval()


def form_of_rows(rows: list[Row], dropout: float | None) -> Form:
    """What the module of these layers is built from.

    Args:
        rows: The layers.
        dropout: The rate between them, or `None` for that of the layers.
    """
    first = _form_of_cell(rows[0], rows[0].cells[0])
    form = first._replace(
        layers=len(rows),
        bidirectional=len(rows[0].cells) == 2,
        dropout=_between(rows) if dropout is None else _given(dropout, rows),
    )
    features = form.features
    for row in rows:
        if len(row.cells) != 1 + form.bidirectional:
            refuse(
                row.layer,
                "All layers of a module of torch.nn have the same directions. Convert the layers "
                "one by one.",
                bidirectional=len(row.cells) == 2,
            )
        for cell in row.cells:
            _check_equal(row, _form_of_cell(row, cell), first._replace(features=features))
        features = len(row.cells) * form.width
    return form


def _form_of_cell(row: Row, cell: Any) -> Form:
    projection = getattr(cell, "projection", 0)
    if projection >= cell.units:
        refuse(
            row.layer,
            "The `proj_size` of a torch.nn.LSTM is smaller than its units.",
            projection=projection,
            units=cell.units,
        )
    activation = activation_name(cell.activation)
    return Form(
        kind_of(cell),
        features=int(cell.kernel.shape[0]),
        units=cell.units,
        bias=bool(cell.use_bias),
        projection=projection,
        activation=activation,
    )


def _check_equal(row: Row, form: Form, expected: Form) -> None:
    for name, value, wanted in zip(Form._fields, form, expected, strict=True):
        if value != wanted:
            refuse(
                row.layer,
                f"All layers and directions of a module of torch.nn have the same {name}, here "
                f"{wanted!r}. Convert the layers one by one."
                if name != "features"
                else f"The layers must follow each other: this one must take {wanted} features.",
                **{name: value},
            )


def _given(dropout: float, rows: list[Row]) -> float:
    if dropout and len(rows) == 1:
        raise ValueError(
            "`dropout` is the rate between the layers of the module, and there is one layer. Use "
            f"a torch.nn.Dropout before or after it. Received: dropout={dropout!r}"
        )
    return dropout


def _between(rows: list[Row]) -> float:
    """The dropout between the layers, which is the same everywhere in PyTorch."""
    if rows[0].dropout:
        refuse(
            rows[0].layer,
            f"A module of torch.nn has no dropout before its first layer. {REPLACED}",
            dropout=rows[0].dropout,
        )
    rates = [row.dropout for row in rows[1:]]
    if len(set(rates)) > 1:
        refuse(
            rows[-1].layer,
            f"A module of torch.nn has the same dropout between all its layers. {REPLACED}",
            dropout=rates,
        )
    return rates[0] if rates else 0.0


def _dtype_of(rows: list[Row]) -> str:
    """The dtype of the weights, which is the same in all layers."""
    dtypes = sorted(
        {str(weight.dtype) for row in rows for cell in row.cells for weight in cell.weights}
    )
    if len(dtypes) > 1:
        refuse(
            rows[0].layer,
            "All layers of a module of torch.nn have the same dtype. Convert them one by one.",
            dtypes=dtypes,
        )
    return dtypes[0]


def state_of_rows(rows: list[Row], form: Form) -> dict[str, np.ndarray]:
    """The parameters of the module of these layers, by name."""
    return {
        f"{name}{ending}": array
        for row, endings in zip(rows, form.endings, strict=True)
        for cell, ending in zip(row.cells, endings, strict=True)
        for name, array in to_torch_layout(form.kind, weights_of(cell)).items()
    }
