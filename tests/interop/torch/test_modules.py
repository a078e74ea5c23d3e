"""Modules of PyTorch and layers with the same weights, in both directions, over their options."""

import contextlib

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from tests.interop.torch.support import (
    assert_same,
    drawn,
    of_module,
    outputs_and_states,
    set_random_weights,
)
from tests.support.backends import float64_allowed

torch = pytest.importorskip("torch", reason="torch is not installed")

FEATURES = 3
X = drawn((2, 5, FEATURES))

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


@st.composite
def modules(draw):
    """A module with random weights, and whether its dtype is float64."""
    kind = draw(st.sampled_from(["LSTM", "GRU", "RNN"]))
    units = draw(st.integers(1, 4))
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }
    if options["num_layers"] > 1:
        options["dropout"] = draw(st.sampled_from([0.0, 0.25]))
    if kind == "LSTM" and units > 1:
        options["proj_size"] = draw(st.integers(0, units - 1))
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    module = getattr(torch.nn, kind)(FEATURES, units, batch_first=True, dtype=dtype, **options)
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.from_numpy(drawn(parameter.shape, seed=i)) / 2)
    return module.eval()


def dtype_of(module):
    return str(module.weight_ih_l0.dtype).removeprefix("torch.")


def allowed(dtype):
    return float64_allowed() if dtype == "float64" else contextlib.nullcontext()


@settings(max_examples=25, deadline=None)
@given(modules())
def test_a_module_becomes_a_layer_with_its_numbers_and_a_module_again(module):
    dtype = dtype_of(module)
    x = X.astype(dtype)
    with allowed(dtype):
        layer = kit.from_torch(module, return_state=True)
        found = outputs_and_states(layer, x)
        again = kit.to_torch(layer)
    wanted = of_module(module, x)
    assert_same(found, wanted, dtype)
    assert_same(of_module(again, x), wanted, dtype)
    assert repr(again) == repr(module)  # has every option
    assert [p.dtype for p in again.parameters()] == [p.dtype for p in module.parameters()]
    if module.mode == "GRU" or not module.bias:
        for name, parameter in module.state_dict().items():
            assert torch.equal(again.state_dict()[name], parameter)


def layers_of(name, dtype):
    """Layers of the kit and of Keras for a module, each with the options that PyTorch has."""
    options = {"return_sequences": True, "return_state": True, "dtype": dtype}
    kind, keras_kind = getattr(kit, name), getattr(keras.layers, name)
    cell = getattr(keras.layers, f"{name}Cell")
    stacked = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}[name]
    return {
        "kit": kind(4, **options),
        "keras": keras_kind(4, use_bias=False, **options),
        "kit both": kit.Bidirectional(kind(4, **options), dtype=dtype),
        "keras both": keras.layers.Bidirectional(keras_kind(4, **options), dtype=dtype),
        "RNN": keras.layers.RNN(cell(4, dtype=dtype), **options),
        "stack": kit.StackedRNN([4, 4], cell=stacked, dropout=[0, 0.5], **options),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["kit", "keras", "kit both", "keras both", "RNN", "stack"])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_a_layer_becomes_a_module_with_its_numbers(name, form, dtype):
    x = X.astype(dtype)
    with allowed(dtype):
        layer = layers_of(name, dtype)[form]
        layer.build(X.shape)
        set_random_weights(layer)
        wanted = outputs_and_states(layer, x)
        module = kit.to_torch(layer)
        again = kit.from_torch(module)
        for one, other in zip(again.get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    own = form in ("kit", "kit both", "stack")  # Keras' loop gives rounded numbers
    assert_same(of_module(module, x), wanted, dtype if own else "float32")
    assert not module.training


def test_a_projected_layer_becomes_a_module_with_proj_size():
    layer = kit.RNN(kit.ProjectedLSTMCell(4, 2), return_sequences=True, return_state=True)
    layer.build(X.shape)
    set_random_weights(layer)
    module = kit.to_torch(layer)
    assert module.proj_size == 2
    assert_same(of_module(module, X), outputs_and_states(layer, X))


@pytest.mark.parametrize("wrapped", [False, True], ids=["kit", "keras, both directions"])
def test_a_sequential_and_a_list_of_layers_become_one_module(wrapped):
    if wrapped:
        parts = [keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))]
        parts += [keras.layers.Dropout(0.3), keras.layers.Bidirectional(keras.layers.GRU(4))]
    else:
        parts = [kit.GRU(4, return_sequences=True), keras.layers.Dropout(0.3), kit.GRU(4)]
    model = keras.Sequential([keras.Input(X.shape[1:]), *parts])
    set_random_weights(model)
    module = kit.to_torch(model)
    assert (module.num_layers, module.dropout, module.bidirectional) == (2, 0.3, wrapped)
    _, [hidden] = of_module(module, X)
    last = np.concatenate(list(hidden[2:] if wrapped else hidden[1:]), axis=-1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(X)), last, atol=1e-5)
    recurrent = [layer for layer in model.layers if not isinstance(layer, keras.layers.Dropout)]
    assert kit.to_torch(recurrent).dropout == 0.0
    assert kit.to_torch(recurrent, dropout=0.1).dropout == 0.1


