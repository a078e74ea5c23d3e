"""`from_torch` of files: on every backend, without PyTorch, the numbers that PyTorch computed."""

import contextlib

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import keras_rnnkit as kit
from keras_rnnkit.interop.torch.stacks import rows_of
from keras_rnnkit.interop.torch.to_module import form_of_rows, state_of_rows
from tests.interop.torch.support import assert_same, outputs_and_states
from tests.interop.torch.write import FILES, FOLDER
from tests.support.backends import float64_allowed

# Of the sum of two biases in their dtype.
TOLERANCE = {"float64": 1e-15, "float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}


def recorded(name):
    """The input of a file, and what the module returned for it."""
    arrays = load_file(FOLDER / f"{name}.safetensors")
    return arrays["x"], (arrays["output"], [arrays[s] for s in ("hidden", "cell") if s in arrays])


def loaded(name, **options):
    mode = FILES[name][0]
    kind = mode if mode.startswith("rnn") else None  # the others are inferred
    path = FOLDER / f"{name}.safetensors"
    return kit.from_torch(path, prefix="module.", kind=kind, return_state=True, **options)


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_the_outputs_and_states_that_pytorch_computed(name):
    dtype = FILES[name][1]
    with float64_allowed() if dtype == "float64" else contextlib.nullcontext():
        layer = loaded(name)
        assert layer.compute_dtype == layer.variable_dtype == dtype
        x, wanted = recorded(name)
        found = outputs_and_states(layer, keras.ops.convert_to_tensor(x, dtype=dtype))
    assert_same(found, wanted, dtype)


@pytest.mark.parametrize("name", FILES)
def test_the_parameters_of_a_layer_are_those_that_pytorch_wrote(name):
    """What `to_torch` puts into the module, of which the last step alone needs PyTorch."""
    dtype = FILES[name][1]
    with float64_allowed() if dtype == "float64" else contextlib.nullcontext():
        rows = rows_of(loaded(name), with_dropout=True)
        state = state_of_rows(rows, form_of_rows(rows, None))
    file = load_file(FOLDER / f"{name}.safetensors")
    written = {key.removeprefix("module."): file[key] for key in file if "module." in key}
    assert set(state) == set(written)
    for key, array in state.items():
        wanted = written[key].astype("float64")
        if "bias" in key and FILES[name][0] != "gru":  # Keras has the sum of the two
            other = key.replace("_ih_", "_xx_").replace("_hh_", "_ih_").replace("_xx_", "_hh_")
            wanted = wanted + written[other] if "bias_ih" in key else 0 * wanted
        np.testing.assert_allclose(array.astype("float64"), wanted, atol=TOLERANCE[dtype])
