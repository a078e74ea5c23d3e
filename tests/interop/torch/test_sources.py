"""What `from_torch` takes weights from, without PyTorch: mappings and files, good and bad ones."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import keras_rnnkit as kit
from tests.interop.torch.support import drawn
from tests.interop.torch.write import FOLDER


def state(gates=4, units=4, features=3, layers=1, both=False, bias=True, prefix=""):
    """A `state_dict` of arrays."""
    arrays, columns = {}, features
    for i in range(layers):
        for ending in ("", "_reverse")[: 1 + both]:
            shapes = {"weight_ih": (gates * units, columns), "weight_hh": (gates * units, units)}
            if bias:
                shapes |= dict.fromkeys(("bias_ih", "bias_hh"), (gates * units,))
            for name, shape in shapes.items():
                arrays[f"{prefix}{name}_l{i}{ending}"] = drawn(shape, seed=len(arrays))
        columns = (1 + both) * units
    return arrays


@pytest.mark.parametrize(
    ("gates", "kind", "layer"),
    [(4, None, kit.LSTM), (3, None, kit.GRU), (1, "rnn_tanh", kit.SimpleRNN)],
)
def test_the_kind_is_inferred_from_the_shapes(gates, kind, layer):
    assert type(kit.from_torch(state(gates), kind=kind)) is layer
    assert type(kit.from_torch(state(gates, both=True), kind=kind).backward_layer) is layer
    stack = kit.from_torch(state(gates, layers=3, both=True), kind=kind, name="encoder")
    assert stack.name == "encoder"
    assert [type(part.forward_layer) for part in stack.recurrent_layers] == [layer] * 3


def test_the_layer_can_be_saved_and_has_the_options_asked_for(tmp_path):
    x = drawn((2, 5, 3))
    layer = kit.from_torch(state(layers=2, both=True), return_sequences=False, return_gates=True)
    output, traces = layer(x)
    assert tuple(output.shape) == (2, 8) and list(traces) == ["rnn_0", "rnn_1"]
    _, trace = kit.from_torch(state(both=True), return_gates=True)(x)
    assert trace.backward._fields[0] == "input"
    _, trace = kit.from_torch(state(), return_gates=True)(x)
    assert trace._fields[0] == "input"
    arrays = state(layers=2)
    arrays |= {f"weight_hr_l{i}": drawn((2, 4)) for i in range(2)}
    arrays |= {name: arrays[name][:, :2] for name in ("weight_hh_l0", "weight_hh_l1")}
    arrays["weight_ih_l1"] = arrays["weight_ih_l1"][:, :2]
    projected = kit.from_torch(arrays)
    model = keras.Sequential([keras.Input((5, 3)), projected])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_part_of_a_file_is_read_by_its_prefix(tmp_path):
    parts = {"head.weight": drawn((2, 4)), **state(prefix="encoder.lstm.")}
    save_file(parts, tmp_path / "model.safetensors")
    for prefix in ("encoder.lstm", "encoder.lstm."):
        layer = kit.from_torch(tmp_path / "model.safetensors", prefix=prefix)
        wanted = kit.from_torch(state())
        np.testing.assert_array_equal(layer.get_weights()[1], wanted.get_weights()[1])
    with pytest.raises(ValueError, match=r"There are 'encoder\.lstm\.'\. Received: prefix='dec\.'"):
        kit.from_torch(str(tmp_path / "model.safetensors"), prefix="dec")


def test_the_dtype_is_that_of_the_weights_or_the_one_given():
    assert kit.from_torch(state()).compute_dtype == "float32"
    assert kit.from_torch(state(), dtype="mixed_bfloat16").compute_dtype == "bfloat16"
    half = {name: array.astype("float16") for name, array in state().items()}
    assert kit.from_torch(half).variable_dtype == "float16"
    half["weight_ih_l0"] = half["weight_ih_l0"].astype("float32")
    with pytest.raises(ValueError, match=r"of one dtype.*dtypes=\['float16', 'float32'\]$"):
        kit.from_torch(half)
    double = {name: array.astype("float64") for name, array in state().items()}
    assert kit.from_torch(double, dtype="float32").compute_dtype == "float32"


@pytest.mark.skipif(keras.config.backend() != "jax", reason="the limit is that of JAX")
@pytest.mark.parametrize("dtype", [None, "float64", keras.DTypePolicy("float64"), np.float64])
def test_float64_is_refused_where_jax_would_round_it(dtype):
    double = {name: array.astype("float64") for name, array in state().items()}
    with pytest.raises(ValueError, match=r"jax_enable_x64.*Received: dtype=.*float64"):
        kit.from_torch(double, dtype=dtype)


def changed(**changes):
    """A `state_dict` with other shapes; `None` removes a parameter."""
    arrays = state(layers=2)
    for name, shape in changes.items():
        arrays.pop(name, None)
        if shape is not None:
            arrays[name] = drawn(shape)
    return arrays


WRONG = {
    "nothing": ({}, {}, r"`weight_ih_l0`.*names=\[\]$"),
    "a cell": ({"weight_ih": drawn((16, 3))}, {}, r"add the ending\. .*names=\['weight_ih'\]$"),
    "unknown": (changed(weight_ih_l0_g=(1,)), {}, r"unknown names=\['weight_ih_l0_g'\]$"),
    "missing": (changed(bias_hh_l1=None), {}, r"missing=\['bias_hh_l1'\], unexpected=\[\]$"),
    "half a direction": (
        changed(weight_ih_l0_reverse=(16, 3)),
        {},
        r"bidirectional=True.*missing=\['weight_hh_l0_reverse'",
    ),
    "layer 1 alone": (
        {k: v for k, v in changed().items() if "_l1" in k},
        {},
        r"`weight_ih_l0` with two sizes.*shape=None",
    ),
    "a huge layer": (changed(weight_ih_l99999999999=(1,)), {}, r"layers=100000000000"),
    "no layer number": (changed(**{f"weight_ih_l{'9' * 5000}": (1,)}), {}, r"unknown names="),
    "a key that is no name": ({**state(), 5: drawn((1,))}, {}, r"names of parameters\. .*key=5$"),
    "another shape": (changed(weight_ih_l1=(16, 5)), {}, r"\(16, 4\).*weight_ih_l1\.shape=\(16, 5"),
    "one size": (changed(weight_hh_l0=(16,)), {}, r"weight_hh_l0\.shape=\(16,\)"),
    "no size": (changed(weight_hh_l0=(0, 0)), {}, r"weight_hh_l0\.shape=\(0, 0\)"),
    "other rows": (changed(weight_hh_l0=(8, 4)), {}, r"4, 3 or 1 rows.*rows=8, units=4$"),
    "another kind": (changed(), {"kind": "gru"}, r"of a torch\.nn\.LSTM.*Received: kind='gru'$"),
    "no kind": (state(gates=1), {}, r"kind='rnn_tanh'.*kind='rnn_relu'\. Received: kind=None$"),
    "unknown kind": (changed(), {"kind": "rnn"}, r"^`kind` must be 'lstm' or 'gru'.*kind='rnn'$"),
    "integers": (
        {name: array.astype("int8") for name, array in state().items()},
        {},
        r"quantized module.*weight_ih_l0\.dtype=int8$",
    ),
    "dropout": (changed(), {"dropout": 1.5}, r"`dropout` of from_torch must.*dropout=1\.5$"),
    "dropout in one": (state(), {"dropout": 0.5}, r"there is one layer.*dropout=0\.5$"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_parameters_are_refused_by_name(name):
    source, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        kit.from_torch(source, **options)


@pytest.mark.parametrize("source", [None, 3, [drawn((2, 2))], kit.LSTM], ids=lambda s: type(s))
def test_other_sources_are_refused(source):
    with pytest.raises(TypeError, match=r"^`source` must be .*Received: type\(source\)="):
        kit.from_torch(source)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".pkl"])
def test_a_pickle_is_never_opened(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ValueError, match=r"torch\.load\(path, weights_only=True\).*source='"):
        kit.from_torch(path)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '\.safetensors'\. Received: source='.*h5'$"):
        kit.from_torch(tmp_path / "model.h5")
    with pytest.raises(FileNotFoundError, match=r"that exists\. Received: source='"):
        kit.from_torch(tmp_path / "model.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(FileNotFoundError, match=r"that exists\. Received: source='"):
        kit.from_torch(tmp_path / "folder.safetensors")
    whole = (FOLDER / "lstm.safetensors").read_bytes()
    for name, content in {"cut": whole[:-1], "empty": b"", "noise": b"\xff" * 64}.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"complete \.safetensors file.*Received: source='"):
            kit.from_torch(path)
    save_file({n: a.astype("int32") for n, a in state().items()}, tmp_path / "int.safetensors")
    with pytest.raises(ValueError, match=r"weight_\w+_l0\.dtype=I32$|bias_\w+_l0\.dtype=I32$"):
        kit.from_torch(tmp_path / "int.safetensors")


def test_the_values_of_a_file_are_in_the_layer():
    """The gates by hand, so that no code of the package decides what is right."""
    layer = kit.from_torch(FOLDER / "gru.safetensors", prefix="module.")
    arrays = load_file(FOLDER / "gru.safetensors")
    reset, update, candidate = np.split(arrays["module.weight_ih_l0"], 3)
    kernel, _, bias = layer.get_weights()
    np.testing.assert_array_equal(kernel, np.concatenate([update.T, reset.T, candidate.T], axis=1))
    reset, update, candidate = np.split(arrays["module.bias_hh_l0"], 3)
    np.testing.assert_array_equal(bias[1], np.concatenate([update, reset, candidate]))


WITHOUT = """
import sys

absent = ("torch", "onnx", "onnxruntime", "safetensors")
import keras
for name in [name for name in sys.modules if name.partition(".")[0] in absent]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys(absent))
import numpy as np
import keras_rnnkit as kit

state = {"weight_ih_l0": np.ones((16, 3)), "weight_hh_l0": np.ones((16, 4))}
assert kit.from_torch({k: v.astype("float32") for k, v in state.items()}).units == 4
try:
    kit.from_torch("model.safetensors")
except ImportError as error:
    assert 'pip install "keras-rnnkit[safetensors]"' in str(error), error
else:
    raise AssertionError("no error")
"""


@pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch is needed by its backend")
def test_no_optional_library_is_needed_for_a_mapping(tmp_path):
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
