r"""Contextual decomposition of an LSTM by phrases (Murdoch, Liu and Yu, 2018).

Every state is split into $\beta$, what comes from the phrase, and $\gamma$, all else. A function of
a sum is split by the mean over both orders in which the parts can be added, after the bias:

$$
L_\phi(\beta) = \tfrac12 [\phi(\beta + b) - \phi(b) + \phi(\beta + \gamma + b) - \phi(\gamma + b)]
$$

As in the authors' code, $x_t W$ belongs to the phrase within it and to the rest outside, a product
of two parts belongs to the phrase if one of them does and the other is not of the rest, and the
product of the biases of input gate and candidate belongs to the phrase within it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnnkit._checks import is_integer
from keras_rnnkit.layers import LearnedInitialState, StackedRNN
from keras_rnnkit.models._attribute_last import Last, Part, applied, last_of, refuse_cell
from keras_rnnkit.models._attribute_model import Question, gap_of

Spans = list[tuple[int, int]]
_BLOCK_BYTES = 4 * 2**20  # of one state of all phrases of a block of rows


def _checked_spans(spans: Any, steps: int) -> Spans:
    """The spans as tuples of integers."""
    found = list(spans) if isinstance(spans, list | tuple) else []
    pairs = [tuple(one) for one in found if isinstance(one, list | tuple | np.ndarray)]
    valid = all(
        len(one) == 2 and all(map(is_integer, one)) and 0 <= one[0] <= one[1] <= steps
        for one in pairs
    )
    if not pairs or len(pairs) != len(found) or not valid:
        raise ValueError(
            "`spans` must be a list of phrases `(start, stop)`, half-open as slices are, with "
            f"0 <= start <= stop <= {steps}. Received: spans={spans!r}"
        )
    return [(int(start), int(stop)) for start, stop in pairs]


def contextual(question: Question, spans: Any) -> tuple[dict[str, Any], Spans, int]:
    """The part of the explained logit that comes from each phrase by itself.

    Returns:
        A dict of `scores` `(batch, spans)`, `mask` `(batch, time)`, and for each row `total`, the
        logit, `bias`, that of the head, and `gap`, how far phrase, rest and bias are from the logit
        at most; the spans; and the number of steps.
    """
    last = last_of(question, "contextual")
    part = last.parts[0]
    _check(part, last)
    x = _inputs_of(question, last).astype("float64")
    spans = _checked_spans(spans, x.shape[1])
    inside = np.array([[start <= t < stop for t in range(x.shape[1])] for start, stop in spans])
    if part.flipped:
        x, inside = x[:, ::-1], inside[:, ::-1]
    inside = inside.reshape(len(spans), -1)
    weights = question.chosen @ part.kernel.T
    size = max(1, _BLOCK_BYTES // max(1, 8 * len(spans) * weights.shape[1]))
    blocks = [slice(start, start + size) for start in range(0, len(x), size)]
    parts = [_of_block(part, x, inside, weights, block) for block in blocks]
    scores, rest = (np.concatenate(each) for each in zip(*parts, strict=True))
    bias, total = question.chosen @ last.bias, question.total
    gaps = gap_of(scores + rest + bias[:, None], np.broadcast_to(total[:, None], scores.shape))
    found = {
        "scores": scores + 0.0,
        "total": total,
        "bias": bias,
        "gap": gaps.max(axis=1),
        "mask": part.mask,
    }
    return found, spans, x.shape[1]


def _check(part: Part, last: Last) -> None:
    cell = part.origin.cell
    if cell != "LSTMCell" or len(last.parts) > 1 or part.origin.zoneout is not None:
        refuse_cell("contextual", part, "only a plain LSTM of one direction is decomposed")
    if _is_stack(last.layer):
        reason = "each step of its last layer depends on several words, through the layers before"
        refuse_cell("contextual", part, reason)
    if last.earlier:
        names = ", ".join(map(repr, last.earlier))
        reason = f"each of its steps depends on several words, through the layers {names}"
        refuse_cell("contextual", part, reason)
    if np.any(np.abs(part.activate(np.zeros(1))) > 1e-12):
        name = part.origin.options.get("activation")
        refuse_cell("contextual", part, f"its activation '{name}' is not zero at zero")


def _is_stack(layer: Any) -> bool:
    """Whether a layer has recurrent layers, or cells, on top of each other."""
    if isinstance(layer, LearnedInitialState):
        return _is_stack(layer.layer)
    cell = getattr(layer, "cell", None)
    return isinstance(layer, StackedRNN) or isinstance(cell, keras.layers.StackedRNNCells)


def _of_block(
    part: Part, x: np.ndarray, inside: np.ndarray, weights: np.ndarray, block: slice
) -> list[np.ndarray]:
    """The logits of each phrase and of the rest, `(rows, spans)`, for a block of rows."""
    states = tuple(state[block] for state in part.origin.initial_states)
    found = decomposed(part.cell, x[block], part.trace.mask[block], states, inside)
    return [np.einsum("bsu,bu->bs", state, weights[block]) for state in found]


def decomposed(
    cell: Any, x: np.ndarray, mask: np.ndarray, states: tuple[Any, ...], inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What of the last hidden state comes from each phrase, and the rest.

    Args:
        cell: That of the LSTM.
        x: What it is called on, `(batch, time, features)`, in running order.
        mask: Booleans `(batch, time)`.
        states: Those before the first step, hidden and cell, each `(batch, units)`.
        inside: Which steps belong to each phrase, booleans `(spans, time)`, in running order.

    Returns:
        Two arrays `(batch, spans, units)`.
    """
    kernel, recurrent, b = _weights(cell)
    shape = (len(x), len(inside), recurrent.shape[0])
    rest_h, rest_c = (
        np.broadcast_to(np.asarray(state, "float64")[:, None], shape) for state in states
    )
    phrase_h = phrase_c = np.zeros(shape)
    projected = x @ kernel
    for t in range(x.shape[1]):
        within = inside[None, :, t, None]
        of_word = np.broadcast_to(projected[:, None, t], (*shape[:2], kernel.shape[1]))
        phrase = np.split(phrase_h @ recurrent + of_word * within, 4, axis=-1)
        rest = np.split(rest_h @ recurrent + of_word * ~within, 4, axis=-1)
        new = _step(cell, phrase, rest, np.split(b, 4), phrase_c, rest_c, within)
        valid = mask[:, t, None, None]
        old = (phrase_h, rest_h, phrase_c, rest_c)
        phrase_h, rest_h, phrase_c, rest_c = (
            np.where(valid, after, before) for after, before in zip(new, old, strict=True)
        )
    seen = np.reshape(mask.any(axis=1), (-1, 1, 1))
    return phrase_h * seen, rest_h * seen


