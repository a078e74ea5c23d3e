"""`OnnxModel` on files that other programs wrote, and on files that are damaged."""

import os
import threading

import numpy as np
import pytest

from keras_rnnkit.interop.onnx.model import OnnxModel
from tests.interop.onnx.files import (
    FEATURES,
    STREAMING,
    UNITS,
    lstm,
    lstm_in_numpy,
    sequences,
    two_of_each,
    written,
)

pytestmark = pytest.mark.no_backend


@pytest.fixture
def file(tmp_path):
    return written(lstm(), tmp_path / "model.onnx")


class TestPredict:
    @pytest.mark.parametrize("rows", [1, 2, 5, 7])
    @pytest.mark.parametrize("batch_size", [1, 3, None])
    def test_gives_the_numbers_of_the_equations(self, file, rows, batch_size):
        x = sequences(rows, 6)
        found = OnnxModel(file).predict(x, batch_size=batch_size)
        np.testing.assert_allclose(found, lstm_in_numpy(x), atol=1e-6)

    def test_no_rows_have_no_outputs(self, file):
        found = OnnxModel(str(file)).predict(np.zeros((0, 6, FEATURES)))
        assert found.shape == (0, UNITS)
        assert found.dtype == "float32"

    def test_a_graph_of_a_fixed_batch_takes_any_number_of_rows(self, tmp_path):
        model = OnnxModel(written(lstm(batch=3), tmp_path / "model.onnx"))
        for rows in (0, 1, 3, 7):
            x = sequences(rows, 6)
            np.testing.assert_allclose(model.predict(x), lstm_in_numpy(x), atol=1e-6)

    def test_several_inputs_and_outputs(self, tmp_path):
        model = OnnxModel(written(two_of_each(), tmp_path / "model.onnx"))
        x, ids = np.array([[0.5, 1.0]]), np.array([[1.0, 2.0]])
        for inputs in ([x, ids], (x, ids), {"ids": ids, "x": x}):
            total, difference = model.predict(inputs)
            np.testing.assert_allclose(total, [[1.5, 3.0]])
            np.testing.assert_allclose(difference, [[-0.5, -1.0]])

    def test_the_structure_of_the_model(self, tmp_path):
        structures = {
            "inputs": {"dict": {"a": {"list": ["x"]}, "b": "ids"}},
            "outputs": {"dict": {"sums": {"tuple": ["sum", "difference"]}}},
        }
        metadata = {
            "format": 1,
            "inputs": ["x", "ids"],
            "outputs": ["sum", "difference"],
            "structures": structures,
            "states": [],
            "streaming": False,
            "fingerprint": "0",
        }
        model = OnnxModel(written(two_of_each(metadata), tmp_path / "model.onnx"))
        x, ids = np.array([[0.5, 1.0]]), np.array([[1, 2]])
        for inputs in ({"a": [x], "b": ids}, {"a": (x,), "b": ids}, {"x": x, "ids": ids}):
            found = model.predict(inputs)
            assert isinstance(found["sums"], tuple)
            np.testing.assert_allclose(found["sums"][1], [[-0.5, -1.0]])
        for wrong in ({"a": x, "b": ids}, [x, ids], {"b": ids}):
            with pytest.raises(ValueError, match=r"`x` must have the inputs of the model"):
                model.predict(wrong)

    def test_many_threads(self, file):
        model, x = OnnxModel(file, threads=1), sequences(40, 6)
        want, found = lstm_in_numpy(x), {}

        def run(i):
            found[i] = model.predict(x[i : i + 10], batch_size=3)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i, part in found.items():
            np.testing.assert_allclose(part, want[i : i + 10], atol=1e-6)
        assert len(found) == 30


