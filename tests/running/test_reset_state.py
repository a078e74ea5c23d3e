"""`reset_state(states)` is never without an effect."""

import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import to_numpy

STATES = np.full((2, 4), 0.5, "float32")


def test_states_for_a_layer_that_is_not_stateful_are_refused():
    layer = kit.GRU(4, name="mine")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"GRU 'mine': .*Received: layer.stateful=False$"):
            layer.reset_state(STATES)
        layer(np.ones((2, 5, 3), "float32"))


def test_states_for_a_layer_that_is_not_built_are_refused():
    layer = kit.GRU(4, stateful=True, name="mine")
    with pytest.raises(ValueError, match=r"GRU 'mine': .*Received: layer.built=False$"):
        layer.reset_state(STATES)
    layer.build((2, 5, 3))
    layer.reset_state(STATES)
    np.testing.assert_array_equal(to_numpy(layer.states[0]), STATES)


def test_states_for_a_stack_that_is_not_stateful_are_refused():
    with pytest.raises(ValueError, match=r"LSTM .*Received: layer.stateful=False$"):
        kit.StackedRNN([4], cell="lstm").reset_state([[STATES, STATES]])


@pytest.mark.parametrize("stateful", [False, True])
def test_without_states_nothing_happens(stateful):
    kit.LSTM(4, stateful=stateful).reset_state()
    kit.StackedRNN([4, 4], stateful=stateful).reset_state()
