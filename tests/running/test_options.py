"""Options of a layer that the rule reads, however a user writes them."""

import json

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running.rule import Request, choose
from keras_rnnkit.running.run import request_for

CONDITIONS = {"masked": False, "capture_gates": False, "training": False}


@pytest.mark.parametrize("kind", [kit.LSTM, kit.GRU])
@pytest.mark.parametrize("off", [0, np.False_, False], ids=repr)
def test_every_false_use_cudnn_keeps_the_layer_off_cudnn(kind, off):
    layer = kind(4, use_cudnn=off)
    assert request_for(layer, **CONDITIONS).use_cudnn is False
    assert json.loads(json.dumps(layer.get_config()["use_cudnn"])) is False
    layer = kind(4)
    layer.use_cudnn = off
    assert request_for(layer, **CONDITIONS).use_cudnn is False


@pytest.mark.parametrize("on", [1, np.True_, True, "auto"], ids=repr)
def test_every_true_use_cudnn_lets_it(on):
    layer = kit.LSTM(4, use_cudnn=on)
    assert request_for(layer, **CONDITIONS).use_cudnn is True
    assert layer.get_config()["use_cudnn"] == ("auto" if on == "auto" else True)


@pytest.mark.parametrize("reason", ["transformed", "exported"])
def test_where_no_change_of_the_layer_helps_the_error_names_the_automatic_path(reason):
    how = {reason: True, "capture_gates": True}
    with pytest.raises(ValueError, match=r"is not possible here") as error:
        choose(Request(path="fused", backend="torch", **how))
    message = str(error.value)
    assert message.endswith('. Set `path="auto"`. Received: path="fused"')
    assert "To use it" not in message and "portable" not in message
    assert choose(Request(backend="torch", **how)).path == "portable"


@pytest.mark.parametrize("cell", ["MinGRU", "MinLSTM", "RGLRU"])
def test_the_batch_size_decides_how_a_linear_recurrence_is_computed(cell):
    request = Request(backend="torch", cell=cell, units=16)
    assert choose(request._replace(batch=64)).method == "associative"
    assert choose(request._replace(batch=65)).method == "sequential"
    assert choose(request).method == "sequential"
    assert choose(request).reason.endswith("associative scan for a batch size up to 64")
    assert "batch size" not in choose(request._replace(units=2000)).reason
    for backend in ("jax", "tensorflow"):
        choice = choose(request._replace(backend=backend, batch=1))
        assert choice.method == "sequential"
        assert "associative" not in choice.reason


@pytest.mark.skipif(keras.config.backend() != "torch", reason="a choice on PyTorch")
@pytest.mark.parametrize(("batch", "method"), [(4, "associative"), (600, "sequential")])
def test_a_call_runs_the_method_of_its_batch_size(monkeypatch, batch, method):
    from keras_rnnkit.running import linear_recurrence

    counts = {"associative": 0, "sequential": 0}

    def counted(name, function):
        def call(*args):
            counts[name] += 1
            return function(*args)

        return call

    kernels = linear_recurrence.backend_kernels()
    monkeypatch.setattr(
        linear_recurrence,
        "associative_scan",
        counted("associative", linear_recurrence.associative_scan),
    )
    monkeypatch.setattr(
        kernels, "linear_recurrence", counted("sequential", kernels.linear_recurrence)
    )
    kit.MinGRU(2)(np.ones((batch, 5, 3), "float32"))
    assert counts == {"associative": 0, "sequential": 0, method: 1}
