"""What PyTorch does not have is refused by name, before PyTorch is needed."""

import sys

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

SHAPE = (None, 5, 3)


def built(layer):
    layer.build(SHAPE)
    return layer


class OwnLSTM(kit.LSTM):
    pass


LSTM, GRU, RNN = kit.LSTM, kit.GRU, kit.SimpleRNN
SEQUENCES = {"return_sequences": True}

REFUSED = {
    "activation": (
        lambda: LSTM(4, activation="relu"),
        r"in torch\.nn is tanh\. .*layer=LSTM '.*relu'$",
    ),
    "custom activation": (lambda: GRU(4, activation=np.tanh), r"is tanh\. .*activation='.*tanh'$"),
    "simple activation": (lambda: RNN(4, activation="elu"), r"is tanh or relu\. .*elu'$"),
    "gate activation": (
        lambda: GRU(4, recurrent_activation="hard_sigmoid"),
        r"gates in torch\.nn is sigmoid.*hard_sigmoid'$",
    ),
    "reset before": (
        lambda: keras.layers.GRU(4, reset_after=False),
        r"`reset_after=True`, the default\. Received: layer=GRU 'gru.*', reset_after=False$",
    ),
    "other cell": (lambda: kit.MinLSTM(4), r"have a counterpart.*Received: layer=MinLSTM"),
    "other cell in RNN": (lambda: kit.RNN(kit.NASCell(4)), r"proj_size.*cell='NASCell'$"),
    "cells": (lambda: kit.RNN([kit.LSTMCell(4), kit.LSTMCell(4)]), r"use a `StackedRNN`"),
    "own class": (lambda: OwnLSTM(4), r"subclass may compute something else.*OwnLSTM"),
    "backward": (lambda: LSTM(4, go_backwards=True), r"torch\.flip.*go_backwards=True$"),
    "merge": (
        lambda: kit.Bidirectional(LSTM(4), merge_mode="sum"),
        r"concatenates the directions.*merge_mode='sum'$",
    ),
    "merge in a stack": (
        lambda: kit.StackedRNN([4, 4], bidirectional=True, merge_mode="ave"),
        r"concatenates the directions.*merge_mode='ave'$",
    ),
    "backward first": (
        lambda: keras.layers.Bidirectional(LSTM(4, go_backwards=True), backward_layer=LSTM(4)),
        r"forward direction first.*go_backwards=True$",
    ),
    "other directions": (
        lambda: kit.Bidirectional(LSTM(4), backward_layer=LSTM(5, go_backwards=True)),
        r"have the same units, here 4\. .*units=5$",
    ),
    "residual": (lambda: kit.StackedRNN([4, 4], residual=True), r"no `residual`.*residual=True$"),
    "norm": (lambda: kit.StackedRNN([4, 4], layer_norm=True), r"no `layer_norm`.*=True$"),
    "units": (lambda: kit.StackedRNN([4, 5]), r"have the same units, here 4\. .*units=5$"),
    "kinds": (lambda: kit.StackedRNN([4, 4], cell=["lstm", "gru"]), r"same kind, here 'lstm'"),
    "biases": (
        lambda: [built(LSTM(3, **SEQUENCES)), built(LSTM(3, use_bias=False))],
        r"same bias, here True\. .*bias=False$",
    ),
    "features": (
        lambda: [built(LSTM(4, **SEQUENCES)), built(LSTM(4))],
        r"must take 4 features\. .*features=3$",
    ),
    "mixed directions": (
        lambda: [built(LSTM(3, **SEQUENCES)), built(kit.Bidirectional(LSTM(3)))],
        r"have the same directions.*bidirectional=True$",
    ),
    "dtypes": (
        lambda: [built(LSTM(3, **SEQUENCES)), built(LSTM(3, dtype="float16"))],
        r"have the same dtype.*dtypes=\['float16', 'float32'\]$",
    ),
    "last output": (
        lambda: [built(LSTM(3)), built(LSTM(3))],
        r"`return_sequences=True`\. Received: layer=LSTM '.*', return_sequences=False$",
    ),
    "projection": (
        lambda: kit.RNN(kit.ProjectedLSTMCell(3, 3)),
        r"smaller than its units\. .*projection=3, units=3$",
    ),
    "dropout of inputs": (lambda: LSTM(4, dropout=0.3), r"before its first layer.*dropout=0\.3$"),
    "recurrent dropout": (
        lambda: LSTM(4, recurrent_dropout=0.3),
        r"no `recurrent_dropout`\. Pass `dropout=`.*recurrent_dropout=0\.3$",
    ),
    "weight dropout": (
        lambda: GRU(4, recurrent_weight_dropout=0.3),
        r"no `recurrent_weight_dropout`.*recurrent_weight_dropout=0\.3$",
    ),
    "two rates": (
        lambda: kit.StackedRNN([4, 4, 4], dropout=[0, 0.1, 0.2]),
        r"same dropout between all its layers.*dropout=\[0\.1, 0\.2\]$",
    ),
    "dropout twice": (
        lambda: [built(RNN(3, **SEQUENCES)), keras.layers.Dropout(0.1), built(RNN(3, dropout=0.2))],
        r"one dropout between two layers.*dropout=\[0\.1, 0\.2\]$",
    ),
    "dropout at the end": (
        lambda: [built(RNN(3)), keras.layers.Dropout(0.1)],
        r"after its last layer.*rate=0\.1$",
    ),
    "noise shape": (
        lambda: [
            built(RNN(3, **SEQUENCES)),
            keras.layers.Dropout(0.1, noise_shape=(None, 1, None)),
            built(RNN(3)),
        ],
        r"no `noise_shape`.*noise_shape=\(None, 1, None\)$",
    ),
    "other layers": (
        lambda: keras.Sequential([keras.Input((5,)), keras.layers.Embedding(9, 3), GRU(4)]),
        r"recurrent layers of a model alone.*Received: layer=Embedding",
    ),
    "functional model": (
        lambda: keras.Model(i := keras.Input((5, 3)), GRU(4)(i)),
        r"recurrent layers of a model alone.*Received: layer=Functional",
    ),
    "not built": (lambda: [LSTM(4)], r"must be built.*built=False$"),
    "empty": (lambda: [], r"hold at least one\. Received: type\(layer\)=list$"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_lacks_is_refused_by_name(name):
    made, message = REFUSED[name]
    layer = made()
    if isinstance(layer, keras.layers.Layer) and not layer.built:
        layer.build(SHAPE)
    with pytest.raises(ValueError, match=message):
        kit.to_torch(layer)


def test_a_stateful_layer_is_refused():
    layer = LSTM(4, stateful=True)
    layer.build((2, 5, 3))
    with pytest.raises(ValueError, match=r"`stateful=False` and the same weights.*stateful=True$"):
        kit.to_torch(layer)


@pytest.mark.parametrize("layer", [None, "lstm", [3]], ids=str)
def test_what_is_no_layer_is_refused(layer):
    with pytest.raises(TypeError, match=r"^`layer` must be.*Received: type\(layer\)="):
        kit.to_torch(layer)


@pytest.mark.parametrize("dropout", [-0.1, 1, True, "0.5"], ids=str)
def test_a_wrong_rate_is_refused(dropout):
    with pytest.raises(ValueError, match=r"`dropout` of to_torch must be.*Received: dropout="):
        kit.to_torch(built(LSTM(4)), dropout=dropout)


def test_one_layer_has_no_dropout_between_layers():
    with pytest.raises(ValueError, match=r"there is one layer.*Received: dropout=0\.5$"):
        kit.to_torch(built(LSTM(4)), dropout=0.5)


def test_without_pytorch_the_error_names_the_extra(monkeypatch):
    layer = built(LSTM(4))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'`to_torch` needs .*"keras-rnnkit\[torch\]"$'):
        kit.to_torch(layer)
