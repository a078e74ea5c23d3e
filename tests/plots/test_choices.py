"""Which fields and units are drawn, the prediction so far, and the size of the picture."""

import itertools
import warnings

import keras
import matplotlib
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit import plots
from tests.plots.traces import GRULike, LSTMLike, panels, simple, step_labels

pytestmark = pytest.mark.no_backend


def moving(batch=1, time=12, units=20, seed=0):
    """A trace whose unit `k` moves the more, the nearer `k` is to 7."""
    rng = np.random.default_rng(seed)
    size = 0.9 / (1 + np.abs(np.arange(units) - 7))
    gate = rng.uniform(0, 1, (batch, time, units))
    hidden = rng.choice([-1, 1], (batch, time, units)) * size
    return GRULike(gate, gate[::-1], hidden * 0.5, hidden, None)


def units_of(axes):
    return [int(label.get_text()) for label in axes.get_yticklabels()[1:]]


def logistic(weights):
    return lambda hidden: 1 / (1 + np.exp(-(hidden @ weights)))


def test_units_come_in_the_order_in_which_their_hidden_state_varies():
    trace = moving()
    order = np.argsort(-trace.hidden[0].std(axis=0)).tolist()
    for name, axes in panels(plots.gates(trace, units=5)).items():
        assert units_of(axes) == order[:5]
        assert np.allclose(axes.images[0].get_array(), getattr(trace, name)[0].T[order[:5]])
    assert 6 <= len(units_of(panels(plots.gates(trace))["hidden"])) <= 12


def test_a_constant_unit_matters_least_however_great_its_state_is():
    trace = moving()
    trace.hidden[..., 3] = 0.99
    assert units_of(panels(plots.gates(trace, units=20, fields="hidden"))["hidden"])[-1] == 3


def test_with_a_head_units_come_in_the_order_in_which_the_prediction_depends_on_them():
    trace, weights = moving(), np.zeros(20)
    weights[[2, 15, 11]] = 40, -10, 4
    for head in (logistic(weights), logistic(weights[:, None])):
        drawn = panels(plots.gates(trace, units=3, head=head))
        assert units_of(drawn["hidden"]) == units_of(drawn["update"])
        assert set(units_of(drawn["hidden"])) == {2, 15, 11}


def test_the_effect_of_a_unit_is_how_far_the_prediction_moves_without_it(monkeypatch):
    from keras_rnnkit.plots import heads

    hidden = moving(time=9, units=7).hidden[0]
    head = logistic(np.random.default_rng(1).normal(size=(7, 3)))
    expected = []
    for unit in range(7):
        held = hidden.copy()
        held[:, unit] = hidden[:, unit].mean()
        expected.append(np.abs(head(held) - head(hidden)).max(axis=1).mean())
    for values in (1, 9 * 7 * 3, 1_000_000):  # one unit, three units, all units at a time
        monkeypatch.setattr(heads, "_VALUES_PER_CALL", values)
        assert np.allclose(heads.effect(head, hidden), expected, atol=1e-6)


def test_units_can_be_named_and_keep_the_order_they_are_named_in():
    drawn = panels(plots.gates(moving(), units=[9, 0, 19]))
    assert all(units_of(axes) == [9, 0, 19] for axes in drawn.values())


def test_fields_keep_the_order_they_are_named_in():
    figure = plots.gates(moving(), fields=["hidden", "update", "hidden"])
    assert list(panels(figure)) == ["hidden", "update"]
    assert list(panels(plots.gates(moving(), fields="reset"))) == ["reset"]


def test_fields_of_different_widths_have_units_of_their_own():
    trace = kit.RNN(kit.ProjectedLSTMCell(6, projection=2)).trace(np.ones((1, 4, 3), "f4"))
    drawn = panels(plots.gates(trace))
    assert sorted(units_of(drawn["cell"])) == list(range(6))
    assert units_of(drawn["forget"]) == units_of(drawn["cell"])
    assert sorted(units_of(drawn["hidden"])) == [0, 1]
    with pytest.raises(ValueError, match="from 0 to 1,"):
        plots.gates(trace, units=[4])
    assert units_of(panels(plots.gates(trace, units=[4], fields="cell"))["cell"]) == [4]


@pytest.mark.parametrize("units", [0, -1, True, [], [20], [-1], [1.5], [True]])
def test_wrong_units_are_refused(units):
    with pytest.raises(ValueError, match=r"`units` must be a positive number.*Received: units="):
        plots.gates(moving(), units=units)


@pytest.mark.parametrize("fields", ["cell", ["hidden", "mask"], []])
def test_wrong_fields_are_refused(fields):
    with pytest.raises(ValueError, match=r"`fields` must be some of.*'update'.*Received: fields="):
        plots.gates(moving(), fields=fields)


def prediction_panel(figure):
    return panels(figure)["prediction so far"]


def test_the_words_stand_below_the_prediction():
    figure = plots.gates(moving(time=3), ["a", "fine", "film"], head=logistic(np.ones(20)))
    assert list(panels(figure))[-1] == "prediction so far"
    assert step_labels(figure) == ["a", "fine", "film"]


def test_of_many_classes_the_five_likeliest_at_the_end_have_a_line():
    head = logistic(np.random.default_rng(0).normal(size=(20, 8)))
    trace = moving()
    axes = prediction_panel(plots.gates(trace, head=head))
    last = np.argsort(-head(trace.hidden[0].astype("f4"))[-1])[:5]
    lines = [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]
    assert lines == [f"class {index}" for index in last]


