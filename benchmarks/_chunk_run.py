"""Trains one model of `chunks.py` in a process of its own (Linux with glibc).

    python benchmarks/_chunk_run.py ARCHIVE STEPS RECOMPUTE SETS EPOCHS

Prints what it measured as JSON.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from _memory import forget_peak, peak_mib, planned_mib
from classifier import read_reviews

LANES, ROW, UNITS, HELD_OUT = 16, 2000, 128, 2  # HELD_OUT: sets of lanes
MOST_CHARACTERS = 127


def encoded(archive: Path, sets: int) -> tuple[Any, Any, int]:
    """The ids of training and test text, and how many there are; 0 is any rare character."""
    import numpy as np

    from keras_rnnkit.data import lanes

    reviews = read_reviews(archive)
    wanted = {"train": sets, "test": HELD_OUT}
    parts = []
    for name, count in wanted.items():
        texts = reviews[name][0]
        order = np.random.default_rng(0).permutation(len(texts))
        text = "\n".join(texts[i] for i in order).encode("utf-32-le")
        points = np.frombuffer(text, "<u4")[: LANES * ROW * count + 1]
        if len(points) < LANES * ROW * count + 1:
            sys.exit(f"{archive} has too little text in {name!r} for {count} sets of lanes.")
        parts.append((points, LANES * count))
    found, counts = np.unique(parts[0][0], return_counts=True)
    common = np.sort(found[np.argsort(-counts)[:MOST_CHARACTERS]])

    def ids(points: Any) -> Any:
        place = np.minimum(np.searchsorted(common, points), len(common) - 1)
        return np.where(common[place] == points, place + 1, 0).astype("uint8")

    train, test = ((ids(points), rows) for points, rows in parts)
    cut = [lanes(one[:-1], rows, targets=one[1:]) for one, rows in (train, test)]
    return cut[0], cut[1], len(common) + 1


def build(characters: int, recompute: bool) -> Any:
    """A compiled model of text, with the bits per character as its metric."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    def bits(y: Any, logits: Any) -> Any:
        nats = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        return nats / np.log(2)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(LANES, None), dtype="int32"),
            kit.Embedding(characters, 16),
            kit.LSTM(UNITS, stateful=True, return_sequences=True, recompute=recompute),
            keras.layers.Dense(characters),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=[bits])
    return model


def run(archive: Path, steps: int, recompute: bool, sets: int, epochs: int) -> dict[str, Any]:
    """The bits per character after each epoch, the seconds of an epoch, and the memory of a step.

    The time of an epoch and the peak of its memory are those of the training alone, as the medians
    of the epochs after the first, which compiles. On JAX, whose steps find the memory of the last
    one, the memory is what XLA plans for a step.
    """
    import keras

    import keras_rnnkit as kit

    (x, y), held_out, characters = encoded(archive, sets)
    model = build(characters, recompute)
    found: dict[str, list[float]] = {"bits": [], "seconds": [], "mib": []}
    for _ in range(epochs):
        forget_peak()
        before, start = peak_mib(), time.perf_counter()
        kit.fit_chunks(model, x, y, steps, verbose=0)
        found["seconds"].append(time.perf_counter() - start)
        found["mib"].append(peak_mib() - before)
        kit.reset_states(model)
        bits = []
        for row in range(0, len(held_out[0]), LANES):
            kit.reset_states(model)
            rows = slice(row, row + LANES)
            scores = model.evaluate(
                held_out[0][rows], held_out[1][rows], batch_size=LANES, verbose=0, return_dict=True
            )
            bits.append(scores["bits"])
        found["bits"].append(sum(bits) / len(bits))
    later = slice(1, None) if epochs > 1 else slice(None)
    mib = median(found["mib"][later])
    if keras.config.backend() == "jax":
        chunk = x[:LANES, :steps].astype("int32"), y[:LANES, :steps]
        mib = planned_mib(model, *chunk, lambda y, output: model.compute_loss(y=y, y_pred=output))
    return {
        "updates": sets * -(-ROW // steps),
        "bits": [round(value, 3) for value in found["bits"]],
        "seconds": round(median(found["seconds"][later]), 2),
        "mib": round(mib, 1),
    }


if __name__ == "__main__":
    archive, steps, recompute, sets, epochs = sys.argv[1:]
    print(json.dumps(run(Path(archive), int(steps), recompute == "True", int(sets), int(epochs))))
