"""PyTorch around the layers: compilers, autocast, transforms, and gradients of gradients."""

import shutil

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import run
from tests.support.cases import to_numpy

pytestmark = [
    pytest.mark.skipif(keras.config.backend() != "torch", reason="PyTorch's own modes"),
    # What forward mode and the compiler are made of in PyTorch itself.
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),
]

FEATURES, TIME, BATCH = 3, 5, 4
HOLES = np.array([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [1] * 5], bool)

LAYERS = {
    "lstm": lambda **options: kit.LSTM(4, **options),
    "lstm preallocated": lambda **options: kit.LSTM(4, return_gates=True, **options),
    "gru": lambda **options: kit.GRU(4, **options),
    "gru reset before": lambda **options: kit.GRU(4, reset_after=False, **options),
    "simple_rnn": lambda **options: kit.SimpleRNN(4, **options),
    "min_gru": lambda **options: kit.MinGRU(4, **options),
    "min_gru by steps": lambda **options: kit.MinGRU(300, **options),  # too wide to be halved
    "min_lstm": lambda **options: kit.MinLSTM(4, **options),
    "rglru": lambda **options: kit.RGLRU(4, **options),
}
FUSED = tuple(name for name in LAYERS if name not in ("min_gru", "min_lstm", "rglru"))


def pair(name):
    """A layer of the kit on the path that is chosen, and on the portable one."""
    layers = []
    for path in ("auto", "portable"):
        keras.utils.set_random_seed(3)
        layer = LAYERS[name](path=path)
        layer.build((BATCH, TIME, FEATURES))
        layers.append(layer)
    return layers


def data():
    x = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES)).astype("float32")
    return keras.ops.convert_to_tensor(x)


def first(layer, x, **call):
    """The output of a layer, whatever else it returns."""
    return keras.tree.flatten(layer(x, **call))[0]


def step(layer, function, x, **call):
    """What a training step needs: the output and all gradients."""
    x = x.clone().requires_grad_()
    for variable in layer.trainable_variables:
        variable.value.grad = None
    output = function(layer, x, **call)
    (output.float() ** 2).sum().backward()
    found = [output, x.grad, *(variable.value.grad for variable in layer.trainable_variables)]
    return [to_numpy(tensor.detach()) for tensor in found]


def assert_all_close(found, want, atol=1e-5):
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


# The compiler looks at `grad` of what goes from graph to graph around a kernel.
BETWEEN_GRAPHS = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")


@pytest.mark.slow
@BETWEEN_GRAPHS
@pytest.mark.parametrize("name", LAYERS)
def test_compiled_it_gives_the_same_numbers(name):
    import torch

    torch.compiler.reset()
    layer, x = pair(name)[0], data()
    call = {"mask": keras.ops.convert_to_tensor(HOLES)}
    compiled = torch.compile(first, backend="aot_eager")
    assert_all_close(step(layer, compiled, x, **call), step(layer, first, x, **call))
    with torch.no_grad():
        found, want = compiled(layer, x, **call), first(layer, x, **call)
    np.testing.assert_allclose(to_numpy(found), to_numpy(want), atol=1e-6)


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.slow
@BETWEEN_GRAPHS
def test_a_model_compiled_by_jit_compile_trains_and_predicts():
    import torch

    losses, predictions, x = [], [], to_numpy(data())
    for jit in (False, True):
        torch.compiler.reset()
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Masking(), kit.LSTM(4), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((TIME, FEATURES)), *layers])
        model.compile("sgd", "mse", jit_compile=jit)
        losses.append(model.fit(x, x[:, 0, :1], epochs=2, verbose=0).history["loss"])
        predictions.append(model.predict(x, verbose=0))
    assert_all_close(*losses)
    assert_all_close(*predictions)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mask", [None, HOLES], ids=["", "masked"])
@pytest.mark.parametrize("name", LAYERS)
def test_autocast_leaves_a_layer_its_dtype(name, mask, dtype):
    """Its numbers, too, but for the product of a minimal cell, which is one of plain operations."""
    import torch

    layer, x = pair(name)[0], data()
    call = {} if mask is None else {"mask": mask}
    want = step(layer, first, x, **call)
    with torch.autocast(x.device.type, dtype=getattr(torch, dtype)):  # the backward pass as well
        found = step(layer, first, x, **call)
        with torch.no_grad():
            prediction = first(layer, x, **call)
    assert found[0].dtype == to_numpy(prediction).dtype == "float32"
    plain = name.startswith(("min", "rglru"))
    assert_all_close(found, want, atol=0.1 if plain else 1e-6)
    np.testing.assert_allclose(to_numpy(prediction), want[0], atol=0.02 if plain else 1e-6)


