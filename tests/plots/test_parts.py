"""Traces of several layers or directions, and traces that lost the names of their fields."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit import plots
from tests.plots.traces import panels

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


class Pair(NamedTuple):
    forward: Any
    backward: Any


def titles(figure):
    return list(panels(figure))


def drawn(figure, name):
    return panels(figure)[name].images[0].get_array()


def test_both_directions_stand_below_each_other():
    trace = kit.Bidirectional(kit.GRU(3)).trace(X)
    figure = plots.gates(trace, units=range(3))
    names = ("update", "reset", "candidate", "hidden")
    assert titles(figure) == [f"{way} · {n}" for way in ("forward", "backward") for n in names]
    expected = keras.ops.convert_to_numpy(trace.backward.hidden)[0].T
    assert np.allclose(drawn(figure, "backward · hidden"), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_layers_of_a_stack_stand_below_each_other(bidirectional):
    stack = kit.StackedRNN([3, 2], cell="gru", bidirectional=bidirectional, return_gates=True)
    trace = stack(X)[-1]
    figure = plots.gates(trace, fields=["update", "hidden"], units=1)
    directions = (" forward", " backward") if bidirectional else ("",)
    parts = [f"{name}{way}" for name in trace for way in directions]
    assert titles(figure) == [f"{part} · {n}" for part in parts for n in ("update", "hidden")]


def test_the_cells_of_an_rnn_stand_below_each_other():
    layer = kit.RNN([kit.GRUCell(2), kit.SimpleRNNCell(4)], return_gates=True)
    figure = plots.gates(layer(X)[-1], fields="candidate", units=[1])
    assert titles(figure) == ["cell 0 · candidate", "cell 1 · candidate"]


def test_a_cell_that_shows_no_gates_draws_its_states():
    layer = kit.RNN(keras.layers.LSTMCell(2), return_gates=True)
    assert titles(plots.gates(layer(X)[-1])) == ["state_0", "state_1"]


def test_too_many_panels_say_how_to_draw_fewer():
    stack = kit.StackedRNN([2, 2, 2], return_gates=True)
    trace = stack(X)[-1]
    with pytest.raises(ValueError, match=r'18 fields.*fields=.*trace\["rnn_0"\] or trace') as error:
        plots.gates(trace)
    assert str(error.value).endswith("Received: fields=None")
    parts = str(error.value).partition("draw a part alone: ")[2].partition(". Received")[0]
    for part in parts.split(" or "):
        assert titles(plots.gates(eval_part(part, trace)))
    stack = kit.StackedRNN([2, 2], bidirectional=True, return_gates=True)
    with pytest.raises(ValueError, match=r'trace\["rnn_1"\]\.backward'):
        plots.gates(stack(X)[-1])


def eval_part(part, trace):
    """`trace["rnn_0"]` of the message, taken out of the trace."""
    return trace[part.removeprefix('trace["').removesuffix('"]')]


def reloaded(tmp_path, layer):
    """What a model that returns the layer's trace returns once it was saved and loaded."""
    inputs = keras.Input((5, 3))
    keras.Model(inputs, layer(inputs)[-1]).save(tmp_path / "tracer.keras")
    return keras.models.load_model(tmp_path / "tracer.keras")(X)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN", "MinGRU", "MinLSTM", "RGLRU"])
def test_the_list_of_a_reloaded_model_says_which_type_names_its_fields(name, tmp_path):
    trace = reloaded(tmp_path, getattr(kit, name)(2, return_gates=True))
    assert type(trace) is list
    with pytest.raises(TypeError, match=rf"reloaded model.*kit\.{name}Trace\(\*trace\)"):
        plots.gates(trace)
    trace_type = getattr(kit, f"{name}Trace")
    assert sorted(titles(plots.gates(trace_type(*trace)))) == sorted(trace_type._fields[:-1])


def test_the_lists_of_a_reloaded_bidirectional_say_so_too(tmp_path):
    trace = reloaded(tmp_path, kit.Bidirectional(kit.LSTM(2), return_gates=True))
    with pytest.raises(TypeError, match=r"kit\.BidirectionalTrace\(kit\.LSTMTrace\(\*trace\[0\]\)"):
        plots.gates(trace)
    named = kit.BidirectionalTrace(kit.LSTMTrace(*trace[0]), kit.LSTMTrace(*trace[1]))
    assert len(titles(plots.gates(named))) == 12


def test_the_lists_of_a_reloaded_stack_name_the_layer(tmp_path):
    trace = reloaded(tmp_path, kit.StackedRNN([2, 2], cell="gru", return_gates=True))
    with pytest.raises(TypeError, match=r'kit\.GRUTrace\(\*trace\["rnn_0"\]\)'):
        plots.gates(trace)


@pytest.mark.parametrize(
    "layer",
    [
        kit.LSTM(2, return_gates=True, return_state=True),
        kit.Bidirectional(kit.GRU(2), return_gates=True),
        kit.StackedRNN([2], return_gates=True),
    ],
    ids=["lstm", "bidirectional", "stack"],
)
def test_what_a_layer_returned_says_where_the_trace_is(layer):
    with pytest.raises(TypeError, match=r"the layer returned: trace\[-1\]"):
        plots.gates(layer(X))


def test_parts_of_different_lengths_are_refused():
    short, long = (kit.GRU(2).trace(X[:, :steps]) for steps in (4, 5))
    with pytest.raises(ValueError, match=r"\(2, 4\) in the first.*\(batch, time\)=\(2, 5\)$"):
        plots.gates(Pair(short, long))
