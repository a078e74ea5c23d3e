"""How good the methods of `kit.attribute` are, beside plain gradients and chance.

    KERAS_BACKEND=jax python benchmarks/attribution.py                   # the sample reviews only
    KERAS_BACKEND=jax python benchmarks/attribution.py --data imdb.npz   # and the IMDB reviews
    python benchmarks/attribution.py --check   # fails where the page part is not what results say

On the sample reviews, the words that decide are known by construction: how often is the word with
the largest score one of them? On the IMDB reviews they are not: the words with the largest scores
are taken out, and the probability of the predicted class drops. Three models for each, from three
seeds; only reviews that the model predicts correctly count.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from _attribution_chart import chart
from _results import RESULTS, environment, load, save, today, write_or_check
from _tables import table

RESULT = RESULTS / "attribution.json"
DOCS = Path(__file__).parent.parent / "docs"
PART = DOCS / "results" / "attribution.md"
CHART = DOCS / "assets" / "which-words" / "curves.svg"
SEEDS = (0, 1, 2)
METHODS = ("integrated_gradients", "cells", "contextual", "occlusion", "gradients", "random")
TAKEN_OUT = (1, 2, 5, 10, 20)
REVIEWS, STEPS = 200, 100
TRAINED_ON, EPOCHS = 10_000, 4


def model_of(words: int, steps: int, units: int, seed: int) -> Any:
    """An embedding, an LSTM and a logistic unit."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((steps,), dtype="int32"),
        kit.Embedding(words, 16, mask_zero=True),
        kit.LSTM(units),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def scores_of(model: Any, x: Any, method: str, seed: int) -> Any:
    """The scores `(batch, time)` for the predicted class; minus infinity at padding."""
    import numpy as np

    import keras_rnnkit as kit

    if method == "random":
        scores = np.random.default_rng(seed).random(x.shape)
    elif method == "gradients":
        scores = gradients(model, x)
    else:
        spans = [(t, t + 1) for t in range(x.shape[1])] if method == "contextual" else None
        scores = kit.attribute(model, x, method=method, spans=spans).scores
    if method != "random":
        scores = scores * np.where(model.predict(x, verbose=0) > 0.5, 1, -1)
    return np.where(x == 0, -np.inf, scores)


def gradients(model: Any, x: Any) -> Any:
    """The gradient of the logit by the vector of each word, times the vector."""
    import numpy as np

    from keras_rnnkit.models._attribute_model import function_of
    from keras_rnnkit.models._attribute_rows import Rows

    function, rows = function_of(model, "logit", None), Rows(model, x, None)
    _, _, vectors = function.look_at_all(rows)
    one = np.ones(1, vectors.dtype)
    found = function.weighted_gradients(
        x, vectors, 0 * vectors, one, one, np.ones((len(x), 1), vectors.dtype)
    )
    return np.sum(found * vectors, axis=-1)


def deciding(text: str, label: int) -> set[int]:
    """The places of the words of a sample review that decide its label, by its grammar.

    Of "not good", both words; else the words of the review's own side: of "started dull but ended
    wonderful", the last one.
    """
    from keras_rnnkit.data.sample import _BLAME, _PRAISE

    words = text.split()
    own, other = (_PRAISE, _BLAME) if label else (_BLAME, _PRAISE)
    negated = {"not", "never"} & set(words)
    decide = {*other, *negated} if negated else set(own)
    return {place for place, word in enumerate(words) if word in decide}


def on_sample(seed: int) -> dict[str, Any]:
    """How often the top word is a deciding one, for each method, and how often by chance."""
    import numpy as np

    import keras_rnnkit as kit

    train, test, vocabulary = kit.data.load_sample()
    model = model_of(len(vocabulary), train.x.shape[1], 16, seed)
    model.fit(train.x, train.y, batch_size=32, epochs=30, verbose=0)
    right = (model.predict(test.x, verbose=0)[:, 0] > 0.5) == test.y
    x, rows = test.x[right], np.flatnonzero(right)
    starts = (x == 0).sum(axis=1) + 1  # padding, and the mark of the start
    hits: dict[str, float] = {}
    for method in METHODS:
        top = np.argmax(scores_of(model, x, method, seed), axis=1) - starts
        found = [
            int(place) in deciding(test.texts[row], test.y[row])
            for place, row in zip(top, rows, strict=True)
        ]
        hits[method] = float(np.mean(found))
    return {"accuracy": float(right.mean()), "reviews": len(rows), "hits": hits}


