"""Several processes that train one model, and loops of one's own, which go on like `fit`."""

import keras
import pytest

import keras_rnnkit as kit
from keras_rnnkit import callbacks
from tests.callbacks.support import (
    ROWS,
    TARGETS,
    fit,
    listed,
    make_model,
    resumable,
    same_weights,
)


class Seen(keras.callbacks.Callback):
    """The files of a folder while a model is trained in it."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.files, self.epochs = folder, [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.files = listed(self.folder)
        self.epochs.append(epoch)


def test_process_0_locks_and_writes_and_the_others_read(tmp_path):
    calls = []
    model, seen = make_model(), Seen(tmp_path)
    fit(model, [*resumable(tmp_path, barrier=lambda: calls.append(0)), seen], epochs=2)
    assert seen.files == ["checkpoint.npz", "run.lock"]
    written = (tmp_path / "checkpoint.npz").read_bytes()

    reader, seen = make_model(), Seen(tmp_path)
    # `overwrite` is up to process 0, which has been asked for it before the barrier.
    several = {"rank": 1, "barrier": lambda: calls.append(1), "overwrite": True}
    history = fit(reader, [*resumable(tmp_path, **several), seen], epochs=2)
    assert same_weights(reader, model)
    assert history.epoch == [0, 1]
    assert seen.epochs == []
    fit(reader, [*resumable(tmp_path, **several), seen], epochs=3)
    assert seen.files == ["checkpoint.npz"]
    assert seen.epochs == [2]
    assert (tmp_path / "checkpoint.npz").read_bytes() == written
    assert calls == [0, 1, 1]


def test_process_0_writes_before_the_barrier_what_all_begin_with(tmp_path):
    found = []
    model = make_model()
    before = model.get_weights()
    lonely = resumable(tmp_path, barrier=lambda: found.append(listed(tmp_path)), overwrite=True)
    fit(model, lonely, epochs=1)
    assert found == [["checkpoint.npz", "run.lock"]]
    other = make_model()
    other.set_weights([weight + 1 for weight in before])
    with pytest.raises(ValueError, match=r"`folder` must be the same.*rank=1"):
        fit(other, resumable(tmp_path / "elsewhere", rank=1, barrier=lambda: None), epochs=1)


class Wrapping(keras.layers.Layer):
    """A layer of one's own that has another one inside."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


@pytest.mark.parametrize("around", [lambda layer: layer, Wrapping])
def test_stateful_layers_are_refused_in_several_processes(tmp_path, around):
    inputs = keras.Input(batch_shape=(8, 4, 1))
    outputs = keras.layers.Dense(1)(around(kit.GRU(2, stateful=True, name="carried"))(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"must not have stateful.*in layer 'carried'"):
        model.fit(
            *(ROWS[..., None], TARGETS),
            batch_size=8,
            verbose=0,
            callbacks=resumable(tmp_path, barrier=lambda: None),
        )
    assert listed(tmp_path) == []


def test_a_second_process_0_is_told_of_ranks(tmp_path):
    (tmp_path / "run.lock").write_text('{"host": "elsewhere", "pid": 1}')
    with pytest.raises(RuntimeError, match=r"in use.*pass its own `rank=` to each.*run\.lock"):
        fit(make_model(), resumable(tmp_path, barrier=lambda: None), epochs=1)
    with pytest.raises(RuntimeError, match=r"delete the lock\. Received: lock="):
        fit(make_model(), resumable(tmp_path), epochs=1)


def test_ranks_and_barriers_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"`barrier` must be given.*rank=1, barrier=None"):
        callbacks.resumable(tmp_path, rank=1)
    with pytest.raises(ValueError, match=r"`rank` must be.*rank=-1"):
        callbacks.resumable(tmp_path, rank=-1, barrier=lambda: None)
    with pytest.raises(TypeError, match=r"`barrier` must be a function.*barrier='gloo'"):
        callbacks.resumable(tmp_path, barrier="gloo")


def own_loop(folder, epochs, first=None):
    """A loop of one's own; the epochs that it trained."""
    model = make_model()
    tasks = resumable(folder, monitor="loss")
    driven = keras.callbacks.CallbackList(tasks, model=model, epochs=epochs, verbose=0)
    driven.on_train_begin()
    trained = []
    for epoch in range(tasks[0].initial_epoch if first is None else first, epochs):
        driven.on_epoch_begin(epoch)
        logs = model.train_on_batch(ROWS[:8], TARGETS[:8], return_dict=True)
        driven.on_epoch_end(epoch, {name: float(value) for name, value in logs.items()})
        trained.append(epoch)
    driven.on_train_end()
    return trained, model


def test_a_loop_of_ones_own_goes_on_where_it_was(tmp_path):
    assert own_loop(tmp_path / "killed", epochs=2)[0] == [0, 1]
    trained, model = own_loop(tmp_path / "killed", epochs=4)
    assert trained == [2, 3]
    assert same_weights(model, own_loop(tmp_path / "whole", epochs=4)[1])


def test_a_loop_of_ones_own_that_begins_elsewhere_is_refused(tmp_path):
    own_loop(tmp_path, epochs=2)
    with pytest.raises(RuntimeError, match=r"`epoch` must be 2.*`initial_epoch`.*epoch=0"):
        own_loop(tmp_path, epochs=4, first=0)
