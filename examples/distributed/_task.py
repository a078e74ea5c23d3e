"""What the three programs train: a classifier or a tagger of padded sequences, and their rows.

Every process makes the batches that all share and keeps its own rows of them.
"""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _launch import Place

import keras_rnnkit as kit

WORDS = 40


class Batches(keras.utils.PyDataset):
    """The rows of one process: one part of each batch, another batch at each step.

    Args:
        task: "classifier" or "tagger".
        place: The place of this process among all.
        steps: The steps of an epoch.
        rows: The rows of a batch of all processes together.
        length: The steps of a sequence, with its padding.
    """

    def __init__(self, task: str, place: Place, steps: int, rows: int, length: int) -> None:
        super().__init__()
        if rows % place.count:
            raise ValueError(
                "`rows` must be divisible by the number of processes, so that every process has "
                f"rows of the same number. Received: rows={rows}, processes={place.count}"
            )
        self._task, self._steps, self._rows, self._length = task, steps, rows, length
        part = rows // place.count
        self._own = slice(place.rank * part, (place.rank + 1) * part)
        self._epoch = 0

    def __len__(self) -> int:
        return self._steps

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        generator = np.random.default_rng([self._epoch, index])
        words = generator.integers(1, WORDS, (self._rows, self._length), dtype="int32")
        lengths = generator.integers(2, self._length + 1, self._rows)
        words[np.arange(self._length) >= lengths[:, None]] = 0  # padding, which the mask leaves out
        high = (words > WORDS // 2).astype("float32")
        if self._task == "tagger":  # each tag: whether more high words than others came before
            balance = np.cumsum(np.where(words == 0, 0, 2 * high - 1), axis=1)
            return words[self._own], (balance > 0).astype("int32")[self._own]
        answer = (high.sum(axis=1) > lengths / 2).astype("float32")[:, None]
        targets = {"answer": answer, "forget": np.ones_like(answer)}
        return words[self._own], {name: value[self._own] for name, value in targets.items()}


def classifier(units: int) -> keras.Model:
    """Classifies the last output, with a small penalty on forget gates that close."""
    words = keras.Input((None,), dtype="int32", name="words")
    vectors = kit.Embedding(WORDS, 8, mask_zero=True)(words)
    hidden, trace = kit.LSTM(units, return_gates=True)(vectors)
    answer = keras.layers.Dense(1, activation="sigmoid", name="answer")(hidden)
    forget = MeanOfValidSteps(name="forget")([trace.forget, trace.mask])
    model = keras.Model(words, {"answer": answer, "forget": forget})
    model.compile(
        optimizer(),
        {"answer": "binary_crossentropy", "forget": "mse"},
        loss_weights={"answer": 1.0, "forget": 0.1},
    )
    return model


def tagger(units: int) -> keras.Model:
    """A tag for each step; Keras leaves the masked steps out of the loss."""
    words = keras.Input((None,), dtype="int32", name="words")
    vectors = kit.Embedding(WORDS, 8, mask_zero=True)(words)
    both = kit.Bidirectional(kit.GRU(units, return_sequences=True))(vectors)
    model = keras.Model(words, keras.layers.Dense(2, activation="softmax")(both))
    model.compile(optimizer(), "sparse_categorical_crossentropy")
    return model


def optimizer() -> keras.optimizers.Optimizer:
    """Not Adam: its steps hide a gradient that is wrong by a factor, such as two processes."""
    return keras.optimizers.SGD(0.1, momentum=0.9)


@keras.saving.register_keras_serializable(package="examples")
class MeanOfValidSteps(keras.layers.Layer):
    """The mean of a gate over the valid steps and the units: one number for each row."""

    def call(self, inputs: list[Any]) -> Any:
        gate, mask = inputs
        weights = keras.ops.cast(mask, gate.dtype)[..., None]
        total = keras.ops.sum(weights * gate, axis=(1, 2))
        valid = keras.ops.sum(weights, axis=(1, 2)) * gate.shape[-1]
        return (total / keras.ops.maximum(valid, 1))[:, None]


def batches(options: Namespace, place: Place) -> Batches:
    """The rows of this process."""
    return Batches(options.task, place, options.steps, options.rows, options.length)


def build_model(options: Namespace) -> keras.Model:
    """The same initial weights in every process."""
    keras.utils.set_random_seed(1)
    return {"classifier": classifier, "tagger": tagger}[options.task](options.units)


def callbacks(options: Namespace, place: Place, barrier: Any) -> list[Any]:
    """The run that goes on where it was, and the progress, which process 0 shows."""
    ranks = {"rank": place.rank, "barrier": barrier} if place.count > 1 else {}
    chosen = kit.callbacks.resumable(options.folder, monitor="loss", patience=None, seed=1, **ranks)
    if place.rank == 0:
        chosen += [*kit.callbacks.progress(), Losses(options.losses)]
    return chosen


def save(model: keras.Model, options: Namespace, place: Place) -> None:
    """Process 0 saves the model, which any other process can then load and use alone."""
    if place.rank == 0 and options.model is not None:
        model.save(options.model)


class Losses(keras.callbacks.Callback):
    """Writes the loss after each step, as Keras shows it: the mean of the epoch so far."""

    def __init__(self, file: Path | None) -> None:
        super().__init__()
        self._file, self._losses = file, []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._losses.append(float((logs or {})["loss"]))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._file is not None:
            self._file.write_text(json.dumps(self._losses))
