"""`compare`: two models on one review."""

import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.test_parts import Pair
from tests.plots.traces import WORDS, GRULike, array, lstm, panels, simple, step_labels

pytestmark = pytest.mark.no_backend


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def gru():
    return GRULike(array(0, 1, 7), array(0, 1, 8), array(-1, 1, 9), array(-1, 1, 10), None)


def test_each_common_field_has_a_panel_with_the_means_of_both():
    first, second = lstm(), lstm(forget=array(0, 0.2))
    drawn = panels(plots.compare(first, second, WORDS, sample=1, names=("a", "b")))
    assert list(drawn) == ["input", "forget", "output", "candidate", "hidden", "cell"]
    for name, axes in drawn.items():
        for label, trace in (("a", first), ("b", second)):
            values = getattr(trace, name)[1]
            values = np.abs(values) if name in ("candidate", "hidden", "cell") else values
            assert np.allclose(lines(axes)[label], values.mean(axis=1))


def test_models_of_other_cells_share_some_fields():
    figure = plots.compare(lstm(), gru())
    assert list(panels(figure)) == ["candidate", "hidden"]
    with pytest.raises(ValueError, match=r"`fields` must be some of.*Received: fields='update'$"):
        plots.compare(lstm(), gru(), fields="update")


def test_layers_are_compared_in_their_order_whatever_their_names():
    figure = plots.compare({"lstm": lstm()}, {"lstm_1": lstm()}, fields="hidden")
    assert list(panels(figure)) == ["lstm / lstm_1 · hidden"]
    both = Pair(lstm(), lstm())
    figure = plots.compare(both, both, fields="hidden")
    assert list(panels(figure)) == ["forward · hidden", "backward · hidden"]


def test_a_gate_of_one_that_has_two_signs_in_the_other_is_compared_by_size():
    figure = plots.compare(lstm(), lstm(forget=array(-1, 1)), fields="forget")
    assert figure.axes[0].get_title(loc="left") == "forget: mean |x|"


def test_lines_differ_without_colour_and_are_named_once():
    figure = plots.compare(lstm(), lstm(), names=("$a_{$", "b"))
    first, second = panels(figure)["cell"].lines
    assert first.get_linestyle() != second.get_linestyle()
    legends = [axes.get_legend() for axes in panels(figure).values()]
    assert [text.get_text() for text in legends[0].get_texts()] == ["$a_{$", "b"]
    assert not any(legends[1:])
    figure.draw_without_rendering()


def test_masked_steps_are_left_out():
    mask = np.array([[1, 0, 1, 1, 0, 0], [1] * 6], dtype=bool)
    assert step_labels(plots.compare(lstm(mask), lstm(mask), WORDS)) == ["a", "$fine$", "and long"]
    with pytest.raises(ValueError, match=r"steps=3 in first, steps=6 in second$"):
        plots.compare(lstm(mask), lstm())


@pytest.mark.parametrize(
    ("first", "second", "options", "error", "message"),
    [
        (lstm(), 3, {}, TypeError, r"`second` must be a trace.*type\(second\)=int$"),
        (3, lstm(), {}, TypeError, r"`first` must be a trace.*type\(first\)=int$"),
        (lstm(), lstm(cell=np.zeros((2, 5, 3))), {}, ValueError, r"`second.cell` must have"),
        (Pair(lstm(), lstm()), lstm(), {}, ValueError, "parts=2 in first, parts=1 in second$"),
        (lstm(), lstm(), {"names": "ab"}, ValueError, r"`names`.*Received: names='ab'$"),
        (lstm(), lstm(), {"names": ["a"]}, ValueError, r"Received: names=\['a'\]$"),
        ({str(i): lstm() for i in range(3)},) * 2 + ({}, ValueError, "18 fields.*fields=None$"),
    ],
    ids=range(7),
)
def test_what_has_another_form_is_refused(first, second, options, error, message):
    with pytest.raises(error, match=message):
        plots.compare(first, second, **options)


def test_traces_without_a_common_field_are_refused():
    from tests.plots.traces import OwnLike

    own = OwnLike(array(0, 1), array(-1, 1), array(-5, 5), None)
    with pytest.raises(ValueError, match="a field in common"):
        plots.compare(own, simple(array(-1, 1)))