X = np.zeros((2, 5))
WRONG = {
    "a rank": ([X[0], X], r"shape \(batch, time\) in the input 'x'.*`x\[None\]`.*shape=\(5,\)"),
    "too few": ([X], r"the inputs of the model, \['x', 'ids'\].*Received: x=\['array'\]"),
    "a name": ({"x": X, "words": X}, r"Received: keys=\['words', 'x'\]"),
    "two lengths": ([X, X[:, :4]], r"shape \(batch, time\) in the input 'ids'.*\(2, 4\)"),
    "two batches": ([X, X[:1]], r"same number of rows.*\{'x': 2, 'ids': 1\}"),
    "no steps": ([X[:, :0], X[:, :0]], r"no axis of size 0.*shape=\(2, 0\)"),
    "fractions": ([X, X + 0.5], r"dtype int32 in the input 'ids'.*float64, values from 0.5 to 0.5"),
    "not a number": ([X, X * np.nan], r"dtype int32 in the input 'ids'"),
    "too large": ([X, X.astype(int) + 2**31], r"values from 2147483648 to"),
    "too large as a float": ([X, np.float32(X + 2**31)], r"values from 2147483648.0 to"),
    "words": ([X, X.astype(str)], r"dtype int32 in the input 'ids'.*dtype=<U"),
    "complex": ([X + 1j, X], r"dtype float32 in the input 'x'.*complex128"),
    "ragged": ([X, [[1], [1, 2]]], r"arrays of numbers with a row for each example"),
    "nothing": (None, r"arrays of numbers with a row for each example"),
}


@pytest.mark.parametrize("why", WRONG)
def test_other_inputs_are_refused_by_name(why, tmp_path):
    model = OnnxModel(written(two_of_each(), tmp_path / "model.onnx"))
    x, message = WRONG[why]
    with pytest.raises(ValueError, match=message):
        model.predict(x)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
def test_other_batch_sizes_are_refused(batch_size, file):
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        OnnxModel(file).predict(sequences(2, 3), batch_size=batch_size)


class TestStream:
    def test_steps_give_the_output_of_the_sequence(self, tmp_path):
        model = OnnxModel(written(lstm(metadata=STREAMING, streaming=True), tmp_path / "s.onnx"))
        x = sequences(2, 6)
        live, other = model.stream(), model.stream()
        for t in range(6):
            y = live.step(x[:, t])
            other.step(x[:, -t])
            if t == 2:
                second = live.copy()
            np.testing.assert_allclose(y, lstm_in_numpy(x[:, : t + 1]), atol=1e-6)
        np.testing.assert_allclose(second.step(x[:, 3]), lstm_in_numpy(x[:, :4]), atol=1e-6)
        assert live.states["hidden"].shape == (2, UNITS)
        live.reset()
        assert live.states is None
        np.testing.assert_allclose(live.step(x[:1, 0]), lstm_in_numpy(x[:1, :1]), atol=1e-6)

    def test_another_number_of_rows_is_refused(self, tmp_path):
        model = OnnxModel(written(lstm(metadata=STREAMING, streaming=True), tmp_path / "s.onnx"))
        live = model.stream()
        with pytest.raises(ValueError, match=r"at least one row.*rows=0"):
            live.step(np.zeros((0, FEATURES)))
        live.step(np.zeros((2, FEATURES)))
        with pytest.raises(ValueError, match=r"the 2 rows of the first.*rows=3"):
            live.step(np.zeros((3, FEATURES)))

    def test_each_kind_of_file_says_what_it_is_for(self, file, tmp_path):
        with pytest.raises(ValueError, match=r"streaming=True\)`. Received: streaming=False"):
            OnnxModel(file).stream()
        model = OnnxModel(written(lstm(metadata=STREAMING, streaming=True), tmp_path / "s.onnx"))
        with pytest.raises(ValueError, match=r"Call `stream\(\)`.*Received: streaming=True"):
            model.predict(np.zeros((2, 1, FEATURES)))


