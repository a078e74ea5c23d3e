"""The gated recurrence of a trace: `state[t] = kept[t] * state[t-1] + written[t] * candidate[t]`.

At a reset, a new sequence starts: `state[t-1]` is then the state that it starts from. The exact
decompositions of a state are made of this recurrence.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit.models.origins import origin_of

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
    "RGLRUCell": ("hidden", lambda gates: (gates.forget, gates.scale * gates.input)),
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
    """The recurrence of a trace, in running order and float64.

    Attributes:
        state: The name of the state, `"cell"` or `"hidden"`.
        kept: What the old state is multiplied by, `(batch, time, units)`; one at masked steps.
        written: What the candidate is multiplied by, of the same shape; zero at masked steps.
        candidate: `(batch, time, units)`.
        states: The state after each step, `(batch, time, units)`.
        initial: The state before the first step, `(batch, units)`.
        resets: Booleans `(batch, time)`, or `None`: before which steps a new sequence starts.
        fresh: The state that a new sequence starts from, `(batch, units)`, or `None`.
        mask: Booleans `(batch, time)`.
        backward: Whether the trace is stored in the reverse of the running order.
        dtype: That of the trace; float32 for half precision.
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
    resets: np.ndarray | None = None
    fresh: np.ndarray | None = None

    def before(self) -> np.ndarray:
        """The state that each step multiplies, `(batch, time, units)`."""
        before = np.concatenate([self.initial[:, None], self.states[:, :-1]], axis=1)
        if self.resets is None or self.fresh is None:
            return before
        return np.where(self.resets[..., None], self.fresh[:, None], before)

    def of_units(self, units: list[int]) -> "Recurrence":
        """The recurrence of some units."""
        fields = ["kept", "written", "candidate", "states", "initial"]
        fields += [] if self.fresh is None else ["fresh"]
        return self._replace(**{name: getattr(self, name)[..., units] for name in fields})


def recurrence_of(trace: Any) -> Recurrence:
    """The recurrence of a trace, after a check that the numbers of the trace follow it.

    Raises:
        ValueError: If the cell has none, or the trace has no origin or does not follow the
            recurrence.
    """
    origin = origin_of(trace)
    reason = why_no_recurrence(origin.cell)
    if reason:
        raise ValueError(
            "`trace` must be of a cell whose state is a weighted sum of its candidates. Of "
            f"{origin.cell}, {reason}. `keras_rnnkit.attribute(model, x)` says of any model which "
            f"words decided. Received: cell={origin.cell}"
        )
    state, weights_of = _EQUATIONS[origin.cell]
    place = 1 if state == "cell" else 0  # of the state among the cell's states
    dtype = np.float64 if trace.candidate.dtype == np.float64 else np.float32
    gates = type(trace)(*(_rows(array, np.ndim(trace.mask)) for array in trace))
    kept, written = weights_of(gates)
    mask = gates.mask.astype(bool)
    if origin.zoneout is not None:
        rate = origin.zoneout[place]
        kept, written = rate + (1 - rate) * kept, (1 - rate) * written
    kept, written = np.where(mask[..., None], kept, 1), np.where(mask[..., None], written, 0)
    initial = _one_state(origin.initial_states[place])
    resets = fresh = None
    if origin.resets is not None:
        resets = np.reshape(origin.resets, mask.shape)
        fresh = _one_state(origin.fresh_states[place])
    states = getattr(gates, state)
    arrays = [kept, written, gates.candidate, states, mask, resets]
    if origin.backward:
        arrays = [array if array is None else array[:, ::-1] for array in arrays]
    kept, written, candidate, states, mask, resets = arrays
    recurrence = Recurrence(
        state,
        kept,
        written,
        candidate,
        states,
        initial,
        mask,
        origin.backward,
        dtype,
        resets,
        fresh,
    )
    _check(recurrence, trace, origin.cell)
    return recurrence


def why_no_recurrence(cell: str) -> str:
    """Why the state of a cell is no weighted sum of its candidates; `""` if it is one."""
    if cell in _EQUATIONS:
        return ""
    return _REFUSED.get(cell, "only the equations of the kit's own gated cells are known")


def _one_state(array: Any) -> np.ndarray:
    """A state `(batch, units)`, of all outer steps, in float64."""
    array = np.asarray(array, "float64")
    return array.reshape(-1, array.shape[-1])


def _rows(array: Any, leading: int) -> np.ndarray:
    """In float64, `(batch, time, ...)`; the outer steps of `TimeDistributed` are rows.

    Args:
        array: A field, `(batch, time, ...)` or `(batch, outer time, time, ...)`.
        leading: How many axes the mask has, 2 or 3.
    """
    array = np.asarray(array, "float64")
    rows = int(np.prod(array.shape[: leading - 1]))
    return array.reshape(rows, *array.shape[leading - 1 :])


def _check(recurrence: Recurrence, trace: Any, cell: str) -> None:
    """Refuse a trace whose states are not what its gates make of them."""
    if not recurrence.kept.shape[1]:
        return
    expected = recurrence.kept * recurrence.before() + recurrence.written * recurrence.candidate
    error = np.abs(expected - recurrence.states)
    tolerance = 2e-2 if np.asarray(trace.candidate).dtype.itemsize < 4 else 1e-4
    if np.any(error > tolerance * (1 + np.abs(recurrence.states))):
        raise ValueError(
            f"`trace` must be as `keras_rnnkit.trace` returned it, and the state "
            f"'{recurrence.state}' of this one does not follow from its gates by the equations of "
            f"{cell}. Received: largest error={np.nanmax(error):.3g}"
        )
