"""What `kit.explain` says of a model."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.models import explanation
from keras_rnnkit.running import run
from keras_rnnkit.running.rule import Choice

BACKEND = keras.config.backend()


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.reader = kit.LSTM(3)

    def call(self, x):
        return self.reader(self.front(x))


WRAPPED = {
    "alone": lambda: kit.LSTM(3),
    "learned": lambda: kit.LearnedInitialState(kit.LSTM(3)),
    "both directions": lambda: kit.Bidirectional(kit.LSTM(3)),
    "a stack": lambda: kit.StackedRNN([3]),
    "learned, of a stack": lambda: kit.LearnedInitialState(kit.StackedRNN([3], bidirectional=True)),
    "in a step": lambda: kit.TimeDistributed(kit.LSTM(3)),
    "a model in a step": lambda: kit.TimeDistributed(keras.Sequential([kit.LSTM(3)])),
    "a model": lambda: keras.Sequential([keras.Input((None, 3)), kit.LSTM(3)]),
    "a subclassed model": Own,
}
IN_A_STEP = ("in a step", "a model in a step")


class TestExplain:
    def model(self):
        inputs = keras.Input((7,), dtype="int32")
        x = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
        x = kit.LSTM(5, return_sequences=True, name="plain")(x)
        x = kit.Bidirectional(kit.GRU(3, return_sequences=True, recurrent_dropout=0.2))(x)
        x = keras.layers.LSTM(4, return_sequences=True, name="of_keras")(x)
        x = kit.SimpleRNN(2, activation="relu", name="relu")(x)
        return keras.Model(inputs, x)

    def test_has_a_row_for_each_recurrent_layer(self):
        rows = kit.explain(self.model())
        assert [row.type for row in rows] == [
            "LSTM",
            "GRU",
            "GRU",
            "keras.layers.LSTM",
            "SimpleRNN",
        ]
        assert rows[0].training.startswith("fused: ")
        assert rows[3].faster == "keras_rnnkit.from_keras(model)"
        assert rows[4].training.startswith("portable: the kernels support only tanh")
        assert rows[4].faster == "use the default activations"

    def test_prints_a_table(self):
        lines = str(kit.explain(self.model())).splitlines()
        assert lines[0].split(" | ")[0].strip() == "layer"
        assert len([line for line in lines if line.split(" | ")[0].strip()]) == 7
        assert len({line.index("|") for line in (lines[0], *lines[2:])}) == 1

    def test_names_the_call_that_predicts_faster_where_there_is_one(self):
        def model(layer, **options):
            return keras.Sequential([keras.Input((None, 3), batch_size=2), layer(4, **options)])

        advice = "ONNX Runtime: keras_rnnkit.OnnxModel(model).predict(x)"
        for layer in (kit.LSTM, kit.GRU, kit.SimpleRNN, keras.layers.LSTM):
            assert kit.explain(model(layer)).advice.endswith(advice)
        assert str(kit.explain(model(kit.LSTM))).splitlines()[-1].endswith(advice)
        for options in ({"activation": "relu"}, {"stateful": True}, {"dtype": "mixed_float16"}):
            assert not kit.explain(model(kit.LSTM, **options)).advice
        for other in (kit.LSTM(3), model(kit.MinGRU), keras.Sequential([kit.LSTM(3)]), Own()):
            assert not kit.explain(other).advice

    def test_on_jax_names_single_rows_where_batches_are_not_faster(self):
        def advice(*layers):
            return kit.explain(keras.Sequential([keras.Input((None, 3)), *layers])).advice

        lstm, stacked = kit.LSTM(16, return_sequences=True), [kit.LSTM(20), kit.GRU(99)]
        small = [advice(layer(8)) for layer in (kit.LSTM, kit.GRU, kit.SimpleRNN)]
        for text in (*small, advice(stacked[1]), advice(lstm, stacked[1])):
            assert text.startswith("Prediction of single rows on") == (BACKEND == "jax")
        for text in (advice(stacked[0]), advice(lstm, kit.LSTM(16))):
            assert text.startswith("Prediction on a CPU")

    def test_has_no_advice_for_onnx_on_a_gpu(self, monkeypatch):
        monkeypatch.setattr(type(backend_kernels()), "on_gpu", lambda self, kernel: True)
        model = keras.Sequential([keras.Input((None, 3)), kit.LSTM(4)])
        assert not kit.explain(model).advice

    def test_of_a_model_without_recurrent_layers(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        assert str(kit.explain(model)) == "no recurrent layers"

    def test_refuses_what_is_no_model(self):
        with pytest.raises(TypeError, match="`model` must be a Keras model or layer"):
            kit.explain("model")

    @pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow alone hands over to cuDNN")
    def test_sees_the_mask_that_comes_through_a_wrapper(self, monkeypatch):
        monkeypatch.setattr(run, "_on_gpu", lambda layer: True)
        inputs = keras.Input((7,), dtype="int32")
        x = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
        rows = kit.explain(keras.Model(inputs, kit.Bidirectional(kit.LSTM(3))(x)))
        assert [row.faster for row in rows] == ["cuDNN, without the mask"] * 2

    # Keras warns that a Sequential destroys masks behind it; inside they hold.
    @pytest.mark.filterwarnings("ignore:Layer 'sequential:UserWarning")
    @pytest.mark.parametrize("masked", [True, False])
    @pytest.mark.parametrize("name", WRAPPED)
    def test_sees_the_mask_wherever_the_layer_is(self, name, masked, monkeypatch):
        collected = []

        def choice_for(layer, **asked):
            collected.append(asked["masked"])
            return Choice("portable")

        monkeypatch.setattr(explanation, "choice_for", choice_for)
        layer, shape = WRAPPED[name](), (2, 4, 5, 3) if name in IN_A_STEP else (2, 4, 3)
        front = keras.layers.Masking() if masked else keras.layers.Identity()
        if isinstance(layer, Own):  # Keras does not know what it calls before it does
            layer.front = front
            layer(np.ones(shape, "float32"))
            kit.explain(layer)
        else:
            inputs = keras.Input(shape[1:])
            kit.explain(keras.Model(inputs, layer(front(inputs))))
        assert collected
        assert set(collected) == {masked}

    @pytest.mark.parametrize("advised", ["training", "prediction"])
    def test_advises_what_makes_training_or_else_prediction_faster(self, advised, monkeypatch):
        def choice_for(layer, *, training, **_):
            helps = training == (advised == "training")
            return Choice("portable", faster="use another" if helps else "")

        monkeypatch.setattr(explanation, "choice_for", choice_for)
        (row,) = kit.explain(kit.LSTM(4))
        assert row.faster == "use another"

    def test_of_a_layer_that_was_changed_says_what_is_wrong(self):
        layer = kit.LSTM(4, path="fused")
        layer.cell.activation = keras.activations.relu
        assert "is not possible here" in kit.explain(layer)[0].training

    @pytest.mark.skipif(BACKEND != "torch", reason="the advice is about PyTorch")
    def test_names_what_costs_the_fast_kernel(self):
        (row,) = kit.explain(kit.LSTM(4, recurrent_dropout=0.1))
        assert row.faster == "oneDNN, without recurrent_dropout"
        assert row.prediction == "fused: oneDNN's LSTM, by PyTorch"
