"""A trace prints one line for each field: shape, dtype, and the range of its values."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
CELLS = {
    "LSTM": lambda: kit.LSTMCell(4),
    "GRU": lambda: kit.GRUCell(4),
    "SimpleRNN": lambda: kit.SimpleRNNCell(4),
    "MinGRU": lambda: kit.MinGRUCell(4),
    "MinLSTM": lambda: kit.MinLSTMCell(4),
    "RGLRU": lambda: kit.RGLRUCell(4),
    "NAS": lambda: kit.NASCell(4),
    "Cell": lambda: keras.layers.GRUCell(4),
}


def trace_of(name, x=X, **options):
    return kit.RNN(CELLS[name](), return_gates=True)(x, **options)[-1]


def words_of(text, line):
    return " ".join(text.splitlines()[line].split())


@pytest.mark.parametrize("name", CELLS)
def test_every_field_has_its_line(name):
    trace = trace_of(name)
    first, *lines, last = repr(trace).splitlines()
    assert (first, last) == (f"{name}Trace(", ")")
    assert [line.split()[0] for line in lines] == list(trace._fields)
    for line, field in zip(lines[:-1], trace._fields, strict=False):
        values = keras.ops.convert_to_numpy(getattr(trace, field))
        low, high, mean = (f"{value:.3g}" for value in (values.min(), values.max(), values.mean()))
        assert "(2, 5, 4)" in line and "float32" in line
        assert line.split("float32")[1].split() == [low, "..", f"{high},", "mean", mean]
    assert lines[-1].split("(2, 5)")[1].split() == ["bool", "10", "of", "10", "steps", "valid"]
    assert str(trace) == repr(trace)


def test_the_range_is_that_of_the_steps_that_are_not_masked():
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)
    trace = trace_of("GRU", mask=mask)
    valid = keras.ops.convert_to_numpy(trace.update)[mask]
    line = repr(trace).splitlines()[1]
    assert f"{valid.min():.3g} .. {valid.max():.3g}, mean {valid.mean():.3g}" in line
    assert "6 of 10 steps valid" in repr(trace)
    none = trace_of("GRU", mask=np.zeros((2, 5), bool))
    assert repr(none).count("every step is masked") == 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_every_dtype_is_named(dtype):
    trace = kit.GRUTrace(*[keras.ops.cast(keras.ops.ones((1, 2, 3)), dtype)] * 4, None)
    assert words_of(repr(trace), 1) == f"update (1, 2, 3) {dtype} 1 .. 1, mean 1"
    assert repr(trace).splitlines()[-2] == "  mask=None"


def test_what_is_not_finite_is_counted():
    values = np.array([[[1.0, np.nan, 3.0, np.inf]]])
    assert "1 .. 3, mean 2, 2 not finite" in repr(kit.SimpleRNNTrace(values, values, None))
    assert "4 not finite" in repr(kit.SimpleRNNTrace(values * np.nan, values, None))


def test_symbolic_tensors_have_shapes_and_dtypes():
    trace = kit.LSTM(4, return_gates=True)(keras.Input((5, 3)))[-1]
    assert words_of(repr(trace), 1) == "input (None, 5, 4) float32"
    assert words_of(repr(trace), -2).endswith("bool")


def test_shapes_in_the_place_of_tensors_show_themselves():
    shapes = kit.GRU(4, return_gates=True).compute_output_shape((2, 5, 3))[-1]
    assert repr(shapes).splitlines()[1].split("=")[0] == "  update"
    assert "(2, 5, 4)" in repr(shapes).splitlines()[1]


def test_traces_of_both_directions_are_indented():
    trace = kit.Bidirectional(kit.GRU(4), return_gates=True)(X)[-1]
    lines = repr(trace).splitlines()
    assert lines[:2] == ["BidirectionalTrace(", "  forward=GRUTrace("]
    assert lines[2].startswith("    update ") and lines[-2:] == ["  )", ")"]
    assert "  backward=GRUTrace(" in lines


def test_a_trace_can_be_printed_inside_a_compiled_function():
    layer, printed = kit.GRU(4, return_gates=True), []

    class Printing(keras.layers.Layer):
        def call(self, x):
            output, trace = layer(x)
            printed.append(repr(trace))
            return output

    inputs = keras.Input((5, 3))
    keras.Model(inputs, Printing()(inputs)).predict(X, verbose=0)
    assert all("update" in text and "float32" in text for text in printed)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="about a function that JAX traces")
def test_a_trace_in_a_traced_function_of_jax_has_no_values():
    import jax

    printed = []
    layer = kit.GRU(4)
    layer.build(X.shape)
    jax.jit(lambda x: printed.append(repr(layer.trace(x))))(X)
    assert words_of(printed[0], 1) == "update (2, 5, 4) float32"