def jacobian(function, x):
    import torch

    return torch.autograd.functional.jacobian(function, x)


def by_hand(layer, x, **call):
    return jacobian(lambda x: first(layer, x, **call), x)


@pytest.mark.parametrize("mask", [None, HOLES], ids=["", "masked"])
@pytest.mark.parametrize("name", LAYERS)
def test_transforms_take_plain_operations(name, mask):
    import torch

    (layer, portable), x = pair(name), data()
    call = {} if mask is None else {"mask": keras.ops.convert_to_tensor(mask)}

    def output(x):
        return first(layer, x, **call)

    want = by_hand(portable, x, **call)
    close = {"rtol": 0, "atol": 1e-5}
    torch.testing.assert_close(torch.func.jacrev(output)(x), want, **close)
    torch.testing.assert_close(torch.func.jacfwd(output)(x), want, **close)
    forward = torch.autograd.functional.jacobian(output, x, vectorize=True, strategy="forward-mode")
    torch.testing.assert_close(forward, want, **close)
    rows = torch.stack([x, 2 * x])
    torch.testing.assert_close(
        torch.vmap(output)(rows), torch.stack([output(x), output(2 * x)]), **close
    )
    gradient = torch.func.grad(lambda x: output(x).sum())(x)
    torch.testing.assert_close(gradient, want.sum((0, 1)), **close)
    _, tangent = torch.func.jvp(output, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(tangent, want.sum((2, 3, 4)), **close)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_tangents_of_weights_take_plain_operations(name):
    import torch
    from torch.autograd import forward_ad

    (layer, portable), x = pair(name), data()
    values = [variable.value.detach() for variable in layer.trainable_variables]
    found = []
    with torch.no_grad(), forward_ad.dual_level():
        for each in (layer, portable):
            duals = [forward_ad.make_dual(value, torch.ones_like(value)) for value in values]
            outputs, _ = each.stateless_call(duals, each.non_trainable_variables, x)
            found.append(forward_ad.unpack_dual(outputs).tangent)
    torch.testing.assert_close(*found, rtol=0, atol=1e-5)
    assert found[0].abs().max() > 0.01


def test_a_second_derivative_by_transforms():
    import torch

    (layer, portable), x = pair("lstm"), data()
    hessians = [
        torch.func.hessian(lambda x, each=each: first(each, x).sum())(x)
        for each in (layer, portable)
    ]
    torch.testing.assert_close(*hessians, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FUSED)
def test_many_gradients_at_once_name_the_portable_path(name):
    import torch

    (layer, portable), x = pair(name), data()
    with pytest.raises(NotImplementedError, match=r'batch of gradients .*path="portable"'):
        torch.autograd.functional.jacobian(lambda x: first(layer, x), x, vectorize=True)
    found = torch.autograd.functional.jacobian(lambda x: first(portable, x), x, vectorize=True)
    torch.testing.assert_close(found, by_hand(portable, x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FUSED)
def test_a_gradient_of_a_gradient_names_the_portable_path(name):
    import torch

    x = data().requires_grad_()
    layer, portable = pair(name)
    with pytest.raises(NotImplementedError, match=r'differentiated twice.*path="portable"'):
        torch.autograd.grad(first(layer, x).sum(), x, create_graph=True)
    (gradient,) = torch.autograd.grad(first(portable, x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((gradient**2).sum(), x)
    assert second.abs().max() > 0


def test_the_fused_path_refuses_a_transform():
    import torch

    layer = kit.LSTM(4, path="fused", name="mine")
    layer.build((BATCH, TIME, FEATURES))
    with pytest.raises(
        ValueError, match=r"'mine'.*is not possible here: a transform of torch.func"
    ):
        torch.vmap(layer)(data()[None])


def test_a_call_as_it_is_takes_the_path_that_explain_tells():
    layer = pair("lstm")[0]
    how = {"masked": False, "capture_gates": False, "training": False}
    assert run.choice_for(layer, data(), **how) == run.choice_for(layer, **how)
