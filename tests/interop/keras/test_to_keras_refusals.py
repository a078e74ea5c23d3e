"""`to_keras` refuses by name what `keras.layers` does not have or computes otherwise."""

import keras
import pytest

import keras_rnnkit as kit
from tests.interop.keras.models import X

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def around(layer, shape=(5, 4)):
    return keras.Sequential([keras.Input(shape), layer], name="net")


REFUSED = {
    "MinGRU": (lambda: kit.MinGRU(2, name="m"), r"MinGRU 'm' at 'net/m' has no equal"),
    "MinLSTM": (lambda: kit.MinLSTM(2, name="m"), r"MinLSTM 'm' at 'net/m' has no equal"),
    "RGLRU": (lambda: kit.RGLRU(2, name="m"), r"RGLRU 'm' at 'net/m' has no equal"),
    "a cell": (
        lambda: kit.RNN(kit.PeepholeLSTMCell(2, name="c"), name="r"),
        r"PeepholeLSTMCell 'c' at 'net/r/c' has no equal",
    ),
    "a cell in a stack": (
        lambda: kit.StackedRNN([2, 2], cell=["lstm", "nas"], name="s"),
        r"NASCell .* at 'net/s_rnn_1/.*' has no equal",
    ),
    "learned states": (
        lambda: kit.LearnedInitialState(kit.LSTM(2), name="s"),
        r"LearnedInitialState 's' at 'net/s' has no equal",
    ),
    "gates": (
        lambda: kit.LSTM(2, return_gates=True, name="g"),
        r"LSTM 'g' at 'net/g' has `return_gates`.*return_gates=True$",
    ),
    "gates of both": (
        lambda: kit.Bidirectional(kit.LSTM(2), return_gates=True, name="g"),
        r"LSTM 'forward_lstm.*' at 'net/g/forward_lstm.*' has `return_gates`",
    ),
    "gates of a stack": (
        lambda: kit.StackedRNN([2], return_gates=True, name="s"),
        r"StackedRNN 's' at 'net/s' returns its gates",
    ),
    "states of a stack": (
        lambda: kit.StackedRNN([2], return_state=True, name="s"),
        r"StackedRNN 's' at 'net/s' returns its states",
    ),
    "a residual last step": (
        lambda: kit.StackedRNN([4, 4], residual=True, name="s"),
        r"StackedRNN 's' at 'net/s' adds the last valid step",
    ),
    "a residual sequence": (
        lambda: kit.StackedRNN([4, 4], residual=True, return_sequences=True, name="s"),
        r"residual connections, which a `Sequential`.*keras.Model",
    ),
    "weight dropout": (
        lambda: kit.GRU(2, recurrent_weight_dropout=0.5, name="g"),
        r"GRU 'g' at 'net/g' has `recurrent_weight_dropout`.*recurrent_weight_dropout=0.5$",
    ),
    "an ignored regularizer": (
        lambda: kit.SimpleRNN(2, activity_regularizer="l2", name="g"),
        r"SimpleRNN 'g' at 'net/g' has `activity_regularizer`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_keras_does_not_have_is_refused_by_name_and_place(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        kit.to_keras(around(make()))


def test_states_with_a_mask_that_keras_would_ignore():
    ids, h = keras.Input((5,)), keras.Input((3,))
    words = kit.Embedding(6, 4, mask_zero=True)(ids)
    model = keras.Model([ids, h], kit.GRU(3, name="decoder")(words, initial_state=h))
    with pytest.raises(ValueError, match=r"GRU 'decoder'.*ignores the mask.*layer=GRU 'decoder'$"):
        kit.to_keras(model)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.Masking(), "drops the mask"),
        (keras.layers.Dense(2, activity_regularizer="l2"), "ignores an `activity_regularizer`"),
    ],
    ids=["mask", "penalty"],
)
def test_time_distributed_that_computes_something_else(layer, message):
    with pytest.raises(ValueError, match=message):
        kit.to_keras(around(kit.TimeDistributed(layer), (2, 5, 4)))


def test_a_layer_of_the_model_has_the_name_of_one_of_the_stack():
    x = keras.Input((5, 4))
    y = kit.StackedRNN([3], name="s", return_sequences=True)(x)
    model = keras.Model(x, kit.LSTM(3, name="s_rnn_0")(y), name="net")
    with pytest.raises(ValueError, match=r"StackedRNN 's' at 'net'.*another name.*'s_rnn_0'$"):
        kit.to_keras(model)


def test_a_stack_called_with_initial_states():
    x, h = keras.Input((5, 4)), keras.Input((2,))
    stack = kit.StackedRNN([2], cell="gru", name="s")
    with pytest.raises(ValueError, match=r"StackedRNN 's' .*gets initial states in its call"):
        kit.to_keras(keras.Model([x, h], stack(x, initial_state=[h])))


@keras.saving.register_keras_serializable(package="tests_to_keras")
class MakesItsOwn(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.reader = kit.LSTM(3, name="reader")

    def call(self, x):
        return self.reader(x)


@keras.saving.register_keras_serializable(package="tests_to_keras")
class Derived(kit.LSTM):
    pass


def test_classes_that_cannot_be_replaced():
    model = MakesItsOwn()
    model(X)
    with pytest.raises(ValueError, match=r"in its own code.*layers=\['reader', 'lstm_cell'\]$"):
        kit.to_keras(model)
    with pytest.raises(ValueError, match=r"derive from.*layers=\['derived', 'lstm_cell'\]$"):
        kit.to_keras(around(Derived(2, name="derived")))


def test_only_a_built_model_of_keras_can_be_converted():
    with pytest.raises(ValueError, match=r"must be built.*model\.built=False$"):
        kit.to_keras(keras.Sequential([kit.LSTM(3)]))
    with pytest.raises(TypeError, match="must be a Keras model or layer"):
        kit.to_keras("model.keras")
    stack = kit.StackedRNN([2], name="s")
    stack(X)
    with pytest.raises(ValueError, match="must be a model around the StackedRNN"):
        kit.to_keras(stack)
