"""Writes the `.keras` files of this folder with version 0.1.0, each with its inputs and outputs.

    KERAS_BACKEND=jax python -m tests.saved_0_1_0.write

On JAX, because Keras saves an optimizer of PyTorch under a name that no other backend has. The
files are never written again: every later version must load these, with equal outputs.
"""

import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import layers, tree

import keras_rnnkit as kit

FOLDER = Path(__file__).parent
BATCH, STEPS, FEATURES, WORDS = 2, 4, 3, 5
SEQUENCES = {"shape": (STEPS, FEATURES), "name": "sequences"}
OF_ONE_BATCH = {"batch_shape": (BATCH, STEPS, FEATURES), "name": "sequences"}

RULES = {
    "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=1),
    "recurrent_initializer": "glorot_uniform",
    "bias_initializer": "ones",
    "kernel_regularizer": keras.regularizers.L2(0.01),
    "bias_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": keras.constraints.UnitNorm(),
}
IN_TRAINING = {"dropout": 0.1, "recurrent_dropout": 0.2, "seed": 3}


def simple():
    """Layers of one cell, with the arguments of these cells."""
    return keras.Input(**SEQUENCES), [
        kit.LSTM(2, name="lstm"),
        kit.LSTM(2, activation="relu", recurrent_activation="hard_sigmoid", **RULES, name="rules"),
        kit.LSTM(2, use_bias=False, implementation=1, use_cudnn=False, name="lstm_no_bias"),
        kit.LSTM(2, recurrent_weight_dropout=0.3, unit_forget_bias=False, name="lstm_weight_drop"),
        kit.GRU(3, name="gru"),
        kit.GRU(2, reset_after=False, recurrent_weight_dropout=0.3, name="gru_reset_before"),
        kit.GRU(2, use_bias=False, **IN_TRAINING, name="gru_no_bias"),
        kit.SimpleRNN(2, name="simple_rnn"),
        kit.SimpleRNN(2, activation="elu", use_bias=False, **IN_TRAINING, name="simple_rnn_elu"),
        kit.MinGRU(2, name="min_gru"),
        kit.MinGRU(2, activation="positive", dropout=0.1, seed=3, name="min_gru_positive"),
        kit.MinLSTM(2, name="min_lstm"),
        kit.MinLSTM(2, activation="positive", use_bias=False, name="min_lstm_positive"),
    ]


def running():
    """The arguments of a layer beside those of its cell, with a mask."""
    kinds = [kit.LSTM, kit.GRU, kit.SimpleRNN, kit.MinGRU, kit.MinLSTM]
    ways = [
        {"return_sequences": True, "zero_output_for_mask": True, "path": "portable"},
        {"go_backwards": True, "return_state": True, "path": "fused"},
        {"unroll": True, "return_gates": True},
    ]
    # Two of the ways for each kind.
    return keras.Input((STEPS,), dtype="int32", name="words"), [
        kind(2, **ways[(i + j) % 3], name=f"{kind.__name__.lower()}_{j}")
        for i, kind in enumerate(kinds)
        for j in range(2)
    ]


def cells():
    """`RNN` around every cell."""
    made = {
        "lstm": kit.LSTMCell(2, recurrent_weight_dropout=0.3),
        "gru": kit.GRUCell(2),
        "gru_reset_before": kit.GRUCell(2, reset_after=False),
        "simple_rnn": kit.SimpleRNNCell(2),
        "min_gru": kit.MinGRUCell(2),
        "min_lstm": kit.MinLSTMCell(2, activation="positive"),
        "coupled_lstm": kit.CoupledLSTMCell(2),
        "peephole_lstm": kit.PeepholeLSTMCell(2, **IN_TRAINING),
        "projected_lstm": kit.ProjectedLSTMCell(3, 2, projection_regularizer="l2"),
        "nas": kit.NASCell(2, use_bias=True),
        "nas_projected": kit.NASCell(3, projection=2),
        "esn": kit.ESNCell(3, connectivity=0.5, leaky=0.75),
        "layer_norm_lstm": kit.LayerNormLSTMCell(2, beta_initializer="ones"),
        "layer_norm_gru": kit.LayerNormGRUCell(2),
        "layer_norm_simple_rnn": kit.LayerNormSimpleRNNCell(2, epsilon=1e-4),
        "of_keras": layers.GRUCell(2),
    }
    zoned = {
        "zoneout": kit.Zoneout(kit.LSTMCell(2), rate={"cell": 0.5, "hidden": 0.05}, seed=1),
        "zoneout_twice": kit.Zoneout(kit.Zoneout(kit.GRUCell(2), [0.2], seed=1), 0.1, seed=2),
        "zoneout_of_keras": kit.Zoneout(layers.LSTMCell(2), rate=[0.1, 0.2]),
    }
    stacks = {
        "stack": [kit.LSTMCell(2), kit.Zoneout(kit.GRUCell(2), 0.1), kit.MinGRUCell(2)],
        "stack_of_keras": layers.StackedRNNCells([kit.PeepholeLSTMCell(2), kit.LSTMCell(2)]),
    }
    return keras.Input(**SEQUENCES), [
        kit.RNN(cell, return_gates=name in ("esn", "nas", "stack"), name=name)
        for name, cell in {**made, **zoned, **stacks}.items()
    ]


