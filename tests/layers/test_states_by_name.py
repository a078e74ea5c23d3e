"""States given by name, wherever a layer takes states; wrong names are refused."""

from collections import namedtuple

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close, to_numpy

RNG = np.random.default_rng(0)
X, H, C, G, D = (RNG.normal(size=shape).astype("float32") for shape in ((2, 5, 4), *((2, 3),) * 4))
NAMED = {"hidden": H, "cell": C}  # in alphabetical order the two would change places
BACK = {"hidden": G, "cell": D}


def lstm(**options):
    return kit.LSTM(3, **options)


# What makes a layer, its states by name or in a structure, and the same in the layer's order.
GIVEN = {
    "LSTM": (lstm, NAMED, [H, C]),
    "LSTM, the other order": (lstm, {"cell": C, "hidden": H}, [H, C]),
    "LSTM, in a list": (lstm, [NAMED], [H, C]),
    "LSTM, its own NamedTuple": (lstm, namedtuple("States", ["hidden", "cell"])(H, C), [H, C]),
    "GRU": (lambda **o: kit.GRU(3, **o), {"hidden": H}, [H]),
    "GRU, bare": (lambda **o: kit.GRU(3, **o), H, [H]),
    "MinLSTM": (lambda **o: kit.MinLSTM(3, **o), {"hidden": H}, [H]),
    "RNN": (lambda **o: kit.RNN(kit.PeepholeLSTMCell(3), **o), NAMED, [H, C]),
    "RNN of Zoneout": (lambda **o: kit.RNN(kit.Zoneout(kit.LSTMCell(3)), **o), NAMED, [H, C]),
    "RNN of a foreign cell": (
        lambda **o: kit.RNN(keras.layers.LSTMCell(3), **o),
        {"state_1": C, "state_0": H},
        [H, C],
    ),
    "RNN of a stack": (
        lambda **o: kit.RNN([kit.LSTMCell(3), kit.GRUCell(3)], **o),
        [NAMED, {"hidden": G}],
        [H, C, G],
    ),
    "Bidirectional": (
        lambda **o: kit.Bidirectional(lstm(**o)),
        {"backward": BACK, "forward": NAMED},
        [H, C, G, D],
    ),
    "Bidirectional, a list": (
        lambda **o: kit.Bidirectional(lstm(**o)),
        [NAMED, [G, D]],
        [H, C, G, D],
    ),
    "Bidirectional, its own record": (
        lambda **o: kit.Bidirectional(lstm(**o)),
        kit.layers.BidirectionalStates(NAMED, BACK),
        [H, C, G, D],
    ),
    "StackedRNN": (
        lambda **o: kit.StackedRNN([3, 3], **o),
        {"rnn_1": BACK, "rnn_0": NAMED},
        [H, C, G, D],
    ),
    "StackedRNN, a list": (
        lambda **o: kit.StackedRNN([3, 3], **o),
        [NAMED, BACK],
        [H, C, G, D],
    ),
    "StackedRNN of one": (lambda **o: kit.StackedRNN([3], **o), {"rnn_0": NAMED}, [H, C]),
    "StackedRNN, both directions": (
        lambda **o: kit.StackedRNN([3], bidirectional=True, **o),
        {"rnn_0": {"backward": BACK, "forward": NAMED}},
        [H, C, G, D],
    ),
    "LearnedInitialState": (lambda **o: kit.LearnedInitialState(lstm(**o)), NAMED, [H, C]),
}


@pytest.mark.parametrize("name", GIVEN)
def test_names_count_in_a_call_and_in_a_trace(name):
    make, named, flat = GIVEN[name]
    layer = make()
    want = layer(X, initial_state=flat)
    assert_close(layer(X, initial_state=named), want)
    assert_close(layer.trace(X, initial_state=named), layer.trace(X, initial_state=flat))
    if len(flat) > 1:
        swapped = [flat[1], flat[0], *flat[2:]]
        assert not np.allclose(to_numpy(layer(X, initial_state=swapped)), to_numpy(want))


@pytest.mark.parametrize(
    ("make", "reset"),
    [
        (lstm, lambda layer: layer.reset_state({"cell": C, "hidden": H})),
        (lambda **o: kit.RNN(kit.LSTMCell(3), **o), lambda layer: layer.reset_state(NAMED)),
    ],
)
def test_names_count_in_a_reset(make, reset):
    layer = make(stateful=True)
    layer(X)
    reset(layer)
    assert_close(layer.states, [H, C])


def test_names_count_in_a_reset_of_a_stack():
    stack = kit.StackedRNN([3], bidirectional=True, stateful=True)
    stack(X)
    stack.reset_state({"rnn_0": {"backward": BACK, "forward": NAMED}})
    both = stack.recurrent_layers[0]
    assert_close([both.forward_layer.states, both.backward_layer.states], [[H, C], [G, D]])
    stack.reset_state()
    assert not to_numpy(both.backward_layer.states[1]).any()


def test_names_count_in_a_model_and_in_its_file(tmp_path):
    inputs, hidden, cell = keras.Input((5, 4)), keras.Input((3,)), keras.Input((3,))
    layer = lstm()
    outputs = layer(inputs, initial_state={"hidden": hidden, "cell": cell})
    model = keras.Model([inputs, hidden, cell], outputs)
    want = layer(X, initial_state=[H, C])
    assert_close(model.predict([X, H, C], verbose=0), want)
    model.save(tmp_path / "model.keras")
    assert_close(keras.models.load_model(tmp_path / "model.keras")([X, H, C]), want)


@pytest.mark.parametrize(
    ("make", "states", "words"),
    [
        (lstm, {"hidden": H, "cel": C}, r"'hidden', 'cell'; unknown: 'cel'; missing: 'cell'"),
        (lstm, {"hidden": H}, r"missing: 'cell'.*Received: names=\['hidden'\]"),
        (lstm, {"hidden": H, "cell": C, "more": C}, r"unknown: 'more'"),
        (
            lstm,
            namedtuple("Wrong", ["cell", "hidden"])(C, H),
            r"'hidden', 'cell', in this order.*Received: names=\['cell', 'hidden'\]",
        ),
        (lambda: kit.Bidirectional(lstm()), NAMED, r"'forward', 'backward'; unknown: 'cell'"),
        (
            lambda: kit.Bidirectional(lstm()),
            [H, {"hidden": H, "cell": C}, G, D],
            r"must be a list here.*Received: type\(initial_state\)=dict",
        ),
        (lambda: kit.StackedRNN([3]), NAMED, r"the names 'rnn_0'; unknown: 'cell', 'hidden'"),
        (
            lambda: kit.StackedRNN([3, 3]),
            {"rnn_0": NAMED, "rnn_1": {"hidden": H, "c": C}},
            r"`initial_state\['rnn_1'\]` must have the names.*unknown: 'c'",
        ),
        (
            lambda: kit.RNN([kit.LSTMCell(3), kit.GRUCell(3)]),
            {"hidden": H, "cell": C},
            r"must be a list here",
        ),
    ],
)
def test_wrong_names_are_refused(make, states, words):
    with pytest.raises(ValueError, match=words):
        make()(X, initial_state=states)
