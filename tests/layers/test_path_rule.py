"""Which path and method a layer takes, and why."""

import re
from itertools import product

import keras
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running import rule, run
from keras_rnnkit.running.rule import (
    CONCATENATED_UP_TO,
    PER_GATE_FROM,
    Request,
    choose,
)


def test_the_path_survives_the_config():
    layer = kit.LSTM.from_config(kit.LSTM(4, path="portable").get_config())
    assert layer.get_config()["path"] == "portable"
    assert (
        run.choice_for(layer, masked=False, capture_gates=False, training=True).path == "portable"
    )


@pytest.mark.parametrize("layer", [kit.LSTM, kit.GRU, kit.SimpleRNN])
def test_an_unknown_path_is_refused(layer):
    with pytest.raises(ValueError, match=r"must be one of 'auto', .*\. Received: path='fast'$"):
        layer(4, path="fast")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"activation": "relu"}, r"only tanh and sigmoid\. To use it, use the default activations"),
        ({"unroll": True}, 'loop. To use it, use unroll=False; or set `path="auto"`'),
    ],
    ids=["activation", "unroll"],
)
def test_a_path_that_is_not_possible_says_why(options, why):
    with pytest.raises(
        ValueError, match=rf"GRU 'mine'.*`path=\"fused\"` is not possible here: .*{why}"
    ):
        kit.GRU(4, path="fused", name="mine", **options)


def test_a_foreign_cell_takes_the_portable_path_and_says_so():
    layer = kit.RNN(keras.layers.LSTMCell(4))
    choice = run.choice_for(layer, masked=False, capture_gates=False, training=True)
    assert choice.path == "portable" and "no kernel" in choice.reason


def test_a_stack_of_cells_says_what_to_do_instead():
    layer = kit.RNN([kit.LSTMCell(2), kit.LSTMCell(2)])
    choice = run.choice_for(layer, masked=False, capture_gates=False, training=True)
    assert (choice.path, choice.faster) == ("portable", "stack layers, not cells")


PLAIN = Request(units=64, keras_layer=True)
WIDE = {"backend": "jax", "units": 256}
# A call that PyTorch records for a file.
EXPORTED = {"backend": "torch", "exported": True}

RULE = [
    ({"backend": "jax", "training": True, "units": CONCATENATED_UP_TO}, "fused", "concatenated"),
    ({"backend": "jax", "units": CONCATENATED_UP_TO + 1}, "fused", "fused gates"),
    (WIDE, "fused", "fused gates"),
    ({**WIDE, "cell": "GRU", "training": True}, "fused", "fused gates"),
    ({**WIDE, "cell": "SimpleRNN"}, "fused", "fused gates"),
    ({**WIDE, "capture_gates": True}, "fused", "fused gates"),
    ({**WIDE, "recurrent_dropout": True}, "fused", "fused gates"),
    ({**WIDE, "recurrent_dropout": True, "training": True}, "fused", "per gate"),
    ({**WIDE, "dropout_per_gate": True, "training": True}, "fused", "per gate"),
    ({**WIDE, "gpu": True, "capture_gates": True}, "fused", "hoisted"),
    ({"backend": "jax", "units": 8, "cell": "GRU, reset before"}, "fused", "fused gates"),
    ({"backend": "jax", "units": 8, "gpu": True, "cell": "GRU"}, "fused", "hoisted"),
    ({"backend": "tensorflow", "units": CONCATENATED_UP_TO}, "fused", "concatenated"),
    ({"backend": "tensorflow", "units": PER_GATE_FROM - 1}, "fused", "fused gates"),
    ({"backend": "tensorflow", "units": 8, "cell": "GRU, reset before"}, "fused", "fused gates"),
    ({"backend": "tensorflow"}, "fused", "hoisted or per gate"),
    ({"backend": "tensorflow", "batch": 1}, "fused", "hoisted"),
    ({"backend": "tensorflow", "batch": 2}, "fused", "per gate"),
    ({**WIDE, "batch": 1}, "fused", "fused gates"),
    ({"backend": "tensorflow", "batch": 1, "units": PER_GATE_FROM - 1}, "fused", "fused gates"),
    ({"backend": "tensorflow", "units": 512, "batch": 8, "training": True}, "fused", "per gate"),
    (
        {"backend": "tensorflow", "units": 512, "batch": 8, "training": True, "cell": "GRU"},
        "fused",
        "per gate",
    ),
    (
        {"backend": "tensorflow", "batch": 1, "recurrent_dropout": True, "training": True},
        "fused",
        "per gate",
    ),
    ({"backend": "tensorflow", "cell": "GRU", "units": 32}, "fused", "fused gates"),
    (
        {"backend": "tensorflow", "cell": "GRU", "units": 32, "capture_gates": True},
        "fused",
        "per gate",
    ),
    ({"backend": "tensorflow", "units": 512, "cell": "GRU"}, "fused", "fused gates"),
    ({"backend": "torch"}, "fused", "native"),
    ({"backend": "torch", "masked": True}, "fused", "native"),
    ({"backend": "torch", "masked": True, "training": True}, "fused", "native"),
    ({"backend": "torch", "masked": True, "training": True, "units": 128}, "fused", "native"),
    ({"backend": "torch", "masked": True, "units": 128}, "fused", "native"),
    (
        {"backend": "torch", "masked": True, "training": True, "units": 128, "gpu": True},
        "fused",
        "native",
    ),
    ({"backend": "torch", "capture_gates": True}, "fused", "preallocated"),
    ({"backend": "torch", "recurrent_dropout": True}, "fused", "native"),
    ({"backend": "torch", "recurrent_dropout": True, "training": True}, "fused", "preallocated"),
    ({"backend": "torch", "dropout_per_gate": True, "training": True}, "fused", "preallocated"),
    ({"backend": "torch", "dtype": "float64"}, "fused", "preallocated"),
    ({"backend": "torch", "onednn": False}, "fused", "preallocated"),
    ({"backend": "torch", "gpu": True, "use_cudnn": False}, "fused", "preallocated"),
    ({"backend": "torch", "cell": "GRU", "capture_gates": True}, "fused", "preallocated"),
    ({"backend": "torch", "cell": "GRU, reset before"}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "recurrent_dropout": True}, "fused", "hoisted"),
    ({"backend": "numpy"}, "portable", ""),
    ({"backend": "torch", "cell": "GRU"}, "fused", "preallocated"),
    ({"backend": "torch", "cell": "GRU", "gpu": True}, "fused", "native"),
    ({"backend": "jax", "gpu": True}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True}, "keras", ""),
    ({"backend": "tensorflow", "gpu": True, "use_cudnn": False}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True, "keras_layer": False}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "cell": "GRU"}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "use_cudnn": False}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "keras_layer": False}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True, "cell": "GRU"}, "keras", ""),
    ({"backend": "tensorflow", "gpu": True, "capture_gates": True}, "fused", "hoisted"),
    ({"backend": "tensorflow", "gpu": True, "masked": True}, "fused", "hoisted"),
    ({"backend": "jax", "gpu": True, "weight_dropout": True}, "fused", "hoisted"),
    ({"backend": "torch", "weight_dropout": True, "training": True}, "fused", "native"),
    ({"path": "portable", "gpu": True}, "portable", ""),
    ({"backend": "torch", "exported": True, "masked": True, "units": 128}, "fused", "native"),
    ({"backend": "torch", "exported": True, "cell": "GRU"}, "fused", "native"),
    ({"backend": "torch", "exported": True, "cell": "SimpleRNN"}, "fused", "native"),
    ({"backend": "torch", "exported": True, "cell": "GRU, reset before"}, "portable", ""),
    ({"backend": "torch", "exported": True, "cell": "MinGRU"}, "portable", ""),
    ({"backend": "torch", "exported": True, "capture_gates": True}, "portable", ""),
    ({"backend": "torch", "exported": True, "dtype": "float16"}, "portable", ""),
    ({**EXPORTED, "export_format": "OpenVINO"}, "fused", "native"),
    ({**EXPORTED, "export_format": "OpenVINO", "cell": "GRU"}, "portable", ""),
    ({**EXPORTED, "export_format": "LiteRT", "cell": "GRU"}, "fused", "native"),
    ({**EXPORTED, "export_format": "LiteRT", "masked": True}, "portable", ""),
    ({"backend": "torch", "transformed": True}, "portable", ""),
    ({"backend": "torch", "transformed": True, "cell": "MinLSTM"}, "portable", ""),
]


