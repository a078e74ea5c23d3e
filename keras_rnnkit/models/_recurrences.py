"""The gated recurrence of a record: `state[t] = kept[t] * state[t-1] + written[t] * candidate[t]`.

It is what the exact decompositions of a state are made of.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit.models.records import origin_of

# By cell: the state that is a weighted sum, and what multiplies the old state and the candidate.
_EQUATIONS: dict[str, tuple[str, Callable[[Any], tuple[Any, Any]]]] = {
    **dict.fromkeys(
        ("LSTMCell", "CoupledLSTMCell", "PeepholeLSTMCell", "ProjectedLSTMCell"),
        ("cell", lambda gates: (gates.forget, gates.input)),
    ),
    **dict.fromkeys(
        ("GRUCell", "LayerNormGRUCell"),
        ("hidden", lambda gates: (gates.update, 1 - gates.update)),
    ),
    "MinLSTMCell": ("hidden", lambda gates: (gates.forget, gates.input)),
    "MinGRUCell": ("hidden", lambda gates: (1 - gates.update, gates.update)),
}
_NO_GATE = "no gate decides how much of its state is kept: the old state goes through a product"
_REFUSED = {
    "SimpleRNNCell": f"{_NO_GATE} and an activation",
    "LayerNormSimpleRNNCell": f"{_NO_GATE}, a normalisation and an activation",
    "ESNCell": f"{_NO_GATE} and an activation",
    "NASCell": "its new cell state is an activation of the old one, not a multiple of it",
    "LayerNormLSTMCell": "its cell state is normalised in each step, so it is no weighted sum",
}


class Recurrence(NamedTuple):
    """The recurrence of a record, in running order and float64.

    Attributes:
        state: The name of the state, `"cell"` or `"hidden"`.
        kept: What the old state is multiplied by, `(batch, time, units)`; one at masked steps.
        written: What the candidate is multiplied by, of the same shape; zero at masked steps.
        candidate: `(batch, time, units)`.
        states: The state after each step, `(batch, time, units)`.
        initial: The state before the first step, `(batch, units)`.
        mask: Booleans `(batch, time)`.
        backward: Whether the record is stored in the reverse of the running order.
        dtype: That of the record; float32 for half precision.
    """

    state: str
    kept: np.ndarray
    written: np.ndarray
    candidate: np.ndarray
    states: np.ndarray
    initial: np.ndarray
    mask: np.ndarray
    backward: bool
    dtype: Any

    def of_units(self, units: list[int]) -> "Recurrence":
        """The recurrence of some units."""
        fields = ("kept", "written", "candidate", "states", "initial")
        return self._replace(**{name: getattr(self, name)[..., units] for name in fields})


def recurrence_of(record: Any) -> Recurrence:
    """The recurrence of a record of `trace`, after a check that its numbers follow it.

    Raises:
        ValueError: If the cell has none, or the record does not follow it or is a bare one.
    """
    origin = origin_of(record)
    reason = why_no_recurrence(origin.cell)
    if reason:
        raise ValueError(
            "`trace` must be of a cell whose state is a weighted sum of its candidates. Of "
            f"{origin.cell}, {reason}. `keras_rnnkit.attribute(model, x)` says of any model which "
            f"words decided. Received: cell={origin.cell}"
        )
    state, weights_of = _EQUATIONS[origin.cell]
    place = 1 if state == "cell" else 0  # of the state among the cell's states
    dtype = np.float64 if record.candidate.dtype == np.float64 else np.float32
    gates = type(record)(*(_rows(array, np.ndim(record.mask)) for array in record))
    kept, written = weights_of(gates)
    mask = gates.mask.astype(bool)
    if origin.zoneout is not None:
        rate = origin.zoneout[place]
        kept, written = rate + (1 - rate) * kept, (1 - rate) * written
    kept, written = np.where(mask[..., None], kept, 1), np.where(mask[..., None], written, 0)
    initial = np.asarray(origin.initial_states[place], "float64")
    initial = initial.reshape(-1, initial.shape[-1])
    states = getattr(gates, state)
    arrays = [kept, written, gates.candidate, states, mask]
    if origin.backward:
        arrays = [array[:, ::-1] for array in arrays]
    kept, written, candidate, states, mask = arrays
    found = Recurrence(
        state, kept, written, candidate, states, initial, mask, origin.backward, dtype
    )
    _check(found, record, origin.cell)
    return found


def why_no_recurrence(cell: str) -> str:
    """Why the state of a cell is no weighted sum of its candidates; `""` if it is one."""
    if cell in _EQUATIONS:
        return ""
    return _REFUSED.get(cell, "only the equations of the kit's own gated cells are known")


def _rows(array: Any, leading: int) -> np.ndarray:
    """In float64, `(batch, time, ...)`; the outer steps of `TimeDistributed` are rows.

    Args:
        array: A field, `(batch, time, ...)` or `(batch, outer time, time, ...)`.
        leading: How many axes the mask has, 2 or 3.
    """
    array = np.asarray(array, "float64")
    rows = int(np.prod(array.shape[: leading - 1]))
    return array.reshape(rows, *array.shape[leading - 1 :])


def _check(found: Recurrence, record: Any, cell: str) -> None:
    """Refuse a record whose states are not what its gates make of them."""
    if not found.kept.shape[1]:
        return
    before = np.concatenate([found.initial[:, None], found.states[:, :-1]], axis=1)
    expected = found.kept * before + found.written * found.candidate
    error = np.abs(expected - found.states)
    tolerance = 2e-2 if np.asarray(record.candidate).dtype.itemsize < 4 else 1e-4
    if np.any(error > tolerance * (1 + np.abs(found.states))):
        raise ValueError(
            f"`trace` must be a record as `keras_rnnkit.trace` returns it, and the state "
            f"'{found.state}' of this one does not follow from its gates by the equations of "
            f"{cell}. Received: largest error={np.nanmax(error):.3g}"
        )
