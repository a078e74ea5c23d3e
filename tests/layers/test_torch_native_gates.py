"""The gates of PyTorch's own LSTM and GRU, computed from its hidden states: a method for a GPU."""

import itertools

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import rule
from keras_rnnkit.running.rule import Choice, Request, choose
from tests.support.backends import gradients
from tests.support.cases import NAMESAKES, by_name, to_numpy
from tests.support.torch_layers import BATCH, FEATURES, FLOAT32, MASKS, TIME, UNITS

pytestmark = pytest.mark.skipif(keras.config.backend() != "torch", reason="a method of PyTorch's")

OPTIONS = {
    "plain": {},
    "sequences and states": {"return_sequences": True, "return_state": True},
    "backwards": {"go_backwards": True, "return_state": True, "zero_output_for_mask": True},
    "no bias": {"use_bias": False, "return_sequences": True},
    "dropout": {"dropout": 0.4, "recurrent_dropout": 0.0, "implementation": 2},
}
CELLS = NAMESAKES[:2]


@pytest.fixture(autouse=True)
def forced(monkeypatch):
    """Let layers take the method that the rule has for a GPU."""

    def fused_on_torch(request):
        return Choice("fused", "native + gates" if request.capture_gates else "native")

    monkeypatch.setattr(rule, "_fused_on_torch", fused_on_torch)


def pair(case, **options):
    """The same layer on the method, and on the portable path."""
    layers = []
    for path in ("auto", "portable"):
        layer = case.layer(UNITS, path=path, seed=3, return_gates=True, **options)
        layer.build((BATCH, TIME, FEATURES))
        weights = case.weights(np.random.default_rng(1), FEATURES, UNITS)
        layer.set_weights([weight / 2 for weight in weights[: len(layer.weights)]])
        layers.append(layer)
    return layers


def arguments(case, mask):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(BATCH, TIME, FEATURES))
    states = [rng.normal(size=(BATCH, UNITS)) for _ in range(case.states)]
    return x, {"initial_state": states, "mask": MASKS[mask], "training": True}


def assert_all_close(got, want, atol):
    for a, b in zip(got, want, strict=True):
        scale = 1 + np.abs(b).max()
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=atol)


ATOL = {"float32": FLOAT32, "float64": 1e-13, "float16": 3e-3, "bfloat16": 3e-2}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("case", CELLS, ids=by_name)
def test_outputs_states_gates_and_gradients_are_the_portable_ones(case, mask, options, dtype):
    x, call = arguments(case, mask)
    call["initial_state"] = [keras.ops.cast(state, dtype) for state in call["initial_state"]]
    layers = pair(case, dtype=dtype, **OPTIONS[options])

    def returned(layer, x):
        return [part for part in keras.tree.flatten(layer(x, **call)) if part.is_floating_point()]

    def loss(layer, x):
        return sum((i + 1) * (part**2).sum() for i, part in enumerate(returned(layer, x)))

    x = x.astype(dtype)
    results = [
        [to_numpy(part.detach()) for part in returned(layer, x)] + gradients(loss, layer, x)
        for layer in layers
    ]
    assert_all_close(*results, ATOL[dtype])


@pytest.mark.parametrize("mask", ["none", "any"])
@pytest.mark.parametrize("case", CELLS, ids=by_name)
def test_each_part_alone_has_its_gradients(case, mask):
    """Of inputs, first states and weights: by the output, by each gate, and by the cell state."""
    import torch

    x, call = arguments(case, mask)
    layers = pair(case, dtype="float64", return_sequences=True)
    found = []
    for layer in layers:
        states = [torch.tensor(state, requires_grad=True) for state in call["initial_state"]]
        inputs = torch.tensor(x, requires_grad=True)
        output, trace = layer(inputs, **{**call, "initial_state": states})
        weights = [weight.value for weight in layer.trainable_variables]
        parts = [output, *trace[:-1]]
        found.append(
            [
                torch.autograd.grad(
                    part.sin().sum(),
                    [inputs, *states, *weights],
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                for part in parts
            ]
        )
    for got, want in zip(*found, strict=True):
        assert_all_close([to_numpy(g) for g in got], [to_numpy(w) for w in want], 1e-13)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", CELLS, ids=by_name)
def test_in_half_precision_the_numbers_are_those_of_float32(case, dtype):
    x, call = arguments(case, "any")
    results = []
    for layer in (pair(case, dtype=dtype)[0], pair(case, dtype="float32")[1]):
        output, trace = layer(x.astype("float32"), **call)
        kinds = {part.dtype for part in (output, *trace[:-1])}
        assert len(kinds) == 1
        results.append([to_numpy(part.detach().float()) for part in (output, *trace[:-1])])
    assert_all_close(*results, ATOL[dtype])


def test_predictions_need_no_gradients_and_are_the_same():
    x, call = arguments(CELLS[0], "post")
    layer, portable = pair(CELLS[0], dtype="float64")
    want = layer(x, **call)
    import torch

    with torch.no_grad():
        got, other = layer(x, **call), portable(x, **call)
    for a, b, c in zip(*map(keras.tree.flatten, (got, want, other)), strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b.detach()), rtol=1e-12)
        np.testing.assert_allclose(to_numpy(a), to_numpy(c), rtol=1e-9, atol=1e-12)


