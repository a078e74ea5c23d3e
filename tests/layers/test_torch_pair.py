"""Both directions of `Bidirectional` in one call of PyTorch's layer, as on a GPU."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import run
from tests.support.backends import gradients
from tests.support.cases import to_numpy
from tests.support.torch_layers import BATCH, FEATURES, FLOAT32, MASKS, TIME, UNITS

pytestmark = pytest.mark.skipif(keras.config.backend() != "torch", reason="PyTorch's layers")

X = np.random.default_rng(5).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
OPTIONS = {
    "last outputs": {},
    "sequences and states": {"return_sequences": True, "return_state": True},
    "no bias, zeros where masked": {
        "use_bias": False,
        "return_sequences": True,
        "zero_output_for_mask": True,
    },
}
KINDS = [kit.LSTM, kit.GRU]


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Let the rule take this machine for one with a GPU; the calls of PyTorch's layers."""
    import torch

    calls = []
    monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
    for name in ("lstm", "gru"):
        function = getattr(torch, name)

        def counted(*args, function=function):
            calls.append(args)
            return function(*args)

        monkeypatch.setattr(torch, name, counted)
    return calls


def make(kind, path="auto", merge_mode="concat", **options):
    keras.utils.set_random_seed(1)
    layer = kit.Bidirectional(kind(UNITS, path=path, **options), merge_mode=merge_mode)
    layer.build(X.shape)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=w.shape) / 2 for w in layer.get_weights()])
    return layer


def returned(layer, x=X, **call):
    return [to_numpy(part.detach()) for part in keras.tree.flatten(layer(x, **call))]


def assert_all_close(got, want):
    for a, b in zip(got, want, strict=True):
        scale = 1 + np.abs(b).max()
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_two_layers(calls, kind, mask, options):
    layers = [make(kind, path, **OPTIONS[options]) for path in ("auto", "portable")]
    call = {"mask": MASKS[mask], "training": True}

    def loss(layer, x):
        parts = keras.tree.flatten(layer(x, **call))
        return sum((i + 1) * (part**2).sum() for i, part in enumerate(parts))

    results = [returned(layer, **call) + gradients(loss, layer, X) for layer in layers]
    assert len(calls) == 2  # of the output, and of the loss
    assert_all_close(*results)


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave", None])
def test_merge_modes(calls, merge_mode):
    how = {"merge_mode": merge_mode, "return_sequences": True}
    assert_all_close(*(returned(make(kit.GRU, path, **how)) for path in ("auto", "portable")))
    assert len(calls) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_initial_states(calls, kind):
    rng = np.random.default_rng(3)
    states = [rng.normal(size=(BATCH, UNITS)) for _ in range(4 if kind is kit.LSTM else 2)]
    how = {"return_state": True, "return_sequences": True}
    layers = [make(kind, path, **how) for path in ("auto", "portable")]
    assert_all_close(*(returned(layer, initial_state=states) for layer in layers))
    assert len(calls) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_stateful_layer_continues_from_its_states(calls, kind):
    results = []
    for path in ("auto", "portable"):
        layer = make(kind, path, stateful=True, return_sequences=True)
        first = returned(layer)
        results.append([*first, *returned(layer)])
    assert_all_close(*results)
    assert len(calls) == 2
    assert not np.allclose(results[0][0], results[0][1])


def test_without_gradients_the_numbers_are_the_same():
    import torch

    layer = make(kit.LSTM, return_sequences=True, return_state=True)
    want = returned(layer)
    with torch.no_grad():
        assert_all_close(returned(layer), want)


def test_a_second_derivative_is_refused_not_wrong():
    import torch

    x = torch.tensor(X, requires_grad=True)
    output = make(kit.LSTM)(x)
    with pytest.raises(NotImplementedError, match=r'differentiated twice.*path="portable"'):
        torch.autograd.grad(output.sum(), x, create_graph=True)


def test_a_model_trains_and_predicts(calls):
    results = []
    for path in ("auto", "portable"):
        keras.utils.set_random_seed(0)
        recurrent = kit.Bidirectional(kit.LSTM(UNITS, path=path))
        layers = [keras.layers.Masking(), recurrent, keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((TIME, FEATURES)), *layers])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        x = np.where(MASKS["pre"][..., None], X, 0)
        model.fit(x, X[:, 0, :1], epochs=2, verbose=0)
        results.append([*model.get_weights(), model.predict(x, verbose=0)])
    assert_all_close(*results)
    assert calls


@keras.saving.register_keras_serializable("torch_pair")
class WithOwnCall(kit.LSTM):
    def call(self, *args, **kwargs):
        return super().call(*args, **kwargs)


ALONE = {
    "gates": (kit.LSTM, {"return_gates": True}, {}),
    "dropout": (kit.LSTM, {"dropout": 0.5}, {"training": True}),
    "recurrent dropout": (kit.GRU, {"recurrent_dropout": 0.5}, {"training": True}),
    "an activity regularizer": (kit.LSTM, {"activity_regularizer": "l2"}, {}),
    "a subclass with a call of its own": (WithOwnCall, {}, {}),
    "the portable path": (kit.LSTM, {"path": "portable"}, {}),
    "no cuDNN": (kit.LSTM, {"use_cudnn": False}, {}),
    "a mask and states": (kit.LSTM, {"stateful": True}, {"mask": MASKS["any"]}),
}


@pytest.mark.parametrize("case", ALONE)
def test_each_layer_runs_by_itself_with(monkeypatch, case):
    kind, options, call = ALONE[case]
    monkeypatch.setattr("keras_rnnkit.layers._pair.run_pair", None)
    assert returned(make(kind, **options), **call)


HOOKS = {
    "register_forward_hook": lambda seen: lambda *_: seen.append("after"),
    "register_forward_pre_hook": lambda seen: lambda *_: seen.append("before"),
    "register_full_backward_hook": lambda seen: lambda *_: seen.append("backward"),
}


@pytest.mark.parametrize("register", HOOKS)
def test_hooks_of_an_inner_layer_run(calls, register):
    import torch

    layer, seen = make(kit.LSTM), []
    handle = getattr(layer.backward_layer, register)(HOOKS[register](seen))
    want = layer(torch.tensor(X, requires_grad=True))
    want.sum().backward()
    assert len(seen) == 1
    assert len(calls) == 2
    handle.remove()
    assert_all_close([to_numpy(want.detach())], returned(layer))
    assert len(seen) == 1
    assert len(calls) == 3


def test_two_layers_of_other_widths_run_by_themselves(calls):
    layer = kit.Bidirectional(kit.LSTM(3), backward_layer=kit.LSTM(4, go_backwards=True))
    assert layer(X).shape == (BATCH, 7)
    assert len(calls) == 2


def test_on_a_cpu_each_layer_runs_by_itself(monkeypatch, calls):
    if keras.ops.convert_to_tensor(0.0).device.type != "cpu":
        pytest.skip("Keras runs on a GPU here")
    monkeypatch.undo()
    monkeypatch.setattr("keras_rnnkit.layers._pair.run_pair", None)
    assert make(kit.LSTM)(X).shape == (BATCH, 2 * UNITS)
