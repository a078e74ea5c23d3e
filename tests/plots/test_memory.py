"""`memory`: the half-life of each unit."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit import plots
from tests.plots.test_parts import Pair
from tests.plots.traces import array, lstm, panels, simple

pytestmark = pytest.mark.no_backend


class MinGRULike(NamedTuple):
    update: Any
    candidate: Any
    hidden: Any
    mask: Any


def drawn(figure, part=""):
    """The half-life by unit, in the order in which they are drawn; infinity above the edge."""
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(part))
    order = [int(label.get_text()) for label in axes.get_xticklabels()]
    values = {}
    for line in axes.lines:
        edge = {"^": np.inf, "v": 0.0}.get(line.get_marker())
        if line.get_marker() in ("o", "^", "v"):
            for place, height in line.get_xydata():
                values[order[int(place)]] = height if edge is None else edge
    return {unit: float(values[unit]) for unit in order}


def test_units_are_sorted_by_half_life():
    forget = np.broadcast_to([0.5, 0.9, 0.98], (2, 6, 3))
    found = drawn(plots.memory(lstm(forget=forget)))
    assert list(found) == [2, 1, 0]
    assert np.allclose(list(found.values()), np.log(0.5) / np.log([0.98, 0.9, 0.5]))


def test_masked_steps_do_not_count():
    forget = np.full((2, 6, 3), 0.5)
    forget[:, 4:] = 0
    mask = np.array([[1, 1, 1, 1, 0, 0]] * 2, dtype=bool)
    figure = plots.memory(lstm(mask, forget=forget))
    assert np.allclose(list(drawn(figure).values()), 1)
    assert "longest sequence: 4 steps" in [text.get_text() for text in figure.axes[0].texts]


def test_zero_and_one_are_at_the_edges():
    forget = np.broadcast_to([1.0, 0.0, 0.7], (2, 6, 3))
    found = drawn(plots.memory(lstm(forget=forget)))
    assert list(found) == [0, 2, 1] and found[0] == np.inf and found[1] == 0


def test_the_update_gate_of_a_min_gru_writes():
    update = np.broadcast_to([0.2, 0.5], (1, 4, 2))
    figure = plots.memory(MinGRULike(update, update, update, None))
    assert np.allclose(list(drawn(figure).values()), np.log(0.5) / np.log([0.8, 0.5]))
    assert "1 - update" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("name", ["LSTM", "GRU", "MinGRU", "MinLSTM", "RGLRU"])
def test_traces_of_layers(name):
    trace = getattr(kit, name)(4).trace(np.ones((2, 5, 3), "float32"))
    assert len(drawn(plots.memory(trace))) == 4


def test_each_direction_has_a_panel():
    figure = plots.memory(Pair(lstm(), lstm()))
    assert [title.split(" ·")[0] for title in panels(figure)] == ["forward", "backward"]


def test_a_gate_that_is_no_factor_is_refused():
    with pytest.raises(
        ValueError, match=r"multiplies the old state.*\('candidate', 'hidden', 'mask'\), cell=None$"
    ):
        plots.memory(simple(array(-1, 1)))
    with pytest.raises(ValueError, match=r"from 0 to 1.*'forget'.*Received: min=-2, max=2$"):
        plots.memory(lstm(forget=np.broadcast_to([-2.0, 2.0, 0.5], (2, 6, 3))))
    with pytest.raises(ValueError, match=r"at most 8 parts.*Received: parts=9$"):
        plots.memory({str(index): lstm() for index in range(9)})
