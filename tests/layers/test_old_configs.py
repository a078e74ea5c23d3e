"""Configs from files of Keras 2."""

import keras
import pytest

import keras_rnnkit as kit
from tests.support.cases import CASES, MIN_CASES, by_name, few_where_compiled

ALL = [*CASES, *MIN_CASES]


@pytest.mark.parametrize("case", few_where_compiled(ALL), ids=by_name)
def test_time_major_false_says_nothing_new(case):
    layer = case.layer(3, return_sequences=True, **case.options)
    again = type(layer).from_config({**layer.get_config(), "time_major": False})
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("case", few_where_compiled(ALL), ids=by_name)
def test_time_major_true_is_refused(case):
    layer = case.layer(3, **case.options)
    with pytest.raises(ValueError, match=r"swapaxes.*Received: time_major=True"):
        type(layer).from_config({**layer.get_config(), "time_major": True})


def test_in_both_directions_and_in_a_wrapper():
    both = kit.Bidirectional(kit.GRU(2)).get_config()
    for half in ("layer", "backward_layer"):
        both[half]["config"]["time_major"] = False
    assert kit.Bidirectional.from_config(both).forward_layer.units == 2
    wrapped = kit.TimeDistributed(kit.LSTM(2)).get_config()
    wrapped["layer"]["config"]["time_major"] = False
    assert isinstance(kit.TimeDistributed.from_config(wrapped).layer, kit.LSTM)


def test_of_a_gru_as_keras_2_wrote_it():
    old = {
        "name": "gru",
        "trainable": True,
        "dtype": "float32",
        "return_sequences": False,
        "time_major": False,
        "units": 4,
        "recurrent_initializer": {"class_name": "Orthogonal", "config": {"gain": 1.0}},
        "implementation": 2,
        "reset_after": True,
    }
    layer = kit.GRU.from_config(old)
    assert layer.units == 4
    assert isinstance(layer.cell.recurrent_initializer, keras.initializers.Orthogonal)
