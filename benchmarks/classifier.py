"""How good a `TextClassifier` is on the raw IMDB reviews, and how long it trains.

    KERAS_BACKEND=jax python benchmarks/classifier.py --data aclImdb_labelled.tar.gz
    KERAS_BACKEND=jax python benchmarks/classifier.py --data ... --settings best --seeds 3
    python benchmarks/classifier.py --check   # fails where the page part is not what results say

25,000 reviews to train with, 25,000 to test with. `default` is `kit.TextClassifier()`; `best` has
the settings below. Beside them, linear models of scikit-learn: tf-idf of the words, or of the words
and pairs of words, and a logistic regression. Nothing was chosen by the test reviews. A seed that
is in the results is not run again. Minutes are those of the whole `fit`, from the raw texts on; the
processor's minutes add up over its cores, and do not count what other processes take.
"""

import argparse
import os
import tarfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from _results import every, load_or_start, results_file, save, today, write_or_check
from _tables import NAMES, table

PART = Path(__file__).parent.parent / "docs" / "results" / "classifier.md"
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "best": {
        "units": (16,),
        "bidirectional": True,
        "pooling": "max",
        "embedding_dim": 16,
        "dropout": 0.4,
        "word_dropout": 0.4,
        "max_words": 10_000,
        "maxlen": 1000,
        "epochs": 15,
        "patience": 3,
    },
}
LINEAR = {"tf-idf, words": (1, 1), "tf-idf, words and pairs": (1, 2)}
ROWS = {
    "default": "`kit.TextClassifier()`",
    "best": "`kit.TextClassifier({})`",
    "tf-idf, words": "`TfidfVectorizer()`, `LogisticRegression()`",
    "tf-idf, words and pairs": "`TfidfVectorizer(ngram_range=(1, 2))`, `LogisticRegression()`",
}


def read_reviews(archive: Path) -> dict[str, tuple[list[str], list[str]]]:
    """The texts and their classes of both parts, in the order of their names."""
    found: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    with tarfile.open(archive) as files:
        for member in files:
            path = Path(member.name)
            if member.isfile() and path.suffix == ".txt" and len(path.parts) >= 3:
                part, label = path.parts[-3:-1]
                text = files.extractfile(member).read().decode("utf-8")
                found[part].append((f"{label}/{path.name}", text))
    sets = {}
    for part, pairs in found.items():
        pairs.sort()
        sets[part] = [text for _, text in pairs], [name.partition("/")[0] for name, _ in pairs]
    return sets


def classifier_of(model: str, seed: int) -> Any:
    """A classifier that is not fitted."""
    if model in LINEAR:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        words = TfidfVectorizer(ngram_range=LINEAR[model])
        return make_pipeline(words, LogisticRegression(max_iter=1000, random_state=seed))
    import keras_rnnkit as kit

    return kit.TextClassifier(**SETTINGS[model], random_state=seed, verbose=2)


def measured(model: str, seed: int, sets: dict[str, Any]) -> dict[str, Any]:
    """One seed of one model."""
    classifier = classifier_of(model, seed)
    wall, processor = time.perf_counter(), time.process_time()
    classifier.fit(*sets["train"])
    minutes = (time.perf_counter() - wall) / 60, (time.process_time() - processor) / 60
    accuracy = classifier.score(*sets["test"])
    row = {"model": model, "seed": seed, "accuracy": accuracy, "date": today()}
    row |= {"minutes": minutes[0], "processor_minutes": minutes[1], "load": os.getloadavg()[1]}
    if model in SETTINGS:
        losses = classifier.history_["val_loss"]
        row |= {"settings": SETTINGS[model], "epochs": len(losses)}
        row |= {"best_epoch": losses.index(min(losses)) + 1, "val_loss": min(losses)}
    print(row, flush=True)
    return row


def part() -> str:
    """The page part: a table for each processor and backend that has results."""
    tables = []
    for backend, name in NAMES.items():
        for report in every("classifier", backend):
            machine = report["machine"]
            title = (
                f"{name} {report['versions'][backend]}, {machine['cpu']}, {machine['cores']} cores"
            )
            tables.append(f"{title}:\n\n{table_of(report)}")
    return "\n\n".join(tables or ["Not measured yet."]) + "\n"


def table_of(report: dict[str, Any]) -> str:
    """A row for each model: accuracy, and time to train."""
    head = ["", "test accuracy", "seeds", "epochs", "minutes", "processor's minutes"]
    rows = []
    for model, title in ROWS.items():
        runs = [run for run in report["rows"] if run["model"] == model]
        if not runs:
            continue
        settings = ", ".join(f"{name}={value!r}" for name, value in SETTINGS.get(model, {}).items())
        epochs = [run["epochs"] for run in runs if "epochs" in run]
        rows.append(
            [
                title.format(settings),
                spread([run["accuracy"] for run in runs], 3),
                str(len(runs)),
                spread(epochs, 0) if epochs else "-",
                spread([run["minutes"] for run in runs], 1),
                spread([run["processor_minutes"] for run in runs], 1),
            ]
        )
    return table(head, rows)


def spread(values: list[float], digits: int) -> str:
    """The mean, and from the lowest to the highest where they differ."""
    low, middle, high = (f"{f(values):.{digits}f}" for f in (min, mean, max))
    return middle if low == high else f"{middle} ({low} to {high})"


def run(options: argparse.Namespace) -> None:
    """Measures what is not in the results yet."""
    import keras

    backend = keras.config.backend()
    file = options.out or results_file("classifier", backend)
    report = load_or_start(file, backend, "rows")
    done = {(row["model"], row["seed"]) for row in report["rows"]}
    wanted = [(model, 0) for model in LINEAR]
    wanted += [(model, seed) for seed in range(options.seeds) for model in options.settings]
    sets = read_reviews(options.data)
    for model, seed in wanted:
        if (model, seed) not in done:
            report["rows"].append(measured(model, seed, sets))
            save(file, report)


def main() -> None:
    """Measures, or checks the page part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="aclImdb_labelled.tar.gz")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a file elsewhere, not for the page")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    options = parser.parse_args()
    if options.data is not None and not options.check:
        run(options)
    write_or_check({PART: part()}, options.check)


if __name__ == "__main__":
    main()
