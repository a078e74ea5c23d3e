"""What a stack is built from: its arguments checked, and a recurrent layer for each."""

import re
from numbers import Integral
from typing import Any, NamedTuple

import keras

from keras_rnnkit import cells
from keras_rnnkit.cells._gated import check_rate
from keras_rnnkit.layers.gru import GRU
from keras_rnnkit.layers.lstm import LSTM
from keras_rnnkit.layers.min_rnn import MinGRU, MinLSTM
from keras_rnnkit.layers.rnn import RNN
from keras_rnnkit.layers.simple_rnn import SimpleRNN
from keras_rnnkit.running.loop import output_size


class Made(NamedTuple):
    """A cell that came out of a config, its options in it."""

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
    cells.SimpleRNNCell: SimpleRNN,
}


def checked_units(owner: str, units: Any) -> list[int]:
    """The units of each layer."""
    if not isinstance(units, list | tuple) or not units or not all(map(_is_positive, units)):
        raise ValueError(
            f"`units` of {owner} must be a list of positive integers, one for each layer. A stack "
            f"of one layer is `units=[8]`. Received: units={units!r}"
        )
    return [int(u) for u in units]


def _is_positive(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def one_per_layer(owner: str, name: str, value: Any, count: int) -> list[Any]:
    """The value for each layer: the same for all, or those of a list."""
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"`{name}` of {owner} must be one value, or a list of one for each of the {count} "
            f"layers. Received: {name}={value!r}"
        )
    return list(value)


def checked_rates(owner: str, name: str, value: Any, count: int) -> list[float]:
    """A dropout rate for each layer."""
    rates = one_per_layer(owner, name, value, count)
    for rate in rates:
        check_rate(owner, name, rate)
    return rates


def checked_seeds(owner: str, seed: Any, count: int) -> list[int | None]:
    """A seed for each layer: an integer counts on from the first."""
    if seed is None or isinstance(seed, list | tuple):
        return one_per_layer(owner, "seed", seed, count)
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise ValueError(
            f"`seed` of {owner} must be an integer, a list of one for each layer or None. "
            f"Received: seed={seed!r}"
        )
    return [int(seed) + i for i in range(count)]


def checked_options(owner: str, options: dict[str, Any] | None) -> dict[str, Any]:
    """`cell_options`, without what the stack sets itself."""
    own = sorted(set(options or {}) & _SET_BY_THE_STACK)
    if own:
        raise ValueError(
            f"`cell_options` of {owner} must not hold what the stack sets in its layers itself. "
            "Pass it to the stack, under the same name. "
            f"Received: cell_options with {', '.join(map(repr, own))}"
        )
    return dict(options or {})


_SET_BY_THE_STACK = {
    "dropout",
    "dtype",
    "go_backwards",
    "name",
    "path",
    "recurrent_dropout",
    "return_gates",
    "return_sequences",
    "return_state",
    "seed",
    "stateful",
    "units",
}


def cell_layer(
    owner: str, cell: Any, units: int, drop: dict[str, Any], options: dict[str, Any], **layer: Any
) -> Any:
    """The recurrent layer for an entry of `cell`.

    Args:
        owner: The stack, as an error calls it.
        cell: A name, a class, a function `units -> cell`, or a cell.
        units: The layer's units.
        drop: `dropout`, `recurrent_dropout` and `seed`.
        options: More arguments of the cell.
        **layer: The arguments of the layer.
    """
    if isinstance(cell, str):
        if cell not in CELLS:
            names = ", ".join(map(repr, CELLS))
            raise ValueError(f"`cell` of {owner} must be one of {names}. Received: cell={cell!r}")
        cell = CELLS[cell]
    drop = {n: v for n, v in drop.items() if v or (n == "seed" and v is not None)}
    if isinstance(cell, type):
        options = {**options, **drop}
        if cell in _LAYERS:
            return _LAYERS[cell](units, **options, **layer)
        if issubclass(cell, _OF_KERAS):  # a foreign class may not take a dtype
            options = {"dtype": layer["dtype"], **options}
        made = cell(units, **options)
    elif isinstance(cell, Made):
        made = cell.cell
    else:
        made = _made(owner, cell, units)
        if options or drop:
            raise ValueError(
                f"{owner}: `cell` is a cell, or a function that returns one, so that its options "
                "must be set there. "
                f"Received: {', '.join(f'{n}={v!r}' for n, v in {**options, **drop}.items())}"
            )
    _check_cell(owner, made)
    return RNN(made, **layer)


def cell_name(entry: Any) -> str | None:
    """The name of an entry of `cell`, if it is one of the kit's cells, as it is."""
    if isinstance(entry, str):
        return entry
    return next((name for name, kind in CELLS.items() if kind is entry), None)


def cell_config(name: str | None, cell: Any) -> Any:
    """An entry of `cell` for a config: a name, or the cell that came of it, serialized."""
    return keras.saving.serialize_keras_object(cell) if name is None else name


def cells_from_config(entries: list[Any]) -> list[Any]:
    """The entries of `cell` from those of a config."""
    load = keras.saving.deserialize_keras_object
    return [entry if isinstance(entry, str) else Made(load(entry)) for entry in entries]


def _made(owner: str, cell: Any, units: int) -> Any:
    """The cell itself, or what the function makes."""
    if isinstance(cell, keras.layers.Layer) or not callable(cell):
        of_cell = getattr(cell, "units", units)
        if of_cell != units:
            raise ValueError(
                f"{owner}: the cells in `cell` must have the widths in `units`. "
                f"Received: a cell of {of_cell} units, and {units} in `units`"
            )
        return cell
    return cell(units)


def check_apart(owner: str, entries: list[Any]) -> None:
    """Refuse one cell for several layers, which would then share their weights."""
    made = [id(cell) for cell in entries if isinstance(cell, keras.layers.Layer)]
    if len(set(made)) < len(made):
        raise ValueError(
            f"`cell` of {owner} holds the same cell more than once, so that layers would share "
            "weights. Give each layer a cell of its own, or a function `units -> cell`. "
            f"Received: {len(made)} cells, {len(set(made))} of them distinct"
        )


def check_choice(owner: str, name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a value that is not one of those allowed."""
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in allowed
    ):
        words = ", ".join(map(repr, allowed))
        raise ValueError(f"`{name}` of {owner} must be one of {words}. Received: {name}={value!r}")


def _check_cell(owner: str, cell: Any) -> None:
    if isinstance(cell, keras.layers.RNN):
        raise ValueError(
            f"`cell` of {owner} must be a cell, which computes one step, not a layer. Give its "
            f'cell: "lstm" or `LSTMCell` for an `LSTM`. Received: a layer {type(cell).__name__}'
        )
    missing = [name for name in ("call", "state_size") if not hasattr(cell, name)]
    if missing:
        raise ValueError(
            f"{owner}: a cell needs `call(inputs, states)` and `state_size`. `cell` takes a name "
            f"({', '.join(map(repr, CELLS))}), a cell class, or a function `units -> cell`. "
            f"Received: {type(cell).__name__}, without `{missing[0]}`"
        )


def check_joined(owner: str, widths: list[int]) -> None:
    """Refuse widths that plain residual connections cannot join."""
    if len(set(widths)) > 1:
        raise ValueError(
            f'{owner}: `residual="identity"` adds the input of a layer to its output, so that all '
            "layers must have the same width. `residual=True` puts a projection where widths "
            f"differ. Received: widths {widths}"
        )


def width_of(layer: Any, factor: int) -> int:
    """The width of a recurrent layer's output, `factor` times that of its cell."""
    return factor * output_size(layer.cell)
