"""`to_keras`: plain Keras models with the same numbers, or a refusal by name."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from keras_rnnkit.layers._walk import layers_in
from tests.interop.keras.models import (
    IDS,
    X,
    classifier,
    hierarchical,
    randomized,
    with_everything,
)
from tests.interop.keras.test_to_keras_refusals import around
from tests.support.cases import assert_close

DATA = {
    "classifier": IDS,
    "with_everything": {"ids": IDS, "x": X},
    "hierarchical": X[:, None] * [[[[1]], [[2]]]],
}


def is_plain(model):
    return not any(
        base.__module__.startswith("keras_rnnkit")
        for layer in layers_in(model)
        for base in type(layer).__mro__
    )


def assert_same_answers(theirs, mine, x):
    assert is_plain(theirs)
    keras.tree.map_structure(assert_close, theirs.predict(x, verbose=0), mine.predict(x, verbose=0))


@pytest.mark.parametrize("make", [classifier, with_everything, hierarchical])
def test_a_model_of_every_structure_gives_the_same_answers(make):
    mine = randomized(make())
    before = mine.get_weights()
    theirs = kit.to_keras(mine)
    assert_same_answers(theirs, mine, DATA[make.__name__])
    for a, b in zip(before, mine.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(w.shape for w in theirs.get_weights()) == sorted(w.shape for w in before)


def test_the_layers_of_a_stack_become_layers_of_the_model():
    names = [layer.name for layer in kit.to_keras(with_everything()).layers]
    assert sorted(name for name in names if name.startswith("deep")) == [
        "deep_add_1",
        "deep_add_2",
        "deep_norm_1",
        "deep_norm_2",
        "deep_projection_2",
        "deep_rnn_0",
        "deep_rnn_1",
        "deep_rnn_2",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in kit.to_keras(classifier()).layers] == [
        "Embedding", "Bidirectional", "Bidirectional", "Bidirectional", "Dense",
    ]  # fmt: skip


def test_there_and_back_again():
    mine = randomized(classifier())
    again = kit.from_keras(kit.to_keras(mine))
    assert isinstance(again.layers[1], kit.Bidirectional)
    assert_close(again.predict(IDS, verbose=0), mine.predict(IDS, verbose=0))
    theirs = randomized(kit.to_keras(mine))
    assert_close(
        kit.to_keras(kit.from_keras(theirs)).predict(IDS, verbose=0),
        theirs.predict(IDS, verbose=0),
    )


RECURRENT = st.fixed_dictionaries(
    {
        "return_sequences": st.booleans(),
        "go_backwards": st.booleans(),
        "unroll": st.booleans(),
        "use_bias": st.booleans(),
        "zero_output_for_mask": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.3]),
        "recurrent_dropout": st.sampled_from([0.0, 0.2]),
        "activation": st.sampled_from(["tanh", "relu"]),
        "kernel_regularizer": st.sampled_from([None, "l2"]),
        "path": st.sampled_from(["auto", "portable"]),
    }
)


@pytest.mark.slow_on("jax", "tensorflow")
@settings(max_examples=8, deadline=None)
@given(
    kind=st.sampled_from(["LSTM", "GRU", "SimpleRNN"]),
    options=RECURRENT,
    wrapped=st.booleans(),
    merge=st.sampled_from(["concat", "sum", "mul", "ave"]),
    reset_after=st.booleans(),
)
def test_every_option_that_keras_has(kind, options, wrapped, merge, reset_after):
    more = {"reset_after": reset_after} if kind == "GRU" else {}
    if wrapped:
        options["go_backwards"] = False  # as `Bidirectional` demands
    layer = getattr(kit, kind)(3, **options, **more)
    layer = kit.Bidirectional(layer, merge_mode=merge) if wrapped else layer
    masking = keras.layers.Masking(name="masking")
    mine = randomized(keras.Sequential([keras.Input((5, 4)), masking, layer]))
    theirs = kit.to_keras(mine)
    assert_same_answers(theirs, mine, X * (np.arange(5) < [[5], [3], [1]])[..., None])
    config, want = (one.layers[1].get_config() for one in (theirs, mine))
    own = {
        "recompute",
        "return_gates",
        "path",
        "recurrent_weight_dropout",
        "use_cudnn",
        "implementation",
        "seed",
    }
    same = {"layer", "backward_layer", "unroll", "zero_output_for_mask"}
    assert {k: v for k, v in want.items() if k not in own | same} == {
        k: v for k, v in config.items() if k not in own | same
    }


def test_states_and_compile_options_are_kept():
    layers = [kit.LSTM(3, stateful=True, return_sequences=True), kit.StackedRNN([2], stateful=True)]
    mine = keras.Sequential([keras.Input(batch_shape=(3, 5, 4)), *layers])
    mine.compile(keras.optimizers.Adam(0.125), "mse", metrics=["mae"])
    mine(X)
    theirs = kit.to_keras(mine)
    assert_close(theirs(X), mine(X))  # both go on from the same states
    assert float(theirs.optimizer.learning_rate) == 0.125
    assert theirs.optimizer is not mine.optimizer
    assert theirs.loss == "mse"


def test_a_frozen_stack_stays_frozen():
    options = {"bidirectional": True, "layer_norm": True, "residual": True}
    x = keras.Input((5, 4))
    stack = kit.StackedRNN([3, 2], return_sequences=True, name="stack", **options)
    mine = keras.Model(x, keras.layers.Dense(1)(stack(x)))
    stack.trainable = False
    theirs = kit.to_keras(mine)
    assert [w.shape for w in theirs.trainable_weights] == [(4, 1), (1,)]
    assert_same_answers(theirs, mine, X)


def test_in_mixed_precision():
    mine = keras.Sequential(
        [keras.Input((5, 4)), kit.StackedRNN([3, 2], dtype="mixed_bfloat16", name="stack")]
    )
    theirs = kit.to_keras(randomized(mine))
    assert [layer.dtype_policy.name for layer in theirs.layers] == ["mixed_bfloat16"] * 2
    assert_close(
        keras.ops.cast(theirs(X), "float32"), keras.ops.cast(mine(X), "float32"), atol=2e-2
    )


FRESH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "keras_rnnkit":
            raise ImportError("blocked")
sys.meta_path.insert(0, Blocked())
import keras, numpy as np
model = keras.saving.load_model("model.keras")
data = np.load("data.npz")
got = model.predict({"ids": data["ids"], "x": data["x"]}, verbose=0)
assert "keras_rnnkit" not in sys.modules
for i, value in enumerate(got):
    np.testing.assert_allclose(value, data[f"want_{i}"], rtol=1e-4, atol=1e-5)
print("right", len(got))
"""


def test_the_file_needs_no_keras_rnnkit(tmp_path):
    mine = randomized(with_everything())
    want = mine.predict({"ids": IDS, "x": X}, verbose=0)
    kit.to_keras(mine).save(tmp_path / "model.keras")
    named = {f"want_{i}": value for i, value in enumerate(want)}
    np.savez(tmp_path / "data.npz", ids=IDS, x=X, **named)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FRESH],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "right 5" in done.stdout, done.stderr


def test_time_distributed_on_tensorflow_with_an_unknown_number_of_steps():
    model = around(kit.TimeDistributed(keras.layers.Dense(2)), (None, 4))
    if keras.config.backend() != "tensorflow":
        assert kit.to_keras(model).output_shape == (None, None, 2)
        return
    with pytest.raises(ValueError, match="unknown number of steps"):
        kit.to_keras(model)