def _weights(cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernel, recurrent kernel and bias, zero without one, in float64."""
    kernel, recurrent = (
        np.asarray(ops.convert_to_numpy(weight), "float64")
        for weight in (cell.kernel, cell.recurrent_kernel)
    )
    if not cell.use_bias:
        return kernel, recurrent, np.zeros(kernel.shape[1])
    return kernel, recurrent, np.asarray(ops.convert_to_numpy(cell.bias), "float64")


def _step(
    cell: Any, phrase: Any, rest: Any, bias: Any, phrase_c: Any, rest_c: Any, within: Any
) -> tuple[np.ndarray, ...]:
    """The new states `(phrase_h, rest_h, phrase_c, rest_c)`; gates are in the order i, f, g, o."""

    def gate(values: np.ndarray) -> np.ndarray:
        return applied(cell.recurrent_activation, values)

    def activate(values: np.ndarray) -> np.ndarray:
        return applied(cell.activation, values)

    phrase_i, rest_i, bias_i = _split(gate, phrase[0], rest[0], bias[0])
    phrase_f, rest_f, bias_f = _split(gate, phrase[1], rest[1], bias[1])
    phrase_g, rest_g, bias_g = _split(activate, phrase[2], rest[2], bias[2])
    of_biases = bias_i * bias_g
    new = phrase_i * (phrase_g + bias_g) + bias_i * phrase_g + within * of_biases
    new_rest = rest_i * (phrase_g + rest_g + bias_g) + (phrase_i + bias_i) * rest_g
    new = new + (phrase_f + bias_f) * phrase_c
    f = phrase_f + rest_f + bias_f
    new_rest = new_rest + ~within * of_biases + f * rest_c + rest_f * phrase_c
    o = gate(phrase[3] + rest[3] + bias[3])
    phrase_h, rest_h, _ = _split(activate, new, new_rest, np.zeros(1))
    return o * phrase_h, o * rest_h, new, new_rest


def _split(function: Any, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[Any, Any, Any]:
    """The parts of `function(a + b + c)` that are due to a, to b, and to c, which comes first."""
    alone, with_a, with_b, both = function(c), function(a + c), function(b + c), function(a + b + c)
    return (
        0.5 * (with_a - alone + both - with_b),
        0.5 * (with_b - alone + both - with_a),
        np.broadcast_to(alone, np.shape(a)),
    )


def _inputs_of(question: Question, last: Last) -> np.ndarray:
    """What the last recurrent layer is called on, `(batch, time, features)`."""
    rows = question.rows
    found = question.function.inputs_of(
        last.layer, [rows.of(block) for block in rows.blocks(range(rows.count), rows.size)]
    )
    return np.concatenate(found)[: rows.count]
