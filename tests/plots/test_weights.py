"""`weights`: kernels by gate."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit import plots

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

to_numpy = keras.ops.convert_to_numpy


def built(layer):
    layer.build((None, 5, 4))
    return layer


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def maps(figure):
    """The heat maps by title."""
    return {axes.get_title(loc="left"): axes.images[0] for axes in figure.axes if axes.images}


GATES = {
    "LSTM": ["input", "forget", "candidate", "output"],
    "GRU": ["update", "reset", "candidate"],
    "SimpleRNN": ["candidate"],
}


@pytest.mark.parametrize("package", [keras.layers, kit], ids=["keras", "kit"])
@pytest.mark.parametrize("name", GATES)
def test_the_blocks_of_the_kernels_are_named_as_they_are_packed(package, name):
    layer = built(getattr(package, name)(3))
    figure = plots.weights(layer)
    drawn = maps(figure)
    for kernel in ("kernel", "recurrent_kernel"):
        blocks = np.split(to_numpy(getattr(layer.cell, kernel)), len(GATES[name]), axis=1)
        for gate, block in zip(GATES[name], blocks, strict=True):
            assert np.allclose(drawn[f"{gate} · {kernel}"].get_array(), block)
    assert titles(figure)[-len(GATES[name]) :] == [f"{gate} · histograms" for gate in GATES[name]]


def test_the_gate_of_a_block_is_the_gate_that_it_moves():
    """A large bias of the inputs in one block opens the gate of that name."""
    layer = built(kit.LSTM(3))
    x = np.ones((1, 5, 4), "float32")
    names = [title.split(" ·")[0] for title in titles(plots.weights(layer))[:4]]
    before = layer.trace(x)
    for index, name in enumerate(names):
        kernel = to_numpy(layer.cell.kernel).copy()
        kernel[:, 3 * index : 3 * index + 3] += 5
        changed = built(kit.LSTM(3))
        changed.set_weights([kernel, *layer.get_weights()[1:]])
        after = changed.trace(x)
        first = [
            gate
            for gate in kit.LSTMGates._fields
            if not np.allclose(*(to_numpy(getattr(of, gate))[:, 0] for of in (after, before)))
        ]
        assert first == [name]


@pytest.mark.parametrize(
    ("layer", "gates"),
    [
        (lambda: kit.RNN(kit.CoupledLSTMCell(3)), ["forget", "candidate", "output"]),
        (lambda: kit.RNN(kit.Zoneout(kit.PeepholeLSTMCell(3))), GATES["LSTM"]),
        (lambda: kit.RNN(kit.ProjectedLSTMCell(3, projection=2)), GATES["LSTM"]),
        (lambda: kit.RNN(kit.NASCell(3)), [f"block {index}" for index in range(8)]),
        (lambda: keras.layers.RNN(keras.layers.GRUCell(3)), GATES["GRU"]),
    ],
    ids=["coupled", "zoneout", "projected", "nas", "keras_rnn"],
)
def test_other_cells(layer, gates):
    figure = plots.weights(built(layer()))
    assert titles(figure)[: len(gates)] == [f"{gate} · kernel" for gate in gates]


def test_a_minimal_layer_has_one_kernel():
    drawn = titles(plots.weights(built(kit.MinGRU(3))))
    assert drawn == [
        f"{gate} · {what}" for what in ("kernel", "histograms") for gate in ("update", "candidate")
    ]


def test_a_cell_can_be_drawn_by_itself():
    cell = keras.layers.LSTMCell(3)
    cell.build((None, 4))
    assert titles(plots.weights(cell))[0] == "input · kernel"


def test_the_heat_maps_of_a_row_have_one_scale_around_zero():
    figure = plots.weights(built(kit.LSTM(3)))
    for name in ("kernel", "recurrent_kernel"):
        limits = {image.get_clim() for title, image in maps(figure).items() if f" {name}" in title}
        assert len(limits) == 1
        ((low, high),) = limits
        assert low == -high < 0


def test_histograms_have_the_same_bins_and_height():
    figure = plots.weights(built(kit.GRU(3)), bins=7)
    drawn = [axes for axes in figure.axes if "histograms" in axes.get_title(loc="left")]
    assert len({axes.get_ylim() for axes in drawn}) == 1
    assert all(len(axes.patches) == 2 for axes in drawn)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: kit.LSTM(3), r"Build it.*Received: layer=<LSTM"),
        (lambda: built(keras.layers.Bidirectional(keras.layers.LSTM(3))), "layer.forward_layer or"),
        (lambda: built(kit.RNN([kit.GRUCell(2), kit.GRUCell(3)])), r"layer.cell.cells\[0\]"),
        (lambda: keras.layers.Dense(3), "built recurrent layer"),
        (lambda: "lstm", r"Received: layer='lstm'$"),
    ],
    ids=["unbuilt", "bidirectional", "stacked", "dense", "text"],
)
def test_what_has_no_such_kernels_is_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        plots.weights(layer())


def test_other_wrong_arguments_are_refused():
    layer = built(kit.SimpleRNN(2))
    with pytest.raises(ValueError, match=r"`bins` must be an integer from 1.*Received: bins=0$"):
        plots.weights(layer, bins=0)
    layer.set_weights([np.full(weight.shape, np.nan) for weight in layer.get_weights()])
    with pytest.raises(ValueError, match=r"finite weights.*Received: layer.kernel=nan"):
        plots.weights(layer)