def test_a_stateful_layer_continues_from_its_states():
    x, _ = arguments(CELLS[0], "none")
    results = []
    for path in ("auto", "portable"):
        keras.utils.set_random_seed(1)
        layer = kit.LSTM(UNITS, stateful=True, return_gates=True, path=path)
        layer(x)
        results.append([to_numpy(part.detach()) for part in keras.tree.flatten(layer(x))])
    assert_all_close(*results, ATOL["float32"])


def test_a_second_derivative_is_refused_not_wrong():
    import torch

    x = torch.ones(BATCH, TIME, FEATURES, requires_grad=True)
    _, trace = kit.LSTM(3, return_gates=True)(x)
    with pytest.raises(NotImplementedError, match=r'differentiated twice.*path="portable"'):
        torch.autograd.grad(trace.cell.sum(), x, create_graph=True)


@pytest.mark.usefixtures("on_device")
@pytest.mark.parametrize("associative", [False, True])
@pytest.mark.parametrize("time", [1, 2, 7, 16])
def test_the_linear_recurrence_and_its_gradients(associative, time):
    import torch

    from keras_rnnkit.kernels._torch_linear import linear_recurrence

    rng = np.random.default_rng(0)
    a, b = (torch.tensor(rng.random((time, 2, 3)), requires_grad=True) for _ in range(2))
    first = torch.tensor(rng.random((2, 3)), requires_grad=True)
    h, want = first, []
    for t in range(time):
        h = a[t] * h + b[t]
        want.append(h)
    tensors = (a, b, first, associative)
    torch.testing.assert_close(linear_recurrence(*tensors), torch.stack(want))
    assert torch.autograd.gradcheck(linear_recurrence, tensors)


GPU = Request(backend="torch", gpu=True, capture_gates=True, units=128)


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        *(
            ({"cell": c, "training": t}, "native + gates")
            for c, t in itertools.product(("LSTM", "GRU"), (False, True))
        ),
        ({"masked": True}, "native + gates"),
        ({"weight_dropout": True, "training": True}, "native + gates"),
        ({"gpu": False}, "preallocated"),
        ({"use_cudnn": False}, "preallocated"),
        ({"capture_gates": False}, "native"),
        ({"recurrent_dropout": True, "training": True}, "preallocated"),
        ({"dropout_per_gate": True, "training": True}, "preallocated"),
        ({"cell": "GRU, reset before"}, "hoisted"),
        ({"cell": "SimpleRNN"}, "hoisted"),
    ],
)
def test_the_rule_takes_it_where_only_the_gates_are_in_cudnns_way(monkeypatch, changes, method):
    monkeypatch.undo()
    assert choose(GPU._replace(**changes)).method == method


def test_weights_in_one_buffer_are_views_in_the_order_of_cudnn():
    import torch

    from keras_rnnkit.kernels._torch_native import _in_one_buffer

    rng = np.random.default_rng(0)
    weights = [torch.tensor(rng.random(shape), requires_grad=True) for shape in ((3, 8), (2, 8))]
    weights += [torch.tensor(rng.random(8), requires_grad=True) for _ in range(2)]
    given = [weights[0].T, weights[1].T, *weights[2:]]
    found = _in_one_buffer(given)
    start = found[0].data_ptr()
    for view, want in zip(found, given, strict=True):
        torch.testing.assert_close(view, want)
        assert view.is_contiguous()
        assert view.data_ptr() == start
        start += view.numel() * view.element_size()
    torch.autograd.gradcheck(lambda a, b, *biases: _in_one_buffer([a.T, b.T, *biases]), weights)
