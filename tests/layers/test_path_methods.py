"""Every method of the kernels gives the same numbers."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import run
from tests.layers.paths import (
    BACKEND,
    BATCH,
    FEATURES,
    METHODS,
    PRODUCTS,
    TIME,
    assert_same_gradients_with_resets,
    by_method,
    close,
    outputs,
    pair,
)
from tests.support.backends import gradients
from tests.support.cases import NAMESAKES, by_name


@pytest.mark.skipif(BACKEND == "torch", reason="these are the methods of the other backends")
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@pytest.mark.parametrize(("method", "options"), METHODS, ids=str)
def test_every_method_gives_the_same_numbers(method, options, case, monkeypatch):
    layers = pair(case, 3, return_sequences=True, return_gates=True, **options)
    monkeypatch.setattr(run, "choose", by_method(method, case))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    mask = rng.random((BATCH, TIME)) < 0.7

    def loss(layer, inputs):
        output, trace = layer(inputs, mask=mask, training=True)
        return keras.ops.sum(output**2) + sum(keras.ops.sum(part**3) for part in trace[:-1])

    found, want = (
        [*outputs(layer, x, True, mask=mask), *gradients(loss, layer, x)] for layer in layers
    )
    for a, b in zip(found, want, strict=True):
        close(a, b)


@pytest.mark.skipif(BACKEND == "torch", reason="these are the methods of the other backends")
@pytest.mark.parametrize("case", NAMESAKES[:3], ids=by_name)
@pytest.mark.parametrize("method", PRODUCTS)
def test_every_method_starts_new_sequences_at_resets(method, case, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method(method, case))
    assert_same_gradients_with_resets(case, 3)


@pytest.mark.skipif(BACKEND == "torch", reason="these are the methods of the other backends")
def test_a_method_without_masks_for_each_gate_refuses_them(monkeypatch):
    chosen = run.choose
    monkeypatch.setattr(
        run, "choose", lambda request: chosen(request)._replace(method="fused gates")
    )
    layer = kit.LSTM(3, recurrent_dropout=0.5)
    with pytest.raises(ValueError, match="where dropout has a mask for each gate"):
        layer(np.zeros((BATCH, TIME, FEATURES), "float32"), training=True)
