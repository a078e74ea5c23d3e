"""Files of ONNX that PyTorch writes: run by onnxruntime they give the numbers of `predict`."""

import importlib.util
import os

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.export.support import (
    FEATURES,
    KINDS,
    VARIANTS,
    WORDS,
    assert_same_numbers,
    exported,
    model_of,
    random_weights,
    sequences,
    words,
)

MISSING = [
    name for name in ("onnx", "onnxruntime", "onnxscript") if not importlib.util.find_spec(name)
]

pytestmark = [
    pytest.mark.skipif(
        bool(MISSING) and os.environ.get("KERAS_RNNKIT_ISOLATED") != "1",
        reason=f"not installed: {', '.join(MISSING)}",  # tox's environment has them
    ),
    pytest.mark.skipif(keras.config.backend() != "torch", reason="what PyTorch exports"),
    # Keras takes PyTorch's older exporter, which records one example, for sizes that are open.
    pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The feature will be removed:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning"
    ),
    # The example's batch is one, and the states are made in the batch of the inputs.
    pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size other than 1"),
    # Checks of shapes, by which nothing is decided that another batch would decide otherwise.
    pytest.mark.filterwarnings("ignore:Converting a tensor to a Python"),
    pytest.mark.filterwarnings("ignore:torch.as_tensor results are registered as constants"),
]

ONE_NODE = ("lstm", "gru", "simple_rnn", "dropout", "no_bias", "bidirectional", "stacked")
BY_STEPS = tuple(kind for kind in KINDS if kind not in ONE_NODE)

FIXED = [
    pytest.param(kind, variant, masked, id=f"{kind}-{variant}{'-masked' * masked}")
    for kind in KINDS
    for variant in VARIANTS
    for masked in (False, True)
    if variant in (("last", "sequences", "gates") if masked else ("last", "backwards", "states"))
    if (kind, variant) not in {("bidirectional", "backwards"), ("stacked", "backwards")}
]


@pytest.mark.parametrize(("kind", "variant", "masked"), FIXED)
def test_a_file_gives_the_numbers_of_predict(kind, variant, masked, tmp_path):
    model = model_of(KINDS[kind](**VARIANTS[variant]), 5, masked)
    session = exported(model, tmp_path / "model.onnx", sequences(2, 5, masked))
    for batch in (1, 4):
        # Another batch than the example's, whose first row has no step that counts.
        assert_same_numbers(session, model, sequences(batch + masked, 5, masked))


@pytest.mark.parametrize("kind", ONE_NODE)
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
def test_a_file_takes_any_number_of_steps(kind, masked, tmp_path):
    model = model_of(KINDS[kind](return_sequences=True), None, masked)
    session = exported(model, tmp_path / "model.onnx", sequences(2, 5, masked))
    for batch, steps in ((2, 1), (2, 5), (4, 9)):
        assert_same_numbers(session, model, sequences(batch, steps, masked) + (not masked))


@pytest.mark.parametrize("kind", BY_STEPS)
def test_a_file_of_single_steps_must_know_their_number(kind, tmp_path):
    model = model_of(KINDS[kind](), None)
    with pytest.raises(ValueError, match=r"exported as an unrolled loop .* must be known"):
        exported(model, tmp_path / "model.onnx", sequences(2, 5))
    assert not list(tmp_path.iterdir())
    signature = [keras.InputSpec(shape=(None, 7, FEATURES), dtype="float32")]
    session = exported(model, tmp_path / "model.onnx", sequences(2, 7), input_signature=signature)
    assert_same_numbers(session, model, sequences(4, 7))


def test_one_step_that_is_known_is_exported(tmp_path):
    model = model_of(KINDS["own_cell"](), 1)
    session = exported(model, tmp_path / "model.onnx", sequences(2, 1))
    assert_same_numbers(session, model, sequences(4, 1))


