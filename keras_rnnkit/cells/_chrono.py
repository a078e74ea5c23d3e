"""Where in the bias of a cell the biases of `Chrono` are."""

from typing import Any

from keras import ops

from keras_rnnkit.initializers import Chrono


def has_chrono(cell: Any) -> bool:
    """Whether the `bias_initializer` of a cell is `Chrono`."""
    return isinstance(getattr(cell, "bias_initializer", None), Chrono)


def check_chrono(cell: Any) -> None:
    """Refuse `Chrono` for a cell that has no bias, or no gate that keeps its state."""
    if not has_chrono(cell):
        return
    name, chrono = type(cell).__name__, cell.bias_initializer
    if not cell.chrono_signs:
        raise ValueError(
            f"`bias_initializer` of {name} must not be Chrono: no block of its bias sets how long "
            "the cell remembers. Use a gated cell, such as `keras_rnnkit.LSTMCell`; a cell of your "
            "own sets `chrono_signs`. "
            f"Received: bias_initializer={chrono!r}"
        )
    if not cell.use_bias:
        raise ValueError(
            f"`use_bias` of {name} must be True with the `bias_initializer` Chrono, which has no "
            f"effect otherwise. Received: use_bias={cell.use_bias!r}, bias_initializer={chrono!r}"
        )


def bias_of_chrono(cell: Any) -> Any:
    """The initializer of the cell's whole bias: one row, or two of which the second is zero."""
    chrono, signs, units = cell.bias_initializer, cell.chrono_signs, cell.units

    def initial(shape: Any, dtype: Any = None) -> Any:
        if shape[-1] != len(signs) * units:
            raise ValueError(
                f"`chrono_signs` of {type(cell).__name__} must have a sign for each block of "
                f"{units} units in the bias. Received: chrono_signs={signs}, bias of shape {shape}"
            )
        b = chrono.biases(units, dtype)
        zeros = ops.zeros_like(b)
        row = ops.concatenate([sign * b if sign else zeros for sign in signs])
        return row if len(shape) == 1 else ops.stack([row, ops.zeros_like(row)])

    return initial
