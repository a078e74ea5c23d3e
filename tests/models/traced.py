"""Models that are traced, and their inputs."""

import keras
import numpy as np

import keras_rnnkit as kit
from tests.support.witness import randomized

L = keras.layers


BATCH, STEPS, FEATURES = 3, 5, 2


KINDS = {
    "lstm": lambda: L.LSTM(3),
    "gru": lambda: L.GRU(3, return_sequences=True),
    "gru_reset_before": lambda: L.GRU(3, reset_after=False),
    "simple_rnn": lambda: L.SimpleRNN(3),
    "no_bias": lambda: L.LSTM(3, use_bias=False, return_state=True),
    "backwards": lambda: L.LSTM(3, go_backwards=True, return_sequences=True),
    "unrolled": lambda: L.GRU(3, unroll=True),
    "rnn": lambda: L.RNN(L.LSTMCell(3)),
    "rnn_of_cells": lambda: L.RNN([L.LSTMCell(3), L.GRUCell(4)], return_sequences=True),
    "rnn_of_kit_cell": lambda: L.RNN(kit.PeepholeLSTMCell(3)),
    "bidirectional": lambda: L.Bidirectional(L.LSTM(3, return_sequences=True)),
    "bidirectional_last": lambda: L.Bidirectional(L.GRU(3), merge_mode="sum"),
    "bidirectional_of_two": lambda: L.Bidirectional(
        L.LSTM(3), backward_layer=L.GRU(3, go_backwards=True)
    ),
    "kit_lstm": lambda: kit.LSTM(3),
    "kit_min_gru": lambda: kit.MinGRU(3),
    "kit_bidirectional": lambda: kit.Bidirectional(kit.GRU(3)),
    "kit_bidirectional_of_keras": lambda: kit.Bidirectional(L.LSTM(3)),
    "kit_stack": lambda: kit.StackedRNN([3, 4], cell="gru", bidirectional=True),
    "kit_learned": lambda: kit.LearnedInitialState(kit.LSTM(3), "random_normal"),
}


def model_of(layer, masked=True, dtype=None):
    inputs = keras.Input((STEPS, FEATURES), dtype=dtype)
    x = L.Masking()(inputs) if masked else inputs
    return randomized(keras.Model(inputs, layer(x)))


def with_bias(kind):
    return kind != "no_bias"


def sequences(mask=None, seed=1, dtype="float32"):
    x = np.random.default_rng(seed).normal(size=(BATCH, STEPS, FEATURES)).astype(dtype)
    return x if mask is None else np.where(mask[..., None], x, 0).astype(dtype)


class Tagger(keras.Model):
    """Makes its layers itself, calls one of them twice, and keeps some in a list."""

    def __init__(self):
        super().__init__()
        self.project = L.Dense(3)
        self.shared = L.LSTM(3, return_sequences=True, name="shared")
        self.more = [L.GRU(3, return_sequences=True, name=f"gru_{i}") for i in range(2)]
        self.only_in_training = L.GRU(3, name="unused")

    def call(self, inputs, training=False):
        x = self.shared(self.shared(self.project(inputs)))
        for layer in self.more:
            x = layer(x)
        return self.only_in_training(x) if training else x
