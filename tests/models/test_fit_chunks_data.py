"""The order of the chunks, and what `fit_chunks` refuses."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_rnnkit as kit
from keras_rnnkit.models._chunks import chunks_of
from tests.models.chunked import FEATURES, LANES, TIME, data, stateful_model

counts = st.integers(1, 12)


@pytest.mark.no_backend
@given(counts, counts, counts, counts)
def test_the_chunks_of_each_row_are_the_row(sets, lanes, time, steps):
    rows = np.arange(sets * lanes * time).reshape(sets * lanes, time, 1)
    chunks = chunks_of((rows, [rows, -rows], None), lanes, steps)
    assert chunks.num_batches == sets * chunks.in_row
    for number in range(sets):
        batches = [chunks[number * chunks.in_row + i] for i in range(chunks.in_row)]
        here = rows[number * lanes : (number + 1) * lanes]
        np.testing.assert_array_equal(np.concatenate([x for x, _ in batches], axis=1), here)
        np.testing.assert_array_equal(np.concatenate([y[1] for _, y in batches], axis=1), -here)
        lengths = [x.shape[1] for x, _ in batches]
        assert lengths[0] <= lengths[-1] == min(steps, time)
        assert set(lengths[1:]) <= {steps}


@pytest.mark.no_backend
def test_a_mapped_file_is_read_chunk_by_chunk(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(24).reshape(2, 12, 1))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    chunks = chunks_of((x, x, None), 2, 4)
    assert np.shares_memory(chunks._data[0], x)
    assert np.shares_memory(chunks[1][0], x)
    assert chunks_of((x / 2, None, None), 2, 4)[0][0].dtype == keras.config.floatx()


def model_of(*layers, time=None):
    return keras.Sequential([keras.Input(batch_shape=(LANES, time, FEATURES)), *layers])


CARRIES = {"stateful": True, "return_sequences": True}
WHOLE = r".*by `fit`.*`recompute=True`.*Received: "
MODELS = {
    "not stateful": (lambda: kit.LSTM(2), r"LSTM 'layer'.*`stateful=True`.*batch_shape.*Received"),
    "of keras": (
        lambda: keras.layers.GRU(2, **CARRIES),
        r"GRU 'layer'.*`kit.from_keras\(model\)`.*Received: ",
    ),
    "stack": (lambda: kit.StackedRNN([2]), r"StackedRNN 'layer'.*`stateful=True`.*Received: "),
    "last output": (
        lambda: kit.LSTM(2, stateful=True),
        r"LSTM 'layer'.*`return_sequences=True`" + WHOLE,
    ),
    "backwards": (
        lambda: kit.GRU(2, go_backwards=True, **CARRIES),
        r"GRU 'layer'.*starts at the end" + WHOLE,
    ),
    "both": (
        lambda: kit.Bidirectional(kit.LSTM(2, **CARRIES)),
        r"Bidirectional 'layer'.*backward direction" + WHOLE,
    ),
    "both in a stack": (
        lambda: kit.StackedRNN([2], bidirectional=True, **CARRIES),
        r"StackedRNN 'layer'.*backward direction" + WHOLE,
    ),
    "learned": (
        lambda: kit.LearnedInitialState(kit.LSTM(2, return_sequences=True)),
        r"LearnedInitialState 'layer'.*learned states" + WHOLE,
    ),
    "pooling": (
        lambda: keras.layers.AveragePooling1D(1),
        r"AveragePooling1D 'layer'.*several steps" + WHOLE,
    ),
    "convolution": (
        lambda: keras.layers.Conv1D(2, 3, padding="causal"),
        r"Conv1D 'layer'.*several steps" + WHOLE,
    ),
    "no recurrent layer": (
        lambda: keras.layers.Dense(2),
        r"`model` must be built, with at least one.*stateful layers=0",
    ),
}


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("name", MODELS)
def test_a_layer_that_cannot_be_cut_is_named(name):
    make, message = MODELS[name]
    layer = make()
    layer.name = "layer"
    model = model_of(layer)
    model.compile("sgd", "mse")
    x, y, _ = data()
    with pytest.raises(ValueError, match=message):
        kit.fit_chunks(model, x, y, 4)


def started_by_another(as_keyword):
    x = keras.Input(batch_shape=(LANES, None, FEATURES))
    _, *last = kit.LSTM(2, return_state=True, **CARRIES)(x)
    layer = kit.LSTM(2, name="second", **CARRIES)
    h = layer(x, initial_state=last) if as_keyword else layer(x, last)
    return keras.Model(x, keras.layers.Dense(1)(h))


def called_twice(inner):
    x = keras.Input(batch_shape=(LANES, None, FEATURES))
    layer = kit.GRU(2, name="shared", **CARRIES)
    called = keras.Sequential([x, layer]) if inner else layer
    return keras.Model(x, keras.layers.Add()([called(x), called(-x)]))


CALLS = {
    "initial states": (lambda: started_by_another(True), r"LSTM 'second'.*`initial_state`" + WHOLE),
    "by place": (lambda: started_by_another(False), r"LSTM 'second'.*`initial_state`" + WHOLE),
    "twice": (lambda: called_twice(False), r"GRU 'shared'.*called 2 times.*Received: "),
    "twice inside": (lambda: called_twice(True), r"GRU 'shared'.*called 2 times.*Received: "),
}


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_starts_from_other_states_is_refused(name):
    make, message = CALLS[name]
    model = make()
    model.compile("sgd", "mse")
    x, y, _ = data()
    with pytest.raises(ValueError, match=message):
        kit.fit_chunks(model, x, y, 4)


def test_calls_of_a_layer_in_another_model_do_not_count():
    layer = kit.GRU(1, **CARRIES)
    model = model_of(layer)
    other = keras.Input(batch_shape=(LANES, None, FEATURES))
    layer(other, initial_state=keras.Input(batch_shape=(LANES, 1)))
    model.compile("sgd", "mse")
    x, y, _ = data()
    kit.fit_chunks(model, x, y, 4, verbose=0)


def test_layers_that_cannot_see_other_steps_are_taken():
    words = kit.TimeDistributed(kit.LSTM(3))  # reads the letters of each word
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(LANES, None, 4, FEATURES)),
            words,
            keras.layers.Conv1D(4, 1),
            kit.GRU(2, **CARRIES),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    x, y, _ = data()
    letters = np.repeat(x[:, :, None], 4, axis=2)
    assert np.isfinite(kit.fit_chunks(model, letters, y, 4, verbose=0).history["loss"][0])


X, Y, WEIGHTS = data()
ARRAYS = {
    "a target a sequence": (X, Y[:, 0, 0], {}, r"`y` must.*single target.*`recompute=True`"),
    "other steps": (X, Y[:, 1:], {}, r"`y` must.*here \(4, 11\).*Received: y.shape=\(4, 10, 1\)"),
    "other rows": (X, Y[1:], {}, r"`y` must hold.*Received: y.shape=\(3, 11, 1\)"),
    "an input without time": ([X, X[:, 0]], Y, {}, r"`x` must.*np.repeat.*x.shape=\(4, 3\)"),
    "one axis": (X[0, 0], Y, {}, r"`x` must hold.*Received: x.shape=\(3,\)"),
    "a generator": (iter(X), Y, {}, r"`x` must hold.*data set or a generator must be read.*object"),
    "nothing": ({}, None, {}, r"`x` must have a number of rows.*Received: x.shape"),
    "no steps": (X[:, :0], Y[:, :0], {}, r"`x` must have.*at least one step"),
    "rows over": (X[:3], Y[:3], {}, r"`x` must.*multiple of 2.*Received: x.shape\[:2\]=\(3, 11\)"),
    "different lengths": ([[[1.0], [2.0]], [[1.0]]], None, {}, r"`x` must.*`kit.data.pack`"),
    "a weight a row": (X, Y, {"sample_weight": WEIGHTS[:, 0]}, r"`sample_weight` must.*np.repeat"),
    "weights alone": (X, None, {"sample_weight": WEIGHTS}, r"`sample_weight` needs targets"),
    "no steps a chunk": (X, Y, {"steps": 0}, r"`steps` must be.*Received: steps=0"),
    "validation of inputs": (X, Y, {"validation_data": X}, r"`validation_data` must be \(x, y\)"),
    "validation": (
        X,
        Y,
        {"validation_data": (X[:3], Y[:3])},
        r"`validation_data.x` must.*multiple of 2.*Received: validation_data.x.shape",
    ),
}


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_are_refused(name):
    x, y, more, message = ARRAYS[name]
    with pytest.raises(ValueError, match=message):
        kit.fit_chunks(stateful_model("gru"), x, y, **{"steps": 4, **more})


def test_chunks_of_another_length_than_the_models_are_refused():
    model = stateful_model("gru", time=4)
    with pytest.raises(ValueError, match=r"`steps` must.*of 4 steps.*steps=3, x.shape\[1\]=12"):
        kit.fit_chunks(model, *data(time=12)[:2], 3)
    with pytest.raises(ValueError, match=r"`steps` must.*multiple.*x.shape\[1\]=11"):
        kit.fit_chunks(model, *data(time=11)[:2], 4)
    with pytest.raises(ValueError, match=r"Received: steps=4, validation_data.x.shape\[1\]=2"):
        kit.fit_chunks(model, *data(time=12)[:2], 4, validation_data=data(time=2))
    kit.fit_chunks(model, *data(time=12)[:2], 4, verbose=0)


@pytest.mark.slow_on("jax", "tensorflow")
def test_models_that_do_not_fit_are_refused():
    x, y, _ = data()
    model = stateful_model("gru")
    model.compile("sgd", "mse", steps_per_execution=2)
    with pytest.raises(ValueError, match=r"`steps_per_execution` must be 1.*Received: .*=2"):
        kit.fit_chunks(model, x, y, 4)
    with pytest.raises(TypeError, match=r"`model` must be a Keras model.*Received: "):
        kit.fit_chunks(kit.LSTM(3), x, y, 4)
    not_built = keras.Sequential([kit.LSTM(2, **CARRIES)])
    with pytest.raises(ValueError, match=r"`model` must be built.*batch_shape.*built=False"):
        kit.fit_chunks(not_built, x, y, 4)
    callbacks = keras.callbacks.CallbackList([])
    with pytest.raises(TypeError, match=r"`callbacks` must be a list.*Received: .*CallbackList"):
        kit.fit_chunks(stateful_model("gru"), x, y, 4, callbacks=callbacks)
    with pytest.raises(TypeError, match=r"`callbacks` must be a list.*\(callback\)=str"):
        kit.fit_chunks(stateful_model("gru"), x, y, 4, callbacks="history")
    one, two = (kit.GRU(2, **CARRIES) for _ in range(2))
    first, second = (keras.Input(batch_shape=(rows, TIME, FEATURES)) for rows in (2, 3))
    model = keras.Model([first, second], [one(first), two(second)])
    with pytest.raises(ValueError, match=r"one batch size.*Received: .*2.*3"):
        kit.fit_chunks(model, [x, x], [y, y], 4)
