"""Models that cannot run step by step are refused before a step."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.layers.streams import LAYERS, OPS, RNG, X, positions, rnn

REFUSED = {
    "a constant with a time axis": lambda x: x + positions(1, 5, 4),
    "a constant without a batch axis": lambda x: x * positions(5, 1),
    "a constant of NumPy": lambda x: OPS.add(x, RNG.normal(size=(3, 5, 1)).astype("float32")),
    "a variable": lambda x: x * keras.Variable(np.ones((5, 4), "float32")),
    "rescaling each step by its own": LAYERS.Rescaling(np.ones((5, 1), "float32")),
    "an equation over time": LAYERS.EinsumDense("abc,bd->adc", output_shape=(5, 4)),
    "an equation that sums over time": LAYERS.EinsumDense("abc,cd->ad", output_shape=(4,)),
    "an equation that moves time": LAYERS.EinsumDense("abc,cd->adb", output_shape=(4, 5)),
    "an open equation over time": LAYERS.EinsumDense("...bc,bd->...dc", output_shape=(5, 4)),
    "a bias for each step": LAYERS.EinsumDense("abc,cd->abd", output_shape=(5, 4), bias_axes="b"),
    "a normalization over time": LAYERS.LayerNormalization(axis=1),
    "a normalization over time and features": LAYERS.LayerNormalization(axis=[1, 2]),
    "another normalization over time": LAYERS.BatchNormalization(axis=1),
    "a Normalization of each step": LAYERS.Normalization(axis=(1, 2), mean=1.0, variance=4.0),
    "a softmax over time": LAYERS.Softmax(axis=1),
    "a softmax counted from the end": LAYERS.Softmax(axis=-2),
    "an activation over time": LAYERS.Activation(lambda x: OPS.cumsum(x, axis=1)),
    "a Dense's activation over time": LAYERS.Dense(4, lambda x: OPS.flip(x, axis=1)),
    "Permute": LAYERS.Permute((2, 1)),
    "Reshape": LAYERS.Reshape((4, 5)),
    "Flatten": LAYERS.Flatten(),
    "Lambda": LAYERS.Lambda(lambda x: x),
    "Conv1D": LAYERS.Conv1D(4, 3, padding="causal"),
    "UpSampling1D": LAYERS.UpSampling1D(2),
    "GroupNormalization": LAYERS.GroupNormalization(2),
    "PReLU": LAYERS.PReLU(),
    "steps behind steps": lambda x: LAYERS.Concatenate(axis=1)([x, x]),
    "the steps by themselves": lambda x: LAYERS.Dot(axes=2)([x, x]),
    "attention": lambda x: LAYERS.Attention()([x, x]),
    "multi-head attention": lambda x: LAYERS.MultiHeadAttention(2, 2)(x, x),
    "a sum over time": lambda x: OPS.sum(x, axis=1, keepdims=True),
    "a sum over everything": lambda x: x - OPS.mean(x),
    "a running sum": lambda x: OPS.cumsum(x, axis=1),
    "a matrix product": lambda x: OPS.matmul(positions(5, 5), x),
    "the steps in another order": lambda x: OPS.roll(x, 1, axis=1),
    "the last output added to each step": lambda x: LAYERS.Add()([x, kit.LSTM(4)(x)]),
    "the last output, by an operation": lambda x: x * OPS.expand_dims(kit.LSTM(4)(x), 1),
    "inputs of different ranks": lambda x: x * OPS.any(x > 0, axis=2)[:, :, None],
    "a call in training": lambda x: LAYERS.BatchNormalization()(x, training=True),
    "dropout in training": lambda x: kit.LSTM(4, return_sequences=True, dropout=0.5)(
        x, training=True
    ),
    "a mask with a time axis of its own": lambda x: kit.LSTM(4)(
        x, mask=OPS.convert_to_tensor([[True] * 5] * 3)
    ),
}


class TestRefused:
    @pytest.mark.parametrize("name", REFUSED)
    @pytest.mark.parametrize("behind", [False, True])
    def test_at_once(self, name, behind):
        inputs = keras.Input((5, 4), batch_size=3)
        model = keras.Model(inputs, kit.LSTM(3)(as_sequence(REFUSED[name](rnn(inputs)))))
        if behind:
            model = keras.Sequential([keras.Input((5, 4), batch_size=3), model])
        with pytest.raises(ValueError, match="step by step"):
            kit.stream(model)

    def test_a_class_with_a_known_name(self):
        class Add(keras.Operation):
            def call(self, x):
                return OPS.flip(x, axis=1)

            def compute_output_spec(self, x):
                return keras.KerasTensor(x.shape, x.dtype)

        class Dense(LAYERS.Dense):
            def call(self, x):
                return super().call(OPS.flip(x, axis=1))

        for mixing in (Add(), Dense(4)):
            inputs = keras.Input((5, 4))
            with pytest.raises(ValueError, match="step by step"):
                kit.stream(keras.Model(inputs, rnn(mixing(inputs))))

    def test_a_recurrent_class_with_its_own_call(self):
        class Backwards(kit.LSTM):
            def call(self, sequences, initial_state=None, **options):
                return super().call(OPS.flip(sequences, axis=1), **options)

        with pytest.raises(ValueError, match="`call` of its own"):
            kit.stream(keras.Sequential([keras.Input((5, 4)), Backwards(3)]))

    def test_an_input_without_an_axis_of_time(self):
        steps, place = keras.Input((None, 4)), keras.Input((2,), name="place")
        number = keras.Input((), name="number")
        h = kit.GRU(3)(steps)
        models = [
            keras.Model([steps, place], LAYERS.Concatenate()([h, place])),
            keras.Model([steps, place], LAYERS.Concatenate()([h, LAYERS.Dense(2)(place)])),
            keras.Model([steps, place], kit.GRU(2)(steps, initial_state=place)),
            keras.Model([steps, number], h * number[:, None]),
        ]
        for model in models:
            with pytest.raises(ValueError, match="step by step"):
                kit.stream(model)

    def test_inputs_of_several_lengths(self):
        a, b = keras.Input((5, 4)), keras.Input((7, 4))
        model = keras.Model([a, b], LAYERS.Add()([kit.GRU(3)(a), kit.GRU(3)(b)]))
        with pytest.raises(ValueError, match=r"Received: steps=\[5, 7\]$"):
            kit.stream(model)

    def test_a_recurrent_layer_called_twice(self):
        inputs, shared = keras.Input((None, 4)), kit.GRU(4, return_sequences=True)
        part = keras.Sequential([keras.Input((None, 4)), kit.GRU(4, return_sequences=True)])
        later = kit.GRU(4)
        models = [
            keras.Model(inputs, shared(shared(inputs))),
            keras.Model(inputs, [shared(inputs), shared(2 * inputs)]),
            keras.Model(inputs, part(part(inputs))),
            keras.Model(inputs, later(LAYERS.RepeatVector(2)(later(inputs)))),
        ]
        for model in models:
            with pytest.raises(ValueError, match="more than once"):
                kit.stream(model)

    @pytest.mark.parametrize("in_a_model", [False, True])
    @pytest.mark.parametrize("wrap", [kit.TimeDistributed, LAYERS.TimeDistributed])
    def test_a_layer_in_a_step_that_carries_states(self, wrap, in_a_model):
        reader = kit.GRU(3, stateful=True)
        inner = keras.Sequential([reader]) if in_a_model else reader
        layers = [keras.Input((None, 5, 4), batch_size=3), wrap(inner), kit.LSTM(2)]
        with pytest.raises(ValueError, match="carries states from step to step"):
            kit.stream(keras.Sequential(layers))

    @pytest.mark.parametrize(
        "layer",
        [
            LAYERS.LSTM(3),
            LAYERS.RNN(kit.LSTMCell(3)),
            LAYERS.RNN(kit.GRUCell(3), unroll=True),
            LAYERS.Bidirectional(LAYERS.LSTM(3)),
            LAYERS.ConvLSTM1D(2, 2),
            kit.Bidirectional(kit.LSTM(3)),
            kit.LSTM(3, go_backwards=True),
            kit.StackedRNN([3, 3], bidirectional=True),
            kit.LearnedInitialState(kit.Bidirectional(kit.GRU(3))),
            kit.LearnedInitialState(kit.GRU(3, go_backwards=True)),
        ],
        ids=lambda layer: layer.name,
    )
    def test_a_recurrent_layer_that_cannot(self, layer):
        inputs = keras.Input((5, 4, 2) if isinstance(layer, LAYERS.ConvLSTM1D) else (5, 4))
        model = keras.Model(inputs, layer(inputs))
        for whole in (model, layer, OwnModel(layer)):
            with pytest.raises(
                ValueError, match=r"step by step|only the states of layers of keras_rnnkit"
            ):
                kit.stream(whole, stepwise=(OwnModel,))

    def test_what_is_not_built(self):
        for model in (keras.Sequential([kit.LSTM(3)]), kit.LSTM(3), OwnModel(kit.LSTM(3), False)):
            with pytest.raises(TypeError, match="built"):
                kit.stream(model)

    def test_a_layer_of_ones_own_with_recurrent_layers_in_it(self):
        with pytest.raises(ValueError, match=r"keras\.Model"):
            kit.stream(keras.Sequential([keras.Input((5, 4)), OwnLayer()]), stepwise=(OwnLayer,))

    def test_a_layer_that_a_model_of_ones_own_calls_twice(self):
        class Twice(keras.Model):
            def __init__(self):
                super().__init__()
                self.rnn = kit.LSTM(4, return_sequences=True)

            def call(self, x):
                return self.rnn(self.rnn(x))

        model = Twice()
        model(X)
        with pytest.raises(ValueError, match="more than once"):
            kit.stream(model, stepwise=(Twice,)).step(X[:, 0])

    def test_a_layer_that_a_model_of_ones_own_does_not_call(self):
        class Spare(keras.Model):
            def __init__(self):
                super().__init__()
                self.used, self.spare = kit.LSTM(3), kit.LSTM(3)
                self.spare.build((None, 5, 4))

            def call(self, x):
                return self.used(x)

        model = Spare()
        model(X)
        with pytest.raises(ValueError, match="not called"):
            kit.stream(model, stepwise=(Spare,)).step(X[:, 0])


class OwnModel(keras.Model):
    def __init__(self, layer, called=True):
        super().__init__()
        self.inner = layer
        if called:
            self(np.ones((3, 5, 4, 2) if isinstance(layer, LAYERS.ConvLSTM1D) else (3, 5, 4)))

    def call(self, x):
        return self.inner(x)


class OwnLayer(LAYERS.Layer):
    def __init__(self):
        super().__init__()
        self.inner = kit.LSTM(3)

    def call(self, x):
        return self.inner(x)


def as_sequence(x):
    """Whatever came out, as steps with features again."""
    return x if len(x.shape) == 3 else LAYERS.Reshape((-1, 1))(x)