def both_directions():
    """`Bidirectional`, with a mask."""
    back = kit.GRU(3, go_backwards=True)
    return keras.Input((STEPS,), dtype="int32", name="words"), [
        kit.Bidirectional(kit.LSTM(2), name="concat"),
        kit.Bidirectional(kit.GRU(2, return_sequences=True), merge_mode="ave", name="ave"),
        kit.Bidirectional(kit.RNN(kit.NASCell(2)), merge_mode="mul", name="mul"),
        kit.Bidirectional(kit.MinLSTM(2), merge_mode="sum", name="sum"),
        kit.Bidirectional(kit.SimpleRNN(2, return_state=True), merge_mode=None, name="apart"),
        kit.Bidirectional(kit.LSTM(2), backward_layer=back, return_gates=True, name="of_two_kinds"),
    ]


def _esn(units):
    return kit.ESNCell(units, connectivity=0.5)


def stacks():
    """`StackedRNN`, with a mask."""
    return keras.Input((STEPS,), dtype="int32", name="words"), [
        kit.StackedRNN([2, 3], name="plain"),
        kit.StackedRNN([2, 2], cell="gru", residual=True, layer_norm=True, name="norms"),
        kit.StackedRNN(
            [2, 3, 2],
            cell=["layer_norm_lstm", "min_gru", kit.SimpleRNNCell],
            residual=True,
            return_sequences=True,
            path="portable",
            name="three_kinds",
        ),
        kit.StackedRNN([2, 2], cell=_esn, residual="identity", return_gates=True, name="function"),
        kit.StackedRNN([2, 2], cell=[layers.GRUCell(2), kit.Zoneout(kit.GRUCell(2))], name="made"),
        kit.StackedRNN(
            [2, 2],
            bidirectional=True,
            merge_mode="sum",
            dropout=0.1,
            recurrent_dropout=[0.1, 0.2],
            cell_options={"kernel_regularizer": keras.regularizers.L2(0.01), "use_bias": False},
            seed=3,
            return_state=True,
            name="both_directions",
        ),
    ]


def wrappers():
    """`LearnedInitialState` and `TimeDistributed`."""
    penalty = {"initializer": "ones", "regularizer": "l2"}
    return keras.Input(**SEQUENCES), [
        kit.LearnedInitialState(kit.LSTM(2), name="learned_lstm"),
        kit.LearnedInitialState(kit.MinGRU(2, return_gates=True), **penalty, name="learned_min"),
        kit.LearnedInitialState(kit.RNN([kit.GRUCell(2), kit.ESNCell(2)]), name="learned_rnn"),
        kit.LearnedInitialState(kit.Bidirectional(kit.GRU(2)), name="learned_both"),
        kit.LearnedInitialState(kit.StackedRNN([2, 3]), name="learned_stack"),
        kit.TimeDistributed(layers.Dense(2), name="dense"),
        kit.TimeDistributed(
            keras.Sequential([keras.Input((FEATURES,)), layers.Reshape((FEATURES, 1)), kit.GRU(2)]),
            name="of_a_model",
        ),
    ]


