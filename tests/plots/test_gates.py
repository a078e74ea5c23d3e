"""Heat maps: every field in its panel, with its colours, words and scale."""

import itertools

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from keras_rnnkit import plots
from tests.plots.traces import (
    TIME,
    WORDS,
    GRULike,
    OwnLike,
    array,
    in_order,
    limits,
    lstm,
    panels,
    simple,
    step_labels,
)

pytestmark = pytest.mark.no_backend


def test_every_field_of_the_sample_is_drawn_time_to_the_right():
    trace = lstm()
    drawn = in_order(trace, WORDS, sample=1)
    assert set(drawn) == set(trace._fields[:-1])
    for name, axes in drawn.items():
        assert np.allclose(axes.images[0].get_array(), getattr(trace, name)[1].T)


def test_kinds_stand_together_each_panel_with_its_colour_bar():
    figure = plots.gates(lstm())
    assert list(panels(figure)) == ["input", "forget", "output", "candidate", "hidden", "cell"]
    assert len(figure.axes) == 6 + 6


def test_colours_turn_at_zero_and_those_of_a_gate_lie_between_closed_and_open():
    drawn = panels(plots.gates(lstm(input=array(0.41, 0.72))))
    assert limits(drawn["forget"])[0] < 0.1 and limits(drawn["forget"])[1] > 0.9
    assert limits(drawn["input"]) == (0.4, 0.7)
    for name in ("candidate", "hidden", "cell"):
        low, high = limits(drawn[name])
        assert low == -high
        assert 0 <= high - np.percentile(np.abs(getattr(lstm(), name)[0]), 99) <= 0.1


def test_one_outlier_does_not_take_the_contrast_of_all_others():
    hidden = array(-0.1, 0.1)
    hidden[0, 0, 0] = 1
    one = np.tile(hidden[:1], (1, 40, 1))
    one[0, 1:, 0] = 0.05
    assert limits(panels(plots.gates(simple(one)))["hidden"])[1] <= 0.1


def test_a_gate_that_hardly_moves_keeps_a_range_of_its_own():
    for low, high in ((0.5, 0.501), (0.999, 1), (0, 0.001)):
        start, end = limits(panels(plots.gates(lstm(forget=array(low, high))))["forget"])
        assert 0 <= start <= low and high <= end <= 1
        assert np.isclose(end - start, 0.2)


def test_a_field_outside_its_range_is_drawn_with_the_unbounded():
    drawn = panels(plots.gates(lstm(candidate=array(0, 7), forget=array(-0.5, 1))))
    colors = {name: axes.images[0].get_cmap().name for name, axes in drawn.items()}
    assert colors["candidate"] == colors["cell"] != colors["hidden"] == colors["forget"]
    assert limits(drawn["candidate"])[0] < -5 and limits(drawn["forget"])[0] < 0


def test_fields_of_an_unknown_cell_are_placed_by_their_values():
    trace = OwnLike(array(0, 1), array(-1, 1), array(-5, 5), None)
    drawn = panels(plots.gates(trace))
    assert limits(drawn["attention"])[0] >= 0 > limits(drawn["mixture"])[0]
    assert limits(drawn["memory"])[0] < -4
    assert drawn["memory"].get_title(loc="left") == "memory"


def test_a_row_of_means_over_all_units_stands_above_those_that_are_drawn():
    trace = lstm()
    for name, axes in panels(plots.gates(trace, units=[1])).items():
        values = getattr(trace, name)[0]
        signed = name in ("candidate", "hidden", "cell")
        means = np.abs(values).mean(axis=1) if signed else values.mean(axis=1)
        assert np.allclose(axes.images[1].get_array(), means[None])
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == ["mean |x|" if signed else "mean", "1"]
        assert axes.images[1].get_extent()[3] < axes.images[0].get_extent()[3]  # y grows downwards


def test_an_all_zero_cell_can_be_drawn():
    low, high = limits(panels(plots.gates(lstm(cell=array(0, 0))))["cell"])
    assert low == -high < 0


@pytest.mark.parametrize("trace", [lstm(), simple(array(-1, 1))], ids=["lstm", "simple"])
def test_titles_say_what_a_field_does(trace):
    for name, axes in panels(plots.gates(trace)).items():
        assert axes.get_title(loc="left").startswith(f"{name}: ")
        assert axes.get_ylabel() == "unit"


def test_a_gru_has_words_of_its_own():
    trace = GRULike(array(0, 1), array(0, 1), array(-1, 1), array(-1, 1), None)
    drawn = panels(plots.gates(trace))
    assert drawn["update"].get_title(loc="left") == "update: how much of the old state is kept"


def test_tokens_label_the_steps_as_they_are_but_short(tmp_path):
    figure = plots.gates(lstm(), WORDS, path=tmp_path / "gates.png")
    expected = ["a", "truly", "$fine$", "and long", "incomprehensi…", "film"]
    assert step_labels(figure) == expected


def test_steps_are_numbered_without_tokens():
    figure = plots.gates(lstm())
    assert step_labels(figure) == list("012345")
    long = simple(np.zeros((1, 100, 2)))
    assert len(step_labels(plots.gates(long))) <= 25


@pytest.mark.parametrize("tokens", [WORDS, None], ids=["tokens", "numbers"])
def test_masked_steps_are_dropped(tokens):
    mask = np.array([[0, 1, 0, 1, 1, 0], [1] * TIME], dtype=bool)
    trace = lstm(mask)
    figure = plots.gates(trace, tokens)
    image = in_order(trace, tokens)["cell"].images[0].get_array()
    assert np.allclose(image, trace.cell[0, [1, 3, 4]].T)
    expected = ["1", "3", "4"] if tokens is None else ["truly", "and long", "incomprehensi…"]
    assert step_labels(figure) == expected
    assert len(step_labels(plots.gates(trace, tokens, sample=1))) == TIME


def test_negative_samples_count_from_the_end():
    image = in_order(lstm(), sample=-1)["cell"].images[0].get_array()
    assert np.allclose(image, lstm().cell[1].T)


@pytest.mark.parametrize("time", [1, 5, 40])
@pytest.mark.parametrize("units", [1, 4, 32])
def test_token_labels_do_not_overlap(time, units):
    trace = simple(np.zeros((1, time, units)))
    figure = plots.gates(trace, [f"word{step}" for step in range(time)])
    figure.draw_without_rendering()
    *_, last = panels(figure).values()
    ticks = [last.transData.transform((place, 0))[0] for place in last.get_xticks()]
    line_height = 9 / 72 * figure.dpi
    assert np.diff(ticks).min(initial=np.inf) > 1.3 * line_height
    boxes = [axes.get_tightbbox() for axes in panels(figure).values()]
    assert all(upper.y0 > lower.y1 for upper, lower in itertools.pairwise(boxes))


@pytest.mark.parametrize("token", ["film\ud800", "\udfff", "\ud800\udc00"])
def test_half_a_character_is_drawn_as_a_sign(tmp_path, token):
    figure = plots.gates(lstm(), [token, *["film"] * (TIME - 1)], path=tmp_path / "gates.png")
    assert matplotlib.image.imread(tmp_path / "gates.png").std() > 0.01
    labels = step_labels(figure)
    assert len(labels) == TIME
    assert not any("\ud800" <= letter <= "\udfff" for label in labels for letter in label)