def test_another_number_of_single_steps_is_an_error_not_a_wrong_number(tmp_path):
    """One step that a layer before made two of, which stand for any number of them."""
    inputs = keras.Input((None, FEATURES))
    twice = keras.layers.UpSampling1D(2)(inputs)
    model = keras.Model(inputs, KINDS["own_cell"]()(twice))
    session = exported(model, tmp_path / "model.onnx", sequences(2, 5))
    name = session.get_inputs()[0].name
    with pytest.raises(
        Exception, match="Split"
    ):  # of onnxruntime's, which it has no public name for
        session.run(None, {name: sequences(2, 5)})


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn", "bidirectional"])
def test_words_with_padding(kind, tmp_path):
    layer = KINDS[kind](return_sequences=True, zero_output_for_mask=True)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(WORDS, FEATURES, mask_zero=True),
            layer,
        ]
    )
    random_weights(model)
    session = exported(model, tmp_path / "model.onnx", words(2, 5))
    for batch, steps in ((1, 3), (4, 9)):
        assert_same_numbers(session, model, words(batch, steps))


def test_states_that_are_inputs(tmp_path):
    first, second = keras.Input((None, FEATURES)), keras.Input((None, 2))
    _, *states = kit.LSTM(4, return_state=True)(first)
    model = keras.Model(
        [first, second], kit.LSTM(4, return_sequences=True)(second, initial_state=states)
    )
    random_weights(model)
    session = exported(model, tmp_path / "model.onnx", [sequences(2, 5), sequences(2, 3)[..., :2]])
    assert_same_numbers(session, model, sequences(4, 6), sequences(4, 7)[..., :2])


def test_learned_initial_states(tmp_path):
    model = model_of(kit.LearnedInitialState(kit.GRU(4)), None)
    session = exported(model, tmp_path / "model.onnx", sequences(2, 5))
    assert_same_numbers(session, model, sequences(4, 6))


def test_mixed_precision(tmp_path):
    layer = kit.LSTM(4, dtype="mixed_float16")
    model = model_of(layer, 5)
    session = exported(model, tmp_path / "model.onnx", sequences(2, 5))
    x = sequences(4, 5)
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=2e-3)


REFUSED = {
    "stateful": ({"stateful": True}, r"no states that are kept between calls.*stateful=True"),
    "bfloat16": (
        {"dtype": "mixed_bfloat16"},
        r"no matrix product in bfloat16.*compute_dtype='bfloat16'",
    ),
}


@pytest.mark.parametrize("kind", ["gru", "min_gru", "own_cell"])
@pytest.mark.parametrize("why", REFUSED)
def test_what_a_file_cannot_hold_is_refused_before_there_is_one(kind, why, tmp_path):
    options, words = REFUSED[why]
    inputs = keras.Input(batch_shape=(2, 5, FEATURES))
    model = keras.Model(inputs, KINDS[kind](**options)(inputs))
    with pytest.raises(ValueError, match=words):
        exported(model, tmp_path / "model.onnx", sequences(2, 5))
    assert not list(tmp_path.iterdir())


def test_a_path_that_an_export_has_not_says_so(tmp_path):
    model = model_of(kit.GRU(4, path="fused", reset_after=False), 5)
    with pytest.raises(
        ValueError, match=r"`path=\"fused\"` is not possible here: an exported file has no node"
    ):
        exported(model, tmp_path / "model.onnx", sequences(2, 5))


# PyTorch writes a view whose whole is no weight as it is, and says so.
@pytest.mark.filterwarnings("ignore:No complete tensor found in the group:UserWarning")
@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn", "min_gru", "own_cell", "stacked"])
def test_a_program_of_torch_export_gives_the_numbers_of_predict(kind, tmp_path):
    import torch

    model = model_of(KINDS[kind](), 5, masked=True)
    model(sequences(2, 5))
    path = tmp_path / "model.pt2"
    model.export(path, format="torch", verbose=False, dynamic_shapes={0: torch.export.Dim("batch")})
    program = torch.export.load(path).module()
    x = sequences(4, 5, masked=True)
    found = keras.tree.flatten(program(torch.tensor(x)))
    for a, b in zip(found, keras.tree.flatten(model.predict(x, verbose=0)), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b, atol=1e-5)