def on_imdb(path: Path, seed: int) -> dict[str, Any]:
    """The mean drop of the predicted class's probability without the top words."""
    import numpy as np

    import keras_rnnkit as kit

    data = kit.data.load_imdb(path=path, maxlen=STEPS)
    x, y = data.train.x[:TRAINED_ON], data.train.y[:TRAINED_ON]
    model = model_of(500, STEPS, 32, seed)
    model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=0)
    accuracy = model.evaluate(data.test.x[:5000], data.test.y[:5000], verbose=0)[1]
    right = np.flatnonzero(
        (model.predict(data.test.x[:1000], verbose=0)[:, 0] > 0.5) == data.test.y[:1000]
    )
    x = data.test.x[right[:REVIEWS]]
    before = model.predict(x, verbose=0)[:, 0]
    sign = np.where(before > 0.5, 1, -1)
    drops: dict[str, list[float]] = {}
    for method in METHODS:
        order = np.argsort(-scores_of(model, x, method, seed), axis=1, kind="stable")
        drops[method] = []
        for k in TAKEN_OUT:
            without = x.copy()
            np.put_along_axis(without, order[:, :k], 0, axis=1)
            after = model.predict(without, verbose=0)[:, 0]
            drops[method].append(float(np.mean((before - after) * sign)))
    return {"accuracy": float(accuracy), "reviews": len(x), "drops": drops}


def measured(path: Path | None, old: dict[str, Any]) -> dict[str, Any]:
    """The results of all seeds; those on IMDB are kept where no file is given."""
    import keras

    report = {**environment(keras.config.backend()), "date": today(), "taken_out": TAKEN_OUT}
    report["sample"] = [on_sample(seed) for seed in SEEDS]
    report["imdb"] = [on_imdb(path, seed) for seed in SEEDS] if path else old.get("imdb", [])
    return report


def part(report: dict[str, Any]) -> str:
    """The page part: a table for the sample, and one for IMDB."""
    names = {"gradients": "gradients times vectors", "random": "random words"}
    named = {method: names.get(method, f'`"{method}"`') for method in METHODS}
    sample = [
        [named[method], *(f"{100 * one['hits'][method]:.0f} %" for one in report["sample"])]
        for method in METHODS
    ]
    head = ["top word decides", *(f"seed {seed}" for seed in SEEDS)]
    imdb = [
        [named[method], *(_over_seeds(report["imdb"], method, i) for i in range(len(TAKEN_OUT)))]
        for method in METHODS
        if report["imdb"]
    ]
    ks = ["drop of probability without the top", *(f"{k}" for k in report["taken_out"])]
    return "\n\n".join([table(head, sample), table(ks, imdb)]) + "\n"


def _over_seeds(rows: list[dict[str, Any]], method: str, i: int) -> str:
    """The mean over the seeds, with the smallest and the largest."""
    values = [row["drops"][method][i] for row in rows]
    return f"{sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def files(report: dict[str, Any]) -> dict[Path, str]:
    """The table and the chart of the page."""
    return {PART: part(report), CHART: chart(report)}


def write(report: dict[str, Any]) -> None:
    """Writes the table and the chart."""
    write_or_check(files(report), check=False)


def main() -> None:
    """Measures, or checks the page part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; without it, the sample reviews only")
    parser.add_argument(
        "--page", action="store_true", help="write table and chart, measure nothing"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if arguments.check:
        write_or_check(files(load(RESULT)), check=True)
        return
    if arguments.page:
        write(load(RESULT))
        return
    os.environ.setdefault("KERAS_BACKEND", "jax")
    old = load(RESULT) if RESULT.exists() else {}
    save(RESULT, measured(arguments.data, old))
    write(load(RESULT))


if __name__ == "__main__":
    main()