@pytest.mark.parametrize(("changes", "path", "method"), RULE, ids=[str(row[0]) for row in RULE])
def test_the_rule(changes, path, method):
    choice = choose(PLAIN._replace(**changes))
    assert (choice.path, choice.method) == (path, method)
    assert choice.reason


@pytest.mark.parametrize("training", [False, True])
def test_what_keeps_a_layer_off_cudnn_is_named(training):
    plain = PLAIN._replace(backend="tensorflow", gpu=True, training=training)
    names = {"recurrent_dropout": "recurrent_dropout", "weight_dropout": "recurrent_weight_dropout"}
    names |= {"masked": "the mask", "capture_gates": "the gates"}
    for option, name in names.items():
        assert choose(plain._replace(**{option: True})).faster == f"cuDNN, without {name}"


@pytest.mark.parametrize(
    ("gpu", "faster"),
    [
        (
            {},
            r"oneDNN, without the resets: with them, training takes up to [0-9.]+ times as long.*",
        ),
        (
            {"gpu": True},
            r"cuDNN, without the resets: with them, training takes up to [0-9.]+ times as long.*",
        ),
        ({"gpu": True, "use_cudnn": False}, ""),
    ],
    ids=["cpu", "gpu", "gpu without cudnn"],
)
def test_the_times_of_resets_are_those_beside_the_library_of_the_device(gpu, faster):
    request = PLAIN._replace(backend="torch", cell="LSTM", resets=True, **gpu)
    assert re.fullmatch(faster, choose(request).faster)


def test_no_rule_of_jax_reaches_cudnn():
    """There Keras' call of cuDNN gives wrong numbers under jit, behind a transposed tensor."""
    flags = (
        "masked",
        "capture_gates",
        "training",
        "recurrent_dropout",
        "weight_dropout",
        "use_cudnn",
    )
    for cell, units, path, gpu in product(
        ("LSTM", "GRU", "GRU, reset before", "SimpleRNN", "MinLSTM", None),
        (8, 64, 128, 512),
        rule.PATHS,
        (False, True),
    ):
        if path == "fused" and cell is None:
            continue  # refused
        for values in product((False, True), repeat=len(flags)):
            how = dict(zip(flags, values, strict=True))
            request = PLAIN._replace(
                backend="jax", gpu=gpu, cell=cell, units=units, path=path, **how
            )
            choice = choose(request)
            assert choice.path != "keras"
            assert "cuDNN" not in choice.reason + choice.faster
