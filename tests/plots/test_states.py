"""`states`: which states and units are lines, and what surrounds them."""

import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.test_choices import moving
from tests.plots.test_parts import Pair
from tests.plots.traces import UNITS, WORDS, OwnLike, array, lstm, panels, step_labels

pytestmark = pytest.mark.no_backend


def lines(axes):
    """The values of each unit that is drawn."""
    return {
        int(line.get_label().removeprefix("unit ")): line.get_ydata()
        for line in axes.lines
        if line.get_label().startswith("unit ")
    }


def test_each_state_has_a_panel_with_a_line_for_each_unit():
    trace = lstm()
    drawn = panels(plots.states(trace, WORDS, sample=1, units=[2, 0]))
    assert list(drawn) == ["hidden", "cell"]
    for name, axes in drawn.items():
        assert list(lines(axes)) == [2, 0]
        for unit, values in lines(axes).items():
            assert np.allclose(values, getattr(trace, name)[1, :, unit])


def test_the_units_that_vary_most_are_drawn_over_the_band_of_all():
    trace = moving(units=40)
    axes = panels(plots.states(trace))["hidden"]
    assert list(lines(axes)) == np.argsort(-trace.hidden[0].std(axis=0)).tolist()[:5]
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices
    low, high = np.percentile(trace.hidden[0], [5, 95], axis=1)
    assert np.isclose(edges[:, 1].max(), high.max()) and np.isclose(edges[:, 1].min(), low.min())


def test_lines_differ_without_colour():
    axes = panels(plots.states(moving(), units=8))["hidden"]
    drawn = [line for line in axes.lines if line.get_label().startswith("unit")]
    patterns = {(str(line._unscaled_dash_pattern), line.get_linewidth()) for line in drawn}
    assert len(patterns) == 8


def test_masked_steps_are_left_out():
    mask = np.array([[1, 0, 1, 1, 0, 0], [1] * 6], dtype=bool)
    figure = plots.states(lstm(mask), WORDS)
    assert step_labels(figure) == ["a", "$fine$", "and long"]
    assert len(next(iter(lines(panels(figure)["cell"]).values()))) == 3


def test_fields_are_chosen_by_name_and_a_gate_may_be_one():
    assert list(panels(plots.states(lstm(), fields=["forget", "cell"]))) == ["forget", "cell"]
    with pytest.raises(ValueError, match=r"`fields` must be some.*Received: fields='memory'$"):
        plots.states(lstm(), fields="memory")


def test_the_states_of_an_unknown_cell_are_those_beyond_gates():
    trace = OwnLike(array(0, 1), array(-1, 1), array(-5, 5), None)
    assert list(panels(plots.states(trace))) == ["mixture", "memory"]


def test_directions_and_layers_stand_below_each_other():
    pair = Pair(lstm(), lstm())
    assert list(panels(plots.states(pair, fields="cell"))) == ["forward · cell", "backward · cell"]
    many = {f"layer {index}": lstm() for index in range(4)}
    with pytest.raises(ValueError, match=r'8 states in 4 parts.*trace\["layer 0"\].*fields=None$'):
        plots.states(many)


def test_more_lines_than_patterns_are_refused():
    with pytest.raises(ValueError, match=r"`units` must be at most 8.*Received: units=9$"):
        plots.states(moving(), units=9)
    with pytest.raises(ValueError, match=rf"from 0 to {UNITS - 1}.*Received: units=\[3\]$"):
        plots.states(lstm(), units=[3])
