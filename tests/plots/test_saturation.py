"""`saturation`: the fractions of closed and open steps, unit by unit."""

import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.test_parts import Pair
from tests.plots.traces import GRULike, OwnLike, array, lstm, panels, simple

pytestmark = pytest.mark.no_backend


def dots(axes):
    """`(opened, closed)` of each unit."""
    return np.asarray(axes.collections[0].get_offsets())


def test_a_dot_is_the_fraction_of_open_and_of_closed_steps():
    forget = array(0, 1)
    drawn = panels(plots.saturation(lstm(forget=forget)))
    assert list(drawn) == ["input", "forget", "output"]
    expected = [[(forget[..., u] > 0.9).mean(), (forget[..., u] < 0.1).mean()] for u in range(3)]
    assert np.allclose(dots(drawn["forget"]), expected)


def test_masked_steps_do_not_count():
    forget = array(0.4, 0.6)
    forget[:, 3:] = 0  # as a layer's trace has it at masked steps
    mask = np.array([[1, 1, 1, 0, 0, 0]] * 2, dtype=bool)
    assert not dots(panels(plots.saturation(lstm(mask, forget=forget)))["forget"]).any()
    assert dots(panels(plots.saturation(lstm(forget=forget)))["forget"]).any()


def test_limits_are_arguments():
    trace = lstm(forget=np.full((2, 6, 3), 0.85))
    axes = panels(plots.saturation(trace, high=0.8, fields="forget"))["forget"]
    assert (dots(axes) == [1, 0]).all()
    assert axes.get_xlabel() == "fraction of steps above 0.8"
    with pytest.raises(ValueError, match=r"Received: low=0.9, high=0.1$"):
        plots.saturation(trace, low=0.9, high=0.1)


def test_the_most_saturated_units_have_their_numbers():
    gate = np.full((1, 10, 300), 0.5)
    gate[:, :, 17] = 1.0
    gate[:, :6, 201] = 0.0
    axes = panels(plots.saturation(GRULike(gate, gate, gate, gate, None)))["update"]
    names = [text.get_text() for text in axes.texts[1:]]
    assert names[:2] == ["17", "201"]
    assert "300 units" in axes.texts[0].get_text()


def test_numbers_do_not_cover_each_other():
    figure = plots.saturation(lstm(forget=array(0, 1)))
    figure.draw_without_rendering()
    for axes in panels(figure).values():
        boxes = [text.get_window_extent() for text in axes.texts]
        pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
        assert not any(a.overlaps(b) for a, b in pairs)


def test_layers_of_other_cells_are_in_one_picture():
    gru = GRULike(array(0, 1), array(0, 1), array(-1, 1), array(-1, 1), None)
    drawn = panels(plots.saturation({"gru": gru, "lstm": lstm()}))
    assert list(drawn) == ["gru · update", "gru · reset"] + [
        f"lstm · {name}" for name in ("input", "forget", "output")
    ]
    two = plots.saturation(Pair(lstm(), lstm()))
    rows = {axes.get_subplotspec().rowspan.start for axes in two.axes}
    assert len(two.axes) == 6 and rows == {0, 1}


def test_a_trace_without_gates_is_refused():
    with pytest.raises(ValueError, match=r"must have a gate.*Received: fields=None$"):
        plots.saturation(simple(array(-1, 1)))
    own = OwnLike(array(0, 1), array(-1, 1), array(-5, 5), None)
    assert list(panels(plots.saturation(own))) == ["attention"]
    mask = np.zeros((2, 6), bool)
    with pytest.raises(ValueError, match=r"a step that is not masked.*mask.any\(\)=False$"):
        plots.saturation(lstm(mask))
    many = {str(index): lstm() for index in range(6)}
    with pytest.raises(ValueError, match=r'18 gates.*trace\["0"\].*Received: fields=None$'):
        plots.saturation(many)