def stateful():
    """Stateful layers, which continue from the states in the file."""
    how = {"stateful": True}
    return keras.Input(**OF_ONE_BATCH), [
        kit.LSTM(2, **how, name="lstm"),
        kit.GRU(2, **how, name="gru"),
        kit.SimpleRNN(2, **how, path="portable", name="simple_rnn"),
        kit.MinLSTM(2, **how, name="min_lstm"),
        kit.RNN([kit.NASCell(2), kit.MinGRUCell(2)], **how, name="rnn"),
        kit.RNN(kit.Zoneout(kit.LSTMCell(2)), **how, name="zoneout"),
        kit.Bidirectional(kit.GRU(2, **how), name="both_directions"),
        kit.StackedRNN([2, 3], **how, layer_norm=True, name="stack"),
    ]


def half():
    """Layers that compute in half precision."""
    return keras.Input(**SEQUENCES), [
        kit.LSTM(2, dtype="mixed_float16", name="lstm"),
        kit.GRU(2, dtype="mixed_bfloat16", name="gru"),
        kit.RNN(kit.LayerNormLSTMCell(2, dtype="mixed_float16"), name="rnn", dtype="mixed_float16"),
        kit.MinGRU(2, dtype="mixed_float16", name="min_gru"),
        kit.StackedRNN([2, 3], dtype="mixed_float16", bidirectional=True, name="stack"),
        kit.LearnedInitialState(kit.LSTM(2, dtype="mixed_float16"), name="learned"),
    ]


def inside_keras():
    """Cells and layers of the kit inside layers of Keras."""
    return keras.Input(**SEQUENCES), [
        layers.RNN(kit.LSTMCell(2), name="rnn"),
        layers.RNN([kit.GRUCell(2), kit.MinLSTMCell(2)], name="stack"),
        layers.Bidirectional(kit.LSTM(2), name="both_directions"),
    ]


def converted():
    """A trained Keras model, converted by `from_keras`."""
    theirs = keras.Sequential(
        [
            keras.Input((STEPS,), name="words"),
            layers.Embedding(WORDS, FEATURES, mask_zero=True),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3)),
            layers.RNN([layers.GRUCell(2), layers.LSTMCell(2)], return_sequences=True),
            layers.SimpleRNN(2, return_sequences=True),
            layers.GRU(2),
            layers.Dense(1),
        ]
    )
    theirs.compile("adam", "mse")
    mine = kit.from_keras(theirs)
    mine.train_on_batch(_inputs(mine), np.ones((BATCH, 1)))  # puts the optimizer into the file
    return mine


GROUPS = [
    *(simple, running, cells, both_directions, stacks, wrappers, stateful, half, inside_keras),
    converted,
]


def _model(start, parts):
    """A model of parallel layers; its outputs have the names of the layers."""
    x = start
    if start.name == "words":
        x = kit.Embedding(WORDS, FEATURES, mask_zero=True, name="embedding")(x)
    outputs = {}
    for part in parts:
        for i, output in enumerate(tree.flatten(part(x))):
            outputs[f"{part.name}.{i}"] = output
    return keras.Model(start, outputs)


def _inputs(model):
    rng = np.random.default_rng(1)
    if model.inputs[0].name == "words":
        return np.array([[3, 1, 4, 0], [0, 2, 0, 1]], "int32")
    return rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")


def write(group):
    """Write the model of a group, and its inputs, outputs and states as an `.npz` file."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    made = group()
    model = made if isinstance(made, keras.Model) else _model(*made)
    model.set_weights([rng.normal(0, 0.6, size=weight.shape) for weight in model.weights])
    inputs = _inputs(model)
    model(inputs)  # so that the saved states are not zero
    path = FOLDER / f"{group.__name__}.keras"
    model.save(path)
    _pack(path)
    outputs = model(inputs)
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    states = {f"state.{i}": state for i, state in enumerate(states_of(model))}
    arrays = {name: as_array(value) for name, value in {**outputs, **states}.items()}
    np.savez_compressed(FOLDER / f"{group.__name__}.npz", inputs=inputs, **arrays)


def states_of(model):
    """The state variables of all stateful layers; they are no weights."""
    weights = {id(weight) for weight in model.weights}
    others = [variable for variable in model.variables if id(variable) not in weights]
    return [variable for variable in others if variable.name.startswith("state_")]


def _pack(path):
    """Compress the file; Keras does not."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def as_array(value):
    """A tensor as a float32 array: files have no bfloat16."""
    return keras.ops.convert_to_numpy(keras.ops.cast(value, "float32"))


if __name__ == "__main__":
    for group in GROUPS:
        write(group)
