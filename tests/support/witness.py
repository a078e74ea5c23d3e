"""What a model passes to its recurrent layers, and what the equations make of that in float64.

The witness of a trace: the layers run by their own code, and only their inputs are noted.
"""

from functools import partial

import keras
import numpy as np

import keras_rnnkit as kit
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._intercept import intercepting
from keras_rnnkit.models.origins import at_outer_step
from keras_rnnkit.models.traces import flat_traces
from tests.support import oracles
from tests.support.cases import CASES, MIN_CASES, to_numpy

ORACLES = {case.cell: case.oracle for case in [*CASES, *MIN_CASES] if not case.options}
KERAS_CELLS = {
    keras.layers.LSTMCell: oracles.lstm,
    keras.layers.GRUCell: oracles.gru,
    keras.layers.SimpleRNNCell: oracles.simple_rnn,
}


def randomized(model, seed=0):
    """The model with random weights, so that no two gates are alike."""
    rng = np.random.default_rng(seed)
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.normal(size=shape) * 0.7 for shape in shapes])
    return model


def calls_of(model, x):
    """The outputs of a model, and the calls of the recurrent layers in it.

    A call is `(layer, inputs, mask, initial states)`.
    """
    calls = []

    def note(layer, own, sequences, *args, **kwargs):
        given = kwargs.get("initial_state", args[0] if args else None)
        mask = kwargs.get("mask")
        mask = kwargs.get("sequences_mask") if mask is None else mask
        # As Keras' own masks are: attached to the inputs.
        mask = getattr(sequences, "_keras_mask", None) if mask is None else mask
        if given is None and layer.stateful:
            given = layer.states
        states = None if given is None else list(map(to_numpy, keras.tree.flatten(given)))
        calls.append((layer, to_numpy(sequences), None if mask is None else to_numpy(mask), states))
        return own(sequences, *args, **kwargs)

    layers = [layer for layer in layers_in(model) if isinstance(layer, keras.layers.RNN)]
    with intercepting({layer: partial(note, layer) for layer in layers}):
        outputs = model(x, training=False)
    return outputs, calls


def traces_by_equations(layer, x, mask, states, edits=None):
    """The traces of a layer's cells, in running order, by the NumPy transcriptions.

    `edits` has, for each cell, what the transcription takes as `edit`.
    """
    x = x.astype("float64")
    mask = np.ones(x.shape[:2], bool) if mask is None else mask.astype(bool)
    x = np.where(mask[..., None], x, 0)
    if layer.go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    stack = isinstance(layer.cell, keras.layers.StackedRNNCells)
    found, states = [], list(states or [])
    cells = layer.cell.cells if stack else [layer.cell]
    for cell, edit in zip(cells, edits or [oracles.unedited] * len(cells), strict=True):
        count = len(keras.tree.flatten(cell.state_size))
        first = states[:count] or [
            np.zeros((len(x), size)) for size in keras.tree.flatten(cell.state_size)
        ]
        states = states[count:]
        weights = [weight.astype("float64") for weight in cell.get_weights()]
        first = [state.astype("float64") for state in first]
        found.append(_oracle(cell)(x, weights, first, mask, edit=edit))
        x = oracles.outputs_of(found[-1])
    return found


def _oracle(cell):
    if isinstance(cell, keras.layers.GRUCell) and not cell.reset_after:
        return partial(oracles.gru, reset_after=False)
    return KERAS_CELLS.get(type(cell)) or ORACLES[type(cell)]


def check_traces(model, x, tolerance=1e-5, **options):
    """Trace a model, and compare every field with the equations, and the outputs with its own."""
    traces = kit.trace(model, x, **options)
    outputs, calls = calls_of(model, x)
    want = [(call[0], trace) for call in calls for trace in traces_by_equations(*call)]
    found = [leaf for key, record in traces.items() for leaf in _by_call(key, record)]
    assert len(found) == len(want)
    for (name, record), (layer, trace) in zip(found, want, strict=True):
        assert set(record._fields) == set(trace), name
        for field in record._fields:
            expected = trace[field][:, ::-1] if record.origin.backward else trace[field]
            np.testing.assert_allclose(
                getattr(record, field),
                expected,
                rtol=tolerance,
                atol=tolerance,
                err_msg=f"{name}.{field} of {layer.name}",
            )
    own = keras.tree.flatten(outputs)
    for mine, other in zip(keras.tree.flatten(traces.outputs), own, strict=True):
        np.testing.assert_allclose(mine, to_numpy(other), rtol=1e-5, atol=1e-5)
    return traces


def _by_call(key, record):
    """The records of single calls: of `TimeDistributed`, one outer step after the other."""
    leaves = flat_traces({key: record})
    if leaves[0][1].mask.ndim == 2:
        return leaves
    count = leaves[0][1].mask.shape[1]
    return [
        (f"{name}, step {step}", at_outer_step(leaf, name, step))
        for step in range(count)
        for name, leaf in leaves
    ]
