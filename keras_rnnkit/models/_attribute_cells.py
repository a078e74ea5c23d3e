r"""The additive decomposition of a gated cell (Murdoch and Szlam, 2017).

At the last step T, $p_j = \prod_{k \ge j} f_k \odot c_{j-1}$ is left of the cell state before step
j. The score of step j is what the logit gains from its part of the cell state:

$$
\gamma_j = P (o_T \odot (\tanh(p_{j+1}) - \tanh(p_j)))
$$

with P the kernel of the head. The sum telescopes to $P h_T$, less the part of the initial state.
"""

from typing import Any

import numpy as np

from keras_rnnkit.models._attribute_last import Part, last_of, refuse_cell
from keras_rnnkit.models._attribute_model import Question, gap_of
from keras_rnnkit.models._recurrences import Recurrence, recurrence_of, why_no_recurrence

_MADE = ("LSTMCell", "CoupledLSTMCell", "PeepholeLSTMCell")  # hidden = output * activation(cell)


def cells(question: Question) -> dict[str, Any]:
    """The scores of the words in the explained logits; both directions are added up.

    Returns:
        `scores` and `mask` `(batch, time)`; and for each row `total`, the logit, `first`, the part
        of the initial state, `bias`, that of the head, and `gap`.
    """
    last = last_of(question, "cells")
    found = [_of_part(part, question.chosen @ part.kernel.T) for part in last.parts]
    scores, first = (np.sum(parts, axis=0) for parts in zip(*found, strict=True))
    bias = question.chosen @ last.bias
    gap = gap_of(scores.sum(-1) + first + bias, question.total)
    parts = {"first": first, "bias": bias, "gap": gap, "mask": last.parts[0].mask}
    return {"scores": scores, "total": question.total, **parts}


def _of_part(part: Part, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores and the part of the initial state of one direction.

    Args:
        part: The direction.
        weights: Those of its last hidden state in the explained logit, `(batch, units)`.
    """
    recurrence = _recurrence(part)
    left = _left(recurrence)  # of the states before the first step, after it, after the second, ...
    if recurrence.state == "cell":
        left = part.activate(left) * _last_output(part, recurrence)[:, None]
    parts = np.einsum("btu,bu->bt", left, weights)
    valid = recurrence.mask.any(axis=1)
    scores = np.where(recurrence.mask, np.diff(parts, axis=1), 0)
    if recurrence.backward != part.flipped:
        scores = scores[:, ::-1]
    return scores + 0.0, np.where(valid, parts[:, 0], 0)


def _left(recurrence: Recurrence) -> np.ndarray:
    """What is left at the end of the states before each step and after the last one.

    `(batch, time + 1, units)`, in running order.
    """
    states = np.concatenate([recurrence.initial[:, None], recurrence.states], axis=1)
    kept = np.cumprod(recurrence.kept[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([kept * states[:, :-1], states[:, -1:]], axis=1)


def _last_output(part: Part, recurrence: Recurrence) -> np.ndarray:
    """The output gate at the last valid step, `(batch, units)`."""
    output = np.asarray(part.trace.output, "float64")[:, part.running]
    steps = recurrence.mask.shape[1] - 1 - np.argmax(recurrence.mask[:, ::-1], axis=1)
    return output[np.arange(len(output)), steps]


def _recurrence(part: Part) -> Recurrence:
    """The recurrence of a part, after a check that its hidden state is made of it as is known."""
    cell, zoneout = part.origin.cell, part.origin.zoneout
    reason = why_no_recurrence(cell)
    if reason:
        refuse_cell("cells", part, reason)
    recurrence = recurrence_of(part.trace)
    if recurrence.state == "hidden":
        return recurrence
    if cell not in _MADE:
        refuse_cell("cells", part, "its hidden state is a product of others")
    if zoneout is not None and any(zoneout):
        refuse_cell("cells", part, "`Zoneout` mixes its states with older ones")
    if np.any(np.abs(part.activate(np.zeros(1))) > 1e-12):
        name = part.origin.options.get("activation")
        reason = f"its activation '{name}' is not zero at zero, so that no word would have a score"
        refuse_cell("cells", part, reason)
    return recurrence
