"""Runs Keras' own tests of recurrent layers with the kit's layers in the place of `keras.layers`'.

    KERAS_BACKEND=jax python tests/packaging/keras_own_tests.py

The wheel of Keras brings its tests along: `keras/src/layers/rnn/*_test.py`. What follows goes to
pytest. Not part of the test suite: the tests are Keras', and what they held of ours that fell short
is held by tests of ours.
"""

import importlib
import sys
from pathlib import Path

import keras
import pytest

import keras_rnnkit as kit

REPLACED = (
    *("Bidirectional", "Embedding", "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "SimpleRNN"),
    *("SimpleRNNCell", "TimeDistributed"),
)
MODULES = (
    *("bidirectional", "gru", "lstm", "rnn", "simple_rnn", "stacked_rnn_cells"),
    "time_distributed",
)


def main() -> int:
    """Puts the kit's layers in place, then runs the tests."""
    folder = Path(keras.__file__).parent / "src" / "layers"
    # The tests say `layers.GRU`, of the module in which Keras itself gathers its layers.
    gathered = importlib.import_module("keras.src.layers")
    for name in REPLACED:
        setattr(gathered, name, getattr(kit, name))
    files = [str(folder / "rnn" / f"{module}_test.py") for module in MODULES]
    files.append(str(folder / "core" / "embedding_test.py"))
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", *sys.argv[1:]]
    return int(pytest.main([*files, *options]))


if __name__ == "__main__":
    sys.exit(main())
