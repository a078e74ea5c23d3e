"""Callbacks see chunks as the batches of `fit`, and a run in chunks can be resumed."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.chunked import LANES, TIME, data, stateful_model, weights_of
from tests.support.cases import assert_close


class Events(keras.callbacks.Callback):
    """The names of all calls, with the number of the batch."""

    def __init__(self):
        super().__init__()
        self.seen = []
        for name in dir(self):
            if name.startswith("on_") and "predict" not in name:
                setattr(self, name, self._noting(name))

    def _noting(self, name):
        def note(*arguments, **more):
            numbers = [one for one in arguments if isinstance(one, int)]
            self.seen.append((name, *numbers))

        return note


def test_callbacks_are_called_as_in_fit():
    x, y, _ = data()
    events, wanted = Events(), Events()
    kit.fit_chunks(
        stateful_model("gru"),
        x,
        y,
        4,
        epochs=3,
        initial_epoch=1,
        validation_data=(x[:LANES], y[:LANES]),
        validation_freq=2,
        callbacks=events,
        verbose=0,
    )
    plain = keras.Sequential([keras.Input((TIME, 3)), keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    plain.fit(
        np.tile(x, (3, 1, 1)),
        np.tile(y, (3, 1, 1)),
        batch_size=LANES,
        epochs=3,
        initial_epoch=1,
        validation_data=(np.tile(x[:LANES], (3, 1, 1)), np.tile(y[:LANES], (3, 1, 1))),
        validation_freq=2,
        callbacks=[wanted],
        verbose=0,
    )
    assert events.seen == wanted.seen
    assert ("on_train_batch_end", 5) in events.seen
    assert ("on_test_batch_end", 2) in events.seen


def test_training_stops_within_an_epoch():
    model = stateful_model("gru")
    x, y, _ = data()

    def stop(batch, logs):
        model.stop_training = batch == 3

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    history = kit.fit_chunks(model, x, y, 4, epochs=3, callbacks=[callback], verbose=0)
    assert history.epoch == [0]
    assert int(model.optimizer.iterations) == 4


def test_a_resumed_run_has_the_history_of_one_that_was_not_stopped(tmp_path):
    x, y, _ = data()
    start = stateful_model("lstm").get_weights()

    def train(folder, epochs):
        model = stateful_model("lstm")
        model.set_weights(start)
        callbacks = kit.callbacks.resumable(folder, seed=1)
        shared = {"validation_data": (x[:LANES], y[:LANES]), "verbose": 0}
        history = kit.fit_chunks(model, x, y, 4, epochs=epochs, callbacks=callbacks, **shared)
        return model, history.history

    train(tmp_path / "stopped", 1)
    resumed, history = train(tmp_path / "stopped", 3)
    model, wanted = train(tmp_path / "whole", 3)
    assert len(history["loss"]) == 3
    assert_close(list(history.values()), list(wanted.values()), rtol=0, atol=0)
    assert_close(weights_of(resumed), weights_of(model), rtol=0, atol=0)


@pytest.mark.slow_on("jax", "tensorflow")
def test_the_presets_work(tmp_path, capsys):
    x, y, _ = data()
    model = stateful_model("gru")
    callbacks = [
        *kit.callbacks.standard(tmp_path, curves=False),
        *kit.callbacks.progress(),
        kit.callbacks.GateMonitor(x[:LANES]),
    ]
    kit.fit_chunks(model, x, y, 4, epochs=2, validation_data=(x, y), callbacks=callbacks)
    assert "in all loss" in capsys.readouterr().out
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    loaded = keras.saving.load_model(tmp_path / "last.keras")
    kit.fit_chunks(loaded, x, y, 4, verbose=0)


@pytest.mark.parametrize("when", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
@pytest.mark.parametrize("what", ["predict", "evaluate"])
def test_what_a_callback_computes_with_the_model_changes_no_states(when, what):
    x, y, _ = data()

    def trained(*callbacks):
        keras.utils.set_random_seed(1)
        model = stateful_model("gru")
        kit.fit_chunks(model, x, y, 3, epochs=2, callbacks=[c(model) for c in callbacks], verbose=0)
        return weights_of(model), model.layers[1].states

    def computes(model):
        arrays = (9 * x[:LANES],) if what == "predict" else (9 * x[:LANES], y[:LANES])

        def compute(*_, **__):
            getattr(model, what)(*arrays, batch_size=LANES, verbose=0)

        return keras.callbacks.LambdaCallback(**{when: compute})

    assert_close(trained(computes), trained())
