"""Threads that share a layer on PyTorch: two of them could wait for each other's locks for ever."""

import numpy as np
import pytest

import keras_rnnkit as kit

torch = pytest.importorskip("torch", reason="the locks of PyTorch")

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.arange(5) < [[5], [3], [1]]
LAYERS = {
    "oneDNN": lambda: kit.LSTM(3),
    "oneDNN, gates": lambda: kit.GRU(3, return_gates=True),
    "a loop": lambda: kit.LSTM(3, recurrent_dropout=0.5),
    "weight dropout": lambda: kit.LSTM(3, recurrent_weight_dropout=0.5),
    "preallocated": lambda: kit.GRU(3, reset_after=False),
    "portable": lambda: kit.GRU(3, path="portable"),
    "linear recurrence": lambda: kit.MinLSTM(3),
    "chunks": lambda: kit.LSTM(3, recompute=2),
    "cells": lambda: kit.RNN([kit.LayerNormGRUCell(3), kit.Zoneout(kit.NASCell(3), 0.5)]),
    "stack": lambda: kit.StackedRNN([3, 2]),
    "learned states": lambda: kit.LearnedInitialState(kit.GRU(3)),
    "both directions": lambda: kit.Bidirectional(kit.SimpleRNN(3, return_sequences=True)),
}
CALLS = {
    "training": lambda layer: layer(X, training=True),
    "mask": lambda layer: layer(X, mask=MASK),
    "resets": lambda layer: layer(X, resets=MASK),
    "no gradients": lambda layer: torch.no_grad()(layer)(X),
}
NEVER_WAIT = {"device", "is_meta", "shape"}
WAIT_WITHOUT_PYTHONS_LOCK = {"broadcast_to", "to", "view_as"}


class Watch(torch.overrides.TorchFunctionMode):
    """Notes each function of PyTorch that takes a weight, and whether the weight had its node.

    It is the node that accumulates the gradient of a parameter, and `metadata` goes with it.
    """

    def __init__(self, weights):
        super().__init__()
        self.functions = {id(weight.value): [] for weight in weights}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        for arg in args:
            if id(arg) in self.functions and name_of(function) not in NEVER_WAIT:
                metadata = metadata_of(arg)
                self.functions[id(arg)].append((name_of(function), "seen" in metadata))
                metadata["seen"] = True
        return function(*args, **(kwargs or {}))


def name_of(function):
    """The name of a function, or of the property that it gets."""
    return function.__self__.__name__ if function.__name__ == "__get__" else function.__name__


def metadata_of(parameter):
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        return parameter.view_as(parameter).grad_fn.next_functions[0][0].metadata


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_weight_has_its_node_before_anything_waits_with_pythons_lock(make, call):
    layer = make()
    layer.build(X.shape)
    with Watch(layer.trainable_variables) as watch:
        call(layer)
    for functions in watch.functions.values():
        without = {name for name, had_node in functions if not had_node}
        assert without <= WAIT_WITHOUT_PYTHONS_LOCK
        assert functions
