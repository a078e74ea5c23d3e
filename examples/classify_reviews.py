"""From a folder of text files to a saved classifier, and from a sentence to an answer.

Train on your own texts, a folder for each class or a CSV file with the columns `text` and `label`,
and save the classifier in a folder; then ask it:

    python examples/classify_reviews.py --data reviews --out classifier
    python examples/classify_reviews.py --out classifier --ask "a moving story, never dull"

Without `--data`, it trains on 600 synthetic reviews that come with the package, in under a minute,
and downloads nothing. With `--ask`, it trains only if there is no classifier in the folder. A
classifier that is there is replaced only with `--overwrite`.
"""

import argparse
from pathlib import Path
from typing import Any

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.metrics import classification_report  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

import keras_rnnkit as kit  # noqa: E402

# What suits some hundred short texts; the defaults are for thousands of long ones.
SMALL = {
    "units": [16],
    "embedding_dim": 16,
    "word_dropout": 0.0,
    "min_count": 1,
    "maxlen": 40,
    "epochs": 12,
    "batch_size": 32,
    "learning_rate": 0.01,
    "lengths": 2,
}


def read_texts(data: Path | None) -> tuple[list[str], np.ndarray]:
    """The texts and their classes, of a folder or a CSV file, or those of the package."""
    if data is not None:
        reviews = kit.data.read_reviews(data)
        return reviews.texts, np.array(reviews.classes)[reviews.labels]
    train, validation, _ = kit.data.load_sample()
    labels = np.concatenate([train.y, validation.y])
    return [*train.texts, *validation.texts], np.array(["negative", "positive"])[labels]


def train_classifier(options: argparse.Namespace) -> kit.TextClassifier:
    """Trains on four fifths of the texts, and says how good the classifier is on the rest."""
    texts, labels = read_texts(options.data)
    settings: dict[str, Any] = {**(SMALL if options.data is None else {}), "random_state": 0}
    if options.epochs is not None:
        settings["epochs"] = options.epochs
    classifier = kit.TextClassifier(verbose=1, **settings)
    parts = train_test_split(texts, labels, test_size=0.2, random_state=0, stratify=labels)
    train_texts, test_texts, train_labels, test_labels = parts
    print(f"Training on {len(train_texts)} texts, on {keras.config.backend()}.")
    classifier.fit(train_texts, train_labels)
    best = int(np.argmin(classifier.history_.get("val_loss", classifier.history_["loss"]))) + 1
    print(f"\nThe best of {len(classifier.history_['loss'])} epochs was epoch {best}.")
    print(f"On {len(test_texts)} texts that it has not seen:\n")
    predicted = classifier.predict(test_texts)
    print(classification_report(test_labels, predicted, digits=3, zero_division=0))
    classifier.save(options.out, overwrite=True)
    print(f"Saved: {options.out}")
    return classifier


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder for each class, or a CSV file")
    parser.add_argument("--out", type=Path, default=Path("classifier"), help="the saved classifier")
    parser.add_argument("--ask", help="a text to classify")
    parser.add_argument("--epochs", type=int, help="the largest number of epochs")
    parser.add_argument("--overwrite", action="store_true", help="replace a saved classifier")
    options = parser.parse_args(arguments)

    saved = (options.out / "settings.json").exists()
    if options.ask is not None and options.data is None and saved:
        classifier = kit.TextClassifier.load(options.out)
    elif saved and not options.overwrite:
        raise SystemExit(f"{options.out} has a classifier. Pass --overwrite, or another --out.")
    else:
        classifier = train_classifier(options)
    if options.ask is not None:
        print(f'\n"{options.ask}"')
        print(classifier.explain(options.ask))


if __name__ == "__main__":
    main()
