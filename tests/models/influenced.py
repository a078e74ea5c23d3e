"""Records computed by the oracles, and the state put together from an influence."""

import numpy as np

from keras_rnnkit.models.origins import Origin, with_origin
from tests.support.cases import CASES, MIN_CASES

EXACT = {"lstm", "gru", "gru_reset_before", "coupled_lstm", "peephole_lstm", "projected_lstm"}
EXACT |= {"layer_norm_gru"} | {case.name for case in MIN_CASES}
ALL = [*CASES, *MIN_CASES]
SUMS = [case for case in ALL if case.name in EXACT]
REFUSED = [case for case in ALL if case.name not in EXACT]
STEPS = 5


def record_of(case, mask, dtype="float64", backward=False):
    """A record of random weights and data, computed by the oracle."""
    rng = np.random.default_rng(3)
    weights, sizes = case.weights(rng, 3, 4), case.sizes(4)
    x = rng.normal(size=(len(mask), mask.shape[1], 3))
    states = [rng.normal(size=(len(mask), size)) for size in sizes]
    fields = case.oracle(x, weights, states, mask)
    arrays = {name: value.astype(dtype) for name, value in fields.items() if name != "mask"}
    arrays["mask"] = mask
    if backward:
        arrays = {name: value[:, ::-1] for name, value in arrays.items()}
    cell = case.cell(4, **case.options)
    states = tuple(state.astype(dtype) for state in states)
    origin = Origin(type(cell).__name__, states, backward, None, {})
    return with_origin(cell.trace_type(**arrays), origin)


def state_again(record, result):
    """The state, put together from what is left of each step and of the initial state."""
    place = 1 if result.state == "cell" else 0
    initial = record.origin.initial_states[place][:, None]
    parts = np.einsum("btju,bju->btu", result, record.candidate)
    return parts + result.first * initial