def test_the_dropout_that_is_given_replaces_that_of_the_layers():
    layer = kit.StackedRNN([4, 4], dropout=0.5, recurrent_dropout=0.25)
    layer.build(X.shape)
    assert kit.to_torch(layer, dropout=0.0).dropout == 0.0
    assert kit.to_torch(layer, dropout=0.5).dropout == 0.5
    back = kit.from_torch(kit.to_torch(layer, dropout=0.5))
    assert back.dropout == [0.0, 0.5]
    assert kit.from_torch(kit.to_torch(layer, dropout=0.5), dropout=0.0).dropout == [0.0, 0.0]


def test_the_axes_of_a_module_are_those_asked_for():
    layer = kit.LSTM(4, return_sequences=True)
    layer.build(X.shape)
    module = kit.to_torch(layer, batch_first=False)
    with torch.no_grad():
        output, _ = module(torch.from_numpy(X).transpose(0, 1))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(X)), output.transpose(0, 1).numpy(), atol=1e-5
    )
    back = keras.ops.convert_to_numpy(kit.from_torch(module)(X))
    np.testing.assert_allclose(back, output.transpose(0, 1).numpy(), atol=1e-5)


def test_half_precision_is_kept():
    layer = kit.GRU(4, dtype="bfloat16")
    layer.build(X.shape)
    module = kit.to_torch(layer)
    assert module.weight_hh_l0.dtype == torch.bfloat16
    again = kit.from_torch(module)
    assert again.variable_dtype == "bfloat16"
    for one, other in zip(again.weights, layer.weights, strict=True):
        assert bool(keras.ops.all(keras.ops.equal(one, other)))
    mixed = kit.GRU(4, dtype="mixed_bfloat16")
    mixed.build(X.shape)
    assert kit.to_torch(mixed).weight_hh_l0.dtype == torch.float32


def test_the_random_numbers_of_the_caller_are_left_alone():
    layer = kit.LSTM(4)
    layer.build(X.shape)
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    kit.to_torch(layer)
    assert torch.equal(torch.rand(2), expected)


def test_a_module_inside_a_model_is_found_by_its_place():
    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.ModuleDict({"rnn": torch.nn.RNN(3, 4, nonlinearity="relu")})
            self.head = torch.nn.Linear(4, 2)

    tagger = Tagger()
    layer = kit.from_torch(tagger, prefix="encoder.rnn")
    wanted = of_module(tagger.encoder["rnn"], X.swapaxes(0, 1))[0].swapaxes(0, 1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(X)), wanted, atol=1e-5)
    state = tagger.state_dict()
    with pytest.raises(ValueError, match=r"There are 'encoder\.rnn\.'\. Received: prefix=''$"):
        kit.from_torch(state, kind="rnn_relu")
    same = kit.from_torch(state, prefix="encoder.rnn.", kind="rnn_relu")
    np.testing.assert_array_equal(same.get_weights()[0], layer.get_weights()[0])
    with pytest.raises(ValueError, match=r"in the model: 'encoder\.rnn'\. Received: prefix=''$"):
        kit.from_torch(tagger)
    with pytest.raises(ValueError, match=r"contains one\. Received: type\(source\)=Linear$"):
        kit.from_torch(tagger.head)


def test_a_subclass_with_code_of_its_own_is_refused():
    class Noisy(torch.nn.LSTM):
        def forward(self, *args):
            return super().forward(*args)

    with pytest.raises(ValueError, match=r"without code of its own.*type\(source\)=Noisy$"):
        kit.from_torch(Noisy(3, 4))


def test_the_kind_of_a_module_is_its_own():
    with pytest.raises(ValueError, match=r"that of the module, 'gru'.*Received: kind='lstm'$"):
        kit.from_torch(torch.nn.GRU(3, 4), kind="lstm")


def test_parametrized_weights_are_refused():
    module = torch.nn.utils.parametrizations.weight_norm(torch.nn.GRU(3, 4), "weight_hh_l0")
    with pytest.raises(ValueError, match=r"parametrizations, such as weight_norm.*unknown names="):
        kit.from_torch(module)
