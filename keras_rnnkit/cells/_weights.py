"""Weights of cells whose blocks or widths differ from those of their Keras cell."""

from typing import Any

import keras
from keras import ops


def add_gate_weights(
    cell: Any, features: int, hidden: int, gates: int, forget: int | None = None
) -> None:
    """Add `kernel`, `recurrent_kernel` and `bias`, a block of `cell.units` for each gate.

    Args:
        cell: The cell, with the initializers, regularizers and constraints of a Keras cell.
        features: Width of the inputs.
        hidden: Width of the hidden state.
        gates: The number of blocks, which are concatenated.
        forget: The block whose bias starts at one, if any.
    """
    width = gates * cell.units
    cell.kernel = add_part(cell, "kernel", (features, width))
    cell.recurrent_kernel = add_part(cell, "recurrent", (hidden, width), "recurrent_kernel")
    cell.bias = None
    if cell.use_bias:
        cell.bias = add_part(cell, "bias", (width,), initializer=_bias(cell, gates, forget))


def add_part(
    cell: Any, part: str, shape: tuple[int, ...], name: str | None = None, initializer: Any = None
) -> Any:
    """Add a weight with the initializer, regularizer and constraint of the cell's `part`."""
    return cell.add_weight(
        name=name or part,
        shape=shape,
        initializer=initializer or getattr(cell, f"{part}_initializer"),
        regularizer=getattr(cell, f"{part}_regularizer"),
        constraint=getattr(cell, f"{part}_constraint"),
    )


def take_part(cell: Any, part: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
    """Store the initializer, regularizer and constraint of a `part` that Keras' cell lacks."""
    setattr(cell, f"{part}_initializer", keras.initializers.get(initializer))
    setattr(cell, f"{part}_regularizer", keras.regularizers.get(regularizer))
    setattr(cell, f"{part}_constraint", keras.constraints.get(constraint))


def part_config(cell: Any, part: str) -> dict[str, Any]:
    """The config entries of what `take_part` stores."""
    return {
        f"{part}_initializer": keras.initializers.serialize(getattr(cell, f"{part}_initializer")),
        f"{part}_regularizer": keras.regularizers.serialize(getattr(cell, f"{part}_regularizer")),
        f"{part}_constraint": keras.constraints.serialize(getattr(cell, f"{part}_constraint")),
    }


def _bias(cell: Any, gates: int, forget: int | None) -> Any:
    """The bias initializer, with ones in the block of the forget gate."""
    if forget is None:
        return cell.bias_initializer

    def blocks(shape: Any, dtype: Any = None) -> Any:
        each = [cell.bias_initializer((cell.units,), dtype=dtype) for _ in range(gates)]
        each[forget] = ops.ones((cell.units,), dtype=dtype)
        return ops.concatenate(each)

    return blocks