def test_logits_are_drawn_around_zero():
    axes = prediction_panel(plots.gates(moving(), head=lambda h: 9 * h.sum(axis=1)))
    assert axes.get_ylim()[0] < -1 and axes.get_ylim()[1] > 1


def test_in_a_stack_the_head_reads_the_last_layer():
    x = np.ones((1, 4, 3), "float32")
    trace = kit.StackedRNN([3, 2], return_gates=True)(x)[-1]
    shapes = []
    plots.gates(trace, head=lambda h: shapes.append(h.shape) or h[:, 0])
    assert {shape[1] for shape in shapes} == {2}


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        (0.5, TypeError, "`head` must be a layer.*head=0.5"),
        (lambda h: h[:2, 0], ValueError, r"each of the 12 rows.*\(2,\)"),
        (lambda h: h[None], ValueError, r"Received: head\(hidden\).shape=\(1, 12, 20\)$"),
        (lambda h: h * np.nan, ValueError, "finite"),
    ],
    ids=range(4),
)
def test_wrong_heads_are_refused(head, error, message):
    with pytest.raises(error, match=message):
        plots.gates(moving(), head=head)


def test_a_head_says_what_it_needs_of_a_trace():
    x = np.ones((1, 4, 3), "float32")
    trace = kit.Bidirectional(kit.GRU(2)).trace(x)
    with pytest.raises(ValueError, match=r"one direction.*plots.gates\(trace.forward, head"):
        plots.gates(trace, head=lambda h: h[:, 0])
    foreign = kit.RNN(keras.layers.GRUCell(2)).trace(x)
    with pytest.raises(ValueError, match=r"`hidden`.*trace._fields=.*'state_0'"):
        plots.gates(foreign, head=lambda h: h[:, 0])


@pytest.mark.parametrize("units", [8, 512])
@pytest.mark.parametrize("time", [5, 500])
@pytest.mark.parametrize("asked", [{}, {"fields": ["forget", "hidden"], "units": 512}])
def test_no_picture_is_higher_than_1600_pixels(units, time, asked, tmp_path):
    values = np.random.default_rng(0).uniform(0, 1, (1, time, units))
    trace = LSTMLike(*[values] * 6, None)
    words = ["incomprehensibilities"] * time
    path = tmp_path / "gates.png"
    plots.gates(trace, words, path=path, title="A title", head=lambda h: h.mean(axis=1), **asked)
    height, width, _ = matplotlib.image.imread(path).shape
    assert 300 < height <= 1600 and 700 < width <= 2000


@pytest.mark.parametrize("units", [8, 32])
def test_panels_words_and_numbers_of_units_do_not_touch(units):
    values = np.random.default_rng(0).uniform(0, 1, (1, 80, units))
    trace = LSTMLike(*[values] * 6, None)
    figure = plots.gates(trace, ["interesting"] * 80, head=lambda h: h.mean(axis=1))
    figure.draw_without_rendering()
    drawn = list(panels(figure).values())
    assert len(drawn[-1].get_xticklabels()) == 80
    for axes, labels in (
        (drawn[-1], drawn[-1].get_xticklabels()),
        (drawn[0], drawn[0].get_yticklabels()),
    ):
        boxes = [label.get_window_extent() for label in labels]
        along = "x" if axes is drawn[-1] else "y"
        sides = sorted((getattr(box, f"{along}0"), getattr(box, f"{along}1")) for box in boxes)
        overlap = max(end - start for (_, end), (start, _) in itertools.pairwise(sides))
        assert overlap < 0.35 * (sides[0][1] - sides[0][0])  # boxes have room above and below
    boxes = [axes.get_tightbbox() for axes in drawn]
    assert all(upper.y0 > lower.y1 for upper, lower in itertools.pairwise(boxes))
    assert min(axes.get_window_extent().height for axes in drawn) > 80
    assert min(box.y0 for box in boxes) >= 0


def test_of_too_many_words_those_are_shown_where_the_state_moves():
    hidden = np.zeros((1, 500, 4))
    hidden[0, 250:] = 0.5
    hidden[0, 404:] = -0.5
    words = [f"w{step}" for step in range(500)]
    shown = step_labels(plots.gates(simple(hidden), words))
    assert {"w250", "w404"} <= set(shown)
    assert 40 < len(shown) < 200
    jump = logistic(np.zeros(4))
    assert "w33" in step_labels(
        plots.gates(simple(hidden), words, head=lambda h: jump(h) + (np.arange(len(h)) % 500 > 32))
    )


TOKENS = [
    "שלום",
    "كتاب",
    "😀🫠",
    "👩‍👩‍👧",
    "\ud800",
    "좋은 영화",
    "ไทย",
    "\x00\x07",
    "e\u0301\u20dd",
    "",
    "a\u202eb",
    "$x$",
]


def test_tokens_of_every_script_can_be_drawn(tmp_path):
    trace = simple(np.zeros((1, len(TOKENS), 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.gates(trace, TOKENS, path=tmp_path / "gates.png")
    labels = step_labels(figure)
    assert labels[:2] == TOKENS[:2] and labels[-1] == "$x$"
    assert labels[4] == "\N{REPLACEMENT CHARACTER}"
    assert matplotlib.image.imread(tmp_path / "gates.png").std() > 0.01