class TestFiles:
    def test_a_torn_file_is_refused_at_every_length(self, file):
        content = file.read_bytes()
        for length in (0, 1, 10, 100, len(content) // 2, len(content) - 3):
            file.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"complete ONNX file.*path_or_model='.*onnx'"):
                OnnxModel(file)

    def test_another_kind_of_file_is_refused(self, tmp_path):
        path = tmp_path / "model.onnx"
        path.write_text("<html>not found</html>")
        with pytest.raises(ValueError, match=r"complete ONNX file"):
            OnnxModel(path)

    def test_no_file_a_folder_and_a_pipe(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no.onnx"):
            OnnxModel(tmp_path / "no.onnx")
        with pytest.raises(ValueError, match=r"must be an ONNX file, but it is a folder"):
            OnnxModel(tmp_path)
        with pytest.raises(TypeError, match=r"`path_or_model` must be a path"):
            OnnxModel(3)
        os.mkfifo(tmp_path / "pipe.onnx")
        with pytest.raises(ValueError, match=r"a device or a pipe"):
            OnnxModel(tmp_path / "pipe.onnx")

    def test_weights_outside_of_the_folder_are_refused(self, tmp_path):
        model = lstm()
        weights = model.graph.initializer[0]
        secret = tmp_path / "secret"
        secret.write_bytes(weights.raw_data)
        weights.ClearField("raw_data")
        weights.data_location = 1  # external
        weights.external_data.add(key="location", value="../secret")
        (tmp_path / "folder").mkdir()
        path = tmp_path / "folder" / "model.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=r"complete ONNX file"):
            OnnxModel(path)


GOOD = {**STREAMING, "streaming": False}
TAMPERED = {
    "not JSON": "{",
    "too deep": "[" * 100_000,
    "a list": [],
    "another format": {**GOOD, "format": 2},
    "no inputs": {**GOOD, "inputs": []},
    "another input": {**GOOD, "inputs": ["y"]},
    "a missing output": {**GOOD, "outputs": ["y", "z"]},
    "names that are none": {**GOOD, "inputs": [1]},
    "no states": {key: entry for key, entry in GOOD.items() if key != "states"},
    "a state without a shape": {**GOOD, "states": [{"input": "hidden", "output": "y"}]},
    "a negative size": {**GOOD, "states": [{**STREAMING["states"][0], "shape": [-1]}]},
    "a size that is none": {**GOOD, "states": [{**STREAMING["states"][0], "shape": ["a"]}]},
    "streaming as a word": {**GOOD, "streaming": "no"},
    "no fingerprint": {**GOOD, "fingerprint": None},
    "steps of other outputs": {**GOOD, "steps": [True, False]},
    "steps that are none": {**GOOD, "steps": ["y"]},
    "structures of other names": {**GOOD, "structures": {"inputs": "x", "outputs": "z"}},
    "no structure": {**GOOD, "structures": {"inputs": "x"}},
    "structures of numbers": {**GOOD, "structures": {"inputs": 1, "outputs": "y"}},
    "structures of two kinds": {
        **GOOD,
        "structures": {"inputs": {"list": ["x"], "tuple": []}, "outputs": "y"},
    },
}


@pytest.mark.parametrize("why", TAMPERED)
def test_metadata_that_were_changed_are_refused(why, tmp_path):
    model = lstm(metadata=TAMPERED[why], streaming=True)
    path = written(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"the entry 'keras_rnnkit' of its metadata is not valid"):
        OnnxModel(path)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_other_numbers_of_threads_are_refused(threads, file):
    with pytest.raises(ValueError, match=r"`threads` must be an integer"):
        OnnxModel(file, threads=threads)


@pytest.mark.parametrize("providers", [[], "CPUExecutionProvider", ["NoneSuch"], [("a", "b", "c")]])
def test_other_providers_are_refused(providers, file):
    with pytest.raises(ValueError, match=r"`providers` must be a list.*CPUExecutionProvider"):
        OnnxModel(file, providers=providers)


def test_providers_with_options(file):
    model = OnnxModel(file, providers=[("CPUExecutionProvider", {"use_arena": "0"})])
    assert model.predict(sequences(1, 2)).shape == (1, UNITS)


def test_a_foreign_file_has_no_fingerprint(file):
    import keras

    model = OnnxModel(file)
    with pytest.raises(ValueError, match=r"`model` must be a Keras model.*model=None"):
        model.is_current()
    with pytest.raises(TypeError, match=r"`model` must be a Keras model"):
        model.is_current("model")
    with pytest.raises(ValueError, match=r"fingerprint=None"):
        model.is_current(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


def test_its_repr_has_the_names_and_shapes(file):
    assert repr(OnnxModel(file)) == (
        "<OnnxModel inputs=[x: float32 (batch, time, 3)], outputs=[y: float32 (batch, 4)]>"
    )


def test_a_missing_library_is_named(file, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "keras-rnnkit\[onnx\]"'):
        OnnxModel(file)
