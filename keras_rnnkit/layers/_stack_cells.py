"""The recurrent layer for an entry of a stack's `cell`, and that entry in a config."""

import re
from typing import Any, NamedTuple

import keras

from keras_rnnkit import cells
from keras_rnnkit.layers.gru import GRU
from keras_rnnkit.layers.lstm import LSTM
from keras_rnnkit.layers.min_rnn import RGLRU, MinGRU, MinLSTM
from keras_rnnkit.layers.rnn import RNN
from keras_rnnkit.layers.simple_rnn import SimpleRNN


class Made(NamedTuple):
    """A cell from a config, which holds its options."""

    cell: Any


def _snake(name: str) -> str:
    """`LayerNormLSTMCell` as `layer_norm_lstm`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", name.removesuffix("Cell"))
    return "_".join(words).lower()


CELLS = {
    _snake(name): kind
    for name, kind in sorted(vars(cells).items())
    if isinstance(kind, type) and issubclass(kind, cells.GatedCell) and kind is not cells.GatedCell
}
_OF_KERAS = (
    cells.GatedCell,
    keras.layers.GRUCell,
    keras.layers.LSTMCell,
    keras.layers.SimpleRNNCell,
)
_LAYERS = {
    cells.GRUCell: GRU,
    cells.LSTMCell: LSTM,
    cells.MinGRUCell: MinGRU,
    cells.MinLSTMCell: MinLSTM,
    cells.RGLRUCell: RGLRU,
    cells.SimpleRNNCell: SimpleRNN,
}


def cell_layer(
    owner: str,
    cell: Any,
    units: int,
    dropout: dict[str, Any],
    options: dict[str, Any],
    **layer: Any,
) -> Any:
    """The recurrent layer for an entry of `cell`.

    Args:
        owner: The stack's name in an error.
        cell: A name, a class, a function `units -> cell`, or a cell.
        units: The layer's units.
        dropout: `dropout`, `recurrent_dropout` and `seed`.
        options: More arguments of the cell.
        **layer: The arguments of the layer.
    """
    if isinstance(cell, str):
        if cell not in CELLS:
            names = ", ".join(map(repr, CELLS))
            raise ValueError(f"`cell` of {owner} must be one of {names}. Received: cell={cell!r}")
        cell = CELLS[cell]
    dropout = {n: v for n, v in dropout.items() if v or (n == "seed" and v is not None)}
    if isinstance(cell, type):
        options = {**options, **dropout}
        if cell in _LAYERS:
            return _LAYERS[cell](units, **options, **layer)
        if issubclass(cell, _OF_KERAS):  # other classes may not take a dtype
            options = {"dtype": layer["dtype"], **options}
        made = cell(units, **options)
    elif isinstance(cell, Made):
        made = cell.cell
    else:
        made = _made(owner, cell, units)
        if options or dropout:
            raise ValueError(
                f"{owner}: `cell` is a cell, or a function that returns one, so that its options "
                "must be set there. "
                f"Received: {', '.join(f'{n}={v!r}' for n, v in {**options, **dropout}.items())}"
            )
    _check_cell(owner, made)
    return RNN(made, **layer)


def cell_name(entry: Any) -> str | None:
    """The name of an entry of `cell`, if it is the name or the class of a cell of the kit."""
    if isinstance(entry, str):
        return entry
    return next((name for name, kind in CELLS.items() if kind is entry), None)


def cell_config(name: str | None, cell: Any) -> Any:
    """An entry of `cell` for a config: a name, or the serialized cell."""
    return keras.saving.serialize_keras_object(cell) if name is None else name


def cells_from_config(entries: list[Any]) -> list[Any]:
    """The entries of `cell` from those of a config."""
    load = keras.saving.deserialize_keras_object
    return [entry if isinstance(entry, str) else Made(load(entry)) for entry in entries]


def _made(owner: str, cell: Any, units: int) -> Any:
    """The cell itself, or the one that the function returns."""
    if isinstance(cell, keras.layers.Layer) or not callable(cell):
        of_cell = getattr(cell, "units", units)
        if of_cell != units:
            raise ValueError(
                f"{owner}: the cells in `cell` must have the widths in `units`. "
                f"Received: cell.units={of_cell}, units={units}"
            )
        return cell
    return cell(units)


def _check_cell(owner: str, cell: Any) -> None:
    if isinstance(cell, keras.layers.RNN):
        raise ValueError(
            f"`cell` of {owner} must be a cell, which computes one step, not a layer. Give its "
            f'cell: "lstm" or `LSTMCell` for an `LSTM`. Received: cell={cell!r}'
        )
    missing = [name for name in ("call", "state_size") if not hasattr(cell, name)]
    if missing:
        raise ValueError(
            f"{owner}: a cell needs `call(inputs, states)` and `state_size`. `cell` takes a name "
            f"({', '.join(map(repr, CELLS))}), a cell class, or a function `units -> cell`. "
            f"Received: cell={cell!r}, without `{missing[0]}`"
        )
