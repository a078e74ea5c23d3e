"""Write the HDF5 files of Keras 2 that the tests read, and the outputs that Keras 2 computes.

It runs in an environment of its own, as Keras 2 and Keras 3 do not share one:

    python -m venv keras2 && keras2/bin/pip install tf-keras==2.21.0 tensorflow-cpu==2.21.0
    keras2/bin/python tests/interop/keras/make_files.py

tf-keras cannot run cuDNN layers without a GPU. Their outputs are those of its `LSTM` and
`GRU(reset_after=True)`, into which tf-keras itself has loaded the weights of the cuDNN file.
"""

import json
import os
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}

import h5py
import numpy as np
import tf_keras as keras
from tf_keras import layers
from tf_keras.src.layers.rnn.cudnn_gru import CuDNNGRU
from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM

FILES = Path(__file__).parent / "files"
RNG = np.random.default_rng(0)
IDS = np.array([[3, 1, 4, 2, 0], [2, 5, 1, 0, 0], [1, 2, 0, 0, 0]])
X = RNG.normal(size=(3, 5, 4)).astype("float32")


def randomized(model, middle=0.2):
    rng = np.random.default_rng(7)
    values = [rng.uniform(0.1, 0.9, size=w.shape) for w in model.weights]
    least = [0.0 if "variance" in weight.name else 0.5 - middle for weight in model.weights]
    model.set_weights([value - low for value, low in zip(values, least, strict=True)])
    return model


def write(name, model, x, answers=None):
    """The file, the inputs and the outputs; `answers` is a model that can run."""
    model.save(FILES / f"{name}.h5", include_optimizer=False)
    if answers is not None:
        answers.load_weights(FILES / f"{name}.h5")
    outputs = (answers or model).predict(x, verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    inputs = x if isinstance(x, list) else [x]
    arrays = {f"x{i}": one for i, one in enumerate(inputs)}
    arrays |= {f"y{i}": one for i, one in enumerate(outputs)}
    np.savez_compressed(FILES / f"{name}.npz", **arrays)


def classifier():
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.1))
    return keras.Sequential(
        [
            layers.Embedding(6, 4, mask_zero=True, input_length=5),
            layers.SpatialDropout1D(0.1),
            both,
            layers.GRU(3, return_sequences=True, kernel_regularizer="l2"),
            layers.GRU(2, reset_after=False, implementation=1),
            layers.Dense(1, activation="sigmoid", kernel_constraint=keras.constraints.MaxNorm(3)),
        ]
    )


def convolutions():
    return keras.Sequential(
        [
            layers.Conv1D(3, 2, padding="causal", activation="relu", batch_input_shape=(3, 5, 4)),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2, strides=1),
            layers.SimpleRNN(3, return_sequences=True, unroll=True, stateful=True),
            layers.TimeDistributed(layers.Dense(2)),
            layers.LeakyReLU(0.1),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling1D(),
        ]
    )


def functional():
    """Two inputs, shared and nested models, frozen layers, initial states, stacks of cells."""
    ids, x = keras.Input((5,), name="ids"), keras.Input((5, 4), name="x")
    words = layers.Embedding(6, 4, name="words")(ids)
    _, h, c = layers.LSTM(3, return_state=True, name="encoder")(words)
    decoded = layers.LSTM(3, return_sequences=True, name="decoder")(x, initial_state=[h, c])
    frozen = layers.Dense(2, trainable=False, name="frozen")
    inner = keras.Sequential(
        [
            keras.Input((5, 3)),
            frozen,
            layers.BatchNormalization(name="norm"),
            layers.Bidirectional(layers.GRU(2), name="both"),
            layers.Dense(2, name="after"),
        ],
        name="inner",
    )
    cells = layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)], return_sequences=True, name="cells")
    once, twice = inner(decoded), inner(cells(decoded))
    both = layers.Bidirectional(layers.LSTM(2), merge_mode="ave", name="both")(decoded)
    return keras.Model([ids, x], [layers.Add()([once, twice, both]), h])


def cudnn():
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            CuDNNLSTM(3, return_sequences=True),
            layers.Bidirectional(CuDNNGRU(2, return_sequences=True)),
            CuDNNGRU(3),
        ]
    )


def without_cudnn():
    gru = layers.GRU(2, return_sequences=True)
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.LSTM(3, return_sequences=True),
            layers.Bidirectional(gru),
            layers.GRU(3),
        ]
    )


def hard():
    """The gates of Keras before 2.3: an output for each layer, none of them saturated."""
    gates = {"recurrent_activation": "hard_sigmoid", "return_sequences": True}
    cells = [layers.LSTMCell(3, recurrent_activation="hard_sigmoid")]
    cells.append(layers.GRUCell(2, recurrent_activation="hard_sigmoid"))
    x = keras.Input((5, 4))
    outputs = [
        layers.LSTM(3, **gates)(x),
        layers.GRU(3, activation="hard_sigmoid", **gates)(x),
        layers.Bidirectional(layers.GRU(2, reset_after=False, **gates))(x),
        layers.RNN(cells, return_sequences=True)(x),
        layers.SimpleRNN(2, activation="hard_sigmoid", return_sequences=True)(x),
        layers.Dense(2, activation="hard_sigmoid")(x),
        layers.Conv1D(2, 2, activation="hard_sigmoid")(x),
        layers.SeparableConv1D(3, 2, activation="hard_sigmoid")(x),
    ]
    return keras.Model(x, outputs)


def as_old_keras(name):
    """The file as Keras 2.1 wrote it: no `InputLayer`, a list of layers, no `reset_after`."""
    with h5py.File(FILES / f"{name}.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        first, *others = config["config"]["layers"]
        others[0]["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
        for layer in others:
            for remove in ("reset_after", "time_major"):
                layer["config"].pop(remove, None)
        config["config"] = others
        file.attrs["model_config"] = json.dumps(config).encode()
        file["model_weights"].attrs["keras_version"] = b"2.1.6"


def main():
    FILES.mkdir(exist_ok=True)
    model = classifier()
    model(IDS)
    write("classifier", randomized(model), IDS)
    randomized(model).save_weights(FILES / "weights.h5")
    write("convolutions", randomized(convolutions()), X)
    write("functional", randomized(functional()), [IDS, X])
    write("cudnn", randomized(cudnn()), X, without_cudnn())
    write("hard", randomized(hard(), middle=0.0), X / 2)
    old = keras.Sequential([keras.Input((5, 4)), layers.GRU(3, reset_after=False)])
    write("old", randomized(old), X)
    as_old_keras("old")
    time_major = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, time_major=True)])
    randomized(time_major).save(FILES / "time_major.h5", include_optimizer=False)


if __name__ == "__main__":
    main()
