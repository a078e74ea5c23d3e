"""A stream follows changes of its model, and leaves nothing in memory."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.running.capture import capturing, current_capture
from tests.support.cases import assert_close, to_numpy

LAYERS = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


def model_of(*layers):
    head = LAYERS.Dense(2, name="head")
    return keras.Sequential([keras.Input((None, 4)), *layers, kit.LSTM(8, name="lstm"), head])


def enable_lora(model):
    model.get_layer("head").enable_lora(2)
    for weight in model.get_layer("head").trainable_weights:
        weight.assign(keras.random.normal(weight.shape, seed=1))


def train(model):
    model.compile("sgd", "mse")
    model.fit(X, np.ones((3, 2)), verbose=0)


def another_optimizer(model):
    train(model)
    model.compile("adam", "mse")
    model.fit(X, np.ones((3, 2)), verbose=0)


def freeze(model):
    model.trainable = False
    model.set_weights([weight + 1 for weight in model.get_weights()])


def load(model, folder):
    other = keras.models.clone_model(model)
    other.set_weights([weight - 1 for weight in model.get_weights()])
    other.save_weights(folder / "other.weights.h5")
    model.load_weights(folder / "other.weights.h5")


def half_precision(model):
    model.get_layer("head").dtype_policy = "float16"


def another_head(model):
    model.pop()
    model.add(LAYERS.Dense(3, name="other_head"))


CHANGES = {
    "enable_lora": enable_lora,
    "quantize": lambda model: model.quantize("int8"),
    "quantize a layer": lambda model: model.get_layer("head").quantize("int8"),
    "training": train,
    "another optimizer": another_optimizer,
    "trainable": freeze,
    "a dtype policy": half_precision,
    "another head": another_head,
}


class TestTheModelOfTheMoment:
    @pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method:UserWarning")
    @pytest.mark.filterwarnings("ignore:.*keeps its weights:UserWarning")
    @pytest.mark.parametrize("change", CHANGES)
    def test_is_seen_by_streams_that_have_begun(self, change):
        model = model_of()
        live, untouched = kit.stream(model), kit.stream(model)
        live.chunk(X[:, :2])
        before = to_numpy(untouched.chunk(X))
        CHANGES[change](model)
        untouched.reset()
        assert_close(untouched.chunk(X), model(X), rtol=1e-3, atol=1e-3)
        after = to_numpy(live.chunk(X[:, 2:]))
        assert after.shape != before.shape or np.abs(after - before).max() > 1e-6

    def test_is_seen_after_load_weights(self, tmp_path):
        model = model_of()
        live = kit.stream(model)
        live.chunk(X)
        load(model, tmp_path)
        live.reset()
        assert_close(live.chunk(X), model(X), atol=1e-5)

    def test_is_seen_after_adapt(self):
        normalization = LAYERS.Normalization()
        model = model_of(normalization)
        live = kit.stream(model)
        live.step(X[:, 0])
        live.chunk(X)
        normalization.adapt(2 * X + 1)
        for stream in (live, kit.stream(model)):
            stream.reset()
            assert_close(stream.chunk(X), model(X), atol=1e-5)

    def test_continues_with_its_states(self):
        model = model_of()
        live, other = kit.stream(model), kit.stream(model)
        live.chunk(X[:, :2])
        enable_lora(model)
        other.chunk(X[:, :2])
        assert_close(live.chunk(X[:, 2:]), other.chunk(X[:, 2:]), atol=1e-5)
        assert_close(other.states, live.states)

    def test_with_other_recurrent_layers_is_refused(self):
        model = model_of()
        live = kit.stream(model)
        live.step(X[:, 0])
        model.pop()
        model.add(LAYERS.Reshape((8, 1)))
        model.pop()
        model.pop()
        model.add(kit.GRU(2, name="another"))
        with pytest.raises(
            ValueError, match=r"other recurrent layers.*Received: layers=.*GRU 'another'"
        ):
            live.step(X[:, 0])
        live.reset()
        assert_close(live.chunk(X), model(X), atol=1e-5)

    def test_that_can_no_longer_be_fed_is_refused(self):
        model = model_of()
        live = kit.stream(model)
        live.step(X[:, 0])
        model.pop()
        model.pop()
        model.add(kit.Bidirectional(kit.GRU(2)))
        with pytest.raises(ValueError, match="begins at the end"):
            live.step(X[:, 0])

    def test_has_other_options_for_the_next_stream(self):
        model = model_of(LAYERS.Dense(4, "tanh", name="first"))
        first = kit.stream(model)
        first.chunk(X)
        model.get_layer("first").activation = keras.activations.relu
        assert_close(kit.stream(model).chunk(X), model(X), atol=1e-5)


class TestNothingIsLeftBehind:
    def test_streams_share_what_is_compiled(self):
        model = model_of()
        streams = [kit.stream(model) for _ in range(50)]
        for live in streams:
            live.step(X[:, 0])
        assert len({id(live._runner) for live in streams}) == 1
        assert kit.stream(model).copy()._runner is streams[0]._runner

    @pytest.mark.parametrize("alone", [False, True])
    def test_what_is_compiled_is_freed_with_the_model(self, alone):
        model = kit.LSTM(3) if alone else model_of()
        model(X)
        live = kit.stream(model)
        live.step(X[:, 0])
        gone = weakref.ref(model), weakref.ref(live._runner)
        del model, live
        gc.collect()
        assert [reference() for reference in gone] == [None, None]

    def test_what_is_compiled_is_freed_when_the_model_changes(self):
        model = model_of()
        live = kit.stream(model)
        live.step(X[:, 0])
        gone = weakref.ref(live._runner)
        enable_lora(model)
        live.step(X[:, 0])
        gc.collect()
        assert gone() is None

    def test_saving_and_copying_a_model_that_was_streamed(self, tmp_path):
        model = model_of()
        kit.stream(model).step(X[:, 0])
        model.save(tmp_path / "model.keras")
        for other in (
            keras.models.load_model(tmp_path / "model.keras"),
            keras.models.clone_model(model),
        ):
            other.set_weights(model.get_weights())
            assert_close(kit.stream(other).chunk(X), model(X), atol=1e-5)

    def test_few_steps_and_streams_take_no_memory(self):
        assert grown(150) < 6

    @pytest.mark.slow
    def test_five_thousand_steps_and_streams_take_no_memory(self):
        assert grown(5_000) < 12


def grown(count):
    """The MiB that the process grows by in so many streams, each of two steps."""
    model = model_of()
    x = X[:, 0]

    def run(count):
        for _ in range(count):
            live = kit.stream(model)
            live.step(x)
            live.copy().step(x)
        gc.collect()

    run(20)
    before = resident()
    run(count)
    return resident() - before


def resident():
    with open("/proc/self/statm", encoding="ascii") as pages:
        return int(pages.read().split()[1]) * 4096 / 2**20


class TestThreads:
    def test_a_watch_is_that_of_its_thread(self):
        seen = []
        with capturing(capture_gates=True) as capture:
            thread = threading.Thread(target=lambda: seen.append(current_capture()))
            thread.start()
            thread.join()
            assert current_capture() is capture
        assert seen == [None]

    def test_a_call_during_a_stream_and_a_trace_is_not_disturbed(self):
        stack = kit.StackedRNN([4, 4], stateful=True, return_sequences=True, path="portable")
        stack(X)
        stack.reset_state()
        whole = to_numpy(stack(X))
        stack.reset_state()
        model = keras.Sequential([keras.Input((None, 4)), kit.GRU(4, path="portable")])
        wanted, found = to_numpy(model(X)), []
        inside, done = threading.Event(), threading.Event()
        done.set()

        class Waits(keras.layers.Layer):
            def call(self, x):
                inside.set()
                done.wait(30)
                return x

        waiting = keras.Sequential([keras.Input((None, 4)), Waits(), kit.LSTM(3)])

        def captured():
            inside.clear()
            found.append(to_numpy(kit.stream(waiting, stepwise=(Waits,)).chunk(X)))

        captured()  # compiled, so that the second call runs through on every backend
        done.clear()
        thread = threading.Thread(target=captured)
        thread.start()
        if keras.config.backend() == "torch":
            assert inside.wait(30)
        assert_close(stack(X), whole, atol=1e-6)
        assert_close(model(X), wanted, atol=1e-6)
        done.set()
        thread.join()
        assert_close(found[0], found[1], atol=1e-6)
