"""Threads that share a layer on PyTorch: two of them could wait for each other's locks for ever."""

from concurrent.futures import ThreadPoolExecutor

import keras
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
TAKE_NO_LOCK = {"device", "is_meta", "requires_grad", "shape"}
# These need not wait for Python's lock while they have that of a weight, or wait without Python's.
# So they may come first. `w[0]`, `w.T` and `Function.apply` have Python's, and must come later.
MAY_MAKE_THE_NODE = {"broadcast_to", "split", "to", "unbind", "view_as itself"}


class Watch(torch.overrides.TorchFunctionMode):
    """Notes each function of PyTorch that takes a weight, and whether the weight had its node.

    It is the node that accumulates the gradient of a parameter, and `metadata` goes with it.
    """

    def __init__(self, weights):
        super().__init__()
        self.functions = {id(weight.value): [] for weight in weights}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return self.noted(name_of(function, args), function, *args, **(kwargs or {}))

    def noted(self, name, function, *args, **kwargs):
        weights = [arg for arg in keras.tree.flatten(args) if id(arg) in self.functions]
        for weight in weights if name not in TAKE_NO_LOCK else []:
            self.functions[id(weight)].append((name, "seen" in metadata_of(weight)))
        result = function(*args, **kwargs)
        for weight in weights:
            metadata_of(weight)["seen"] = True
        return result


def name_of(function, args):
    """The name of a function, or of the property that it gets."""
    name = function.__self__.__name__ if function.__name__ == "__get__" else function.__name__
    return name + " itself" if name == "view_as" and args[0] is args[1] else name


def metadata_of(parameter):
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        return parameter.view_as(parameter).grad_fn.next_functions[0][0].metadata


@pytest.fixture
def watching(monkeypatch):
    """Makes a `Watch` that sees `Function.apply`, too."""

    def watching(weights):
        watch, apply = Watch(weights), torch.autograd.Function.apply.__func__

        def noted(function, *args):
            return watch.noted("Function.apply", apply, function, *args)

        monkeypatch.setattr(torch.autograd.Function, "apply", classmethod(noted))
        return watch

    return watching


def in_a_thread(function, *args, **kwargs):
    """The result of a call in another thread than the main one, which alone keeps no nodes."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args, **kwargs).result()


def within(mode, function, *args, **kwargs):
    with mode:  # which is that of a thread
        return function(*args, **kwargs)


def functions_without_a_node(watch):
    """For each weight, the functions that may have made its node."""
    assert all(watch.functions.values())
    return [{name for name, had in found if not had} for found in watch.functions.values()]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_weight_has_its_node_before_anything_waits_with_pythons_lock(make, call, watching):
    layer = make()
    layer.build(X.shape)
    watch = watching(layer.trainable_variables)
    in_a_thread(within, watch, call, layer)
    for found in functions_without_a_node(watch):
        assert found <= MAY_MAKE_THE_NODE


def test_so_it_has_where_the_layer_is_frozen_and_the_cell_is_not(watching):
    layer = kit.LSTM(3, recurrent_weight_dropout=0.5)
    layer.build(X.shape)
    layer.trainable, layer.cell.trainable = False, True
    watch = watching(layer.cell.trainable_variables)
    in_a_thread(within, watch, layer, X, training=True)
    for found in functions_without_a_node(watch):
        assert found <= MAY_MAKE_THE_NODE


@pytest.mark.parametrize(
    "cell", [kit.GRUCell(3), kit.GRUCell(3, reset_after=False), kit.LayerNormGRUCell(3)]
)
def test_a_cell_by_itself_never_waits_with_pythons_lock(cell, watching):
    cell.build((3, 4))
    states = [np.zeros((3, 3), "float32")]
    with watching(cell.trainable_variables) as watch:
        cell(X[:, 0], states)
    names = {name for found in watch.functions.values() for name, _ in found}
    assert not names & {"Function.apply", "__getitem__", "T"}


class Views(torch.overrides.TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.of = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if name_of(function, args) == "view_as itself":
            self.of.append(args[0])
        return function(*args, **(kwargs or {}))


def test_no_copy_of_the_weights_in_half_precision_is_kept():
    layer = kit.LSTM(3, dtype="mixed_bfloat16")
    layer.build(X.shape)
    views = Views()
    in_a_thread(within, views, layer, X)
    assert len(views.of) == 3
    assert all(isinstance(weight, torch.nn.Parameter) for weight in views.of)


def test_the_main_thread_keeps_none():
    layer = kit.LSTM(3)
    layer.build(X.shape)
    with Views() as views:
        layer(X)
    assert views.of == []
