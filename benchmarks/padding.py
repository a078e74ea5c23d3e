"""What the side of the padding and a mask do to the accuracy on the IMDB reviews.

    KERAS_BACKEND=jax python benchmarks/padding.py --data imdb.npz   # trains what is missing
    python benchmarks/padding.py --check   # fails where the page parts are not the results

The LSTM of the textbook chapter, trained for a fixed number of epochs, on reviews padded on the
left or on the right, with and without a mask, three seeds each. The words that a review keeps are
the same in all cells. A cell is saved when it is trained, so that a run can be interrupted.
"""

import argparse
import os
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from _results import RESULTS, load, load_or_start, save, today, write_or_check
from _tables import table

RESULT = RESULTS / "padding.json"
PARTS = Path(__file__).parent.parent / "docs" / "results"
LENGTHS = (400, 100)
PADDINGS = ("pre", "post")
MASKS = (False, True)
SEEDS = (0, 1, 2)
SHOWN_EPOCHS = (1, 2, 3, 5, 10)
EPOCHS, BATCH, RATE = 10, 64, 1e-3


def trained(data: Any, padding: str, masked: bool, seed: int) -> dict[str, Any]:
    """The accuracies of one model after the last epoch, and those of validation by epoch."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(data.train.x.shape[1:], dtype="int32"),
            kit.Embedding(500, 16, mask_zero=masked),
            kit.LSTM(8),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    speed = {"steps_per_execution": 16} if keras.config.backend() == "jax" else {}
    optimizer = keras.optimizers.RMSprop(RATE)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], **speed)
    history = model.fit(
        *data.train,
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=tuple(data.validation),
        validation_batch_size=1000,
        verbose=0,
    )
    _, accuracy = model.evaluate(*data.test, batch_size=1000, verbose=0)
    return {
        "accuracy": float(accuracy),
        "val_accuracy": [float(value) for value in history.history["val_accuracy"]],
        "padded_reviews": float((data.train.x == 0).any(axis=1).mean()),
        "padded_steps": float((data.train.x == 0).mean()),
    }


def key_of(length: int, padding: str, masked: bool, seed: int) -> str:
    """The key of a cell in the results."""
    return f"{length} {padding} {'mask' if masked else 'no mask'} seed {seed}"


def measure(path: Path) -> None:
    """Trains the cells that are not there yet, and saves each."""
    import keras

    import keras_rnnkit as kit

    report = load_or_start(RESULT, keras.config.backend())
    report |= {"epochs": EPOCHS, "batch": BATCH, "rate": RATE}
    for length, seed, padding, masked in product(LENGTHS, SEEDS, PADDINGS, MASKS):
        key = key_of(length, padding, masked, seed)
        if key in report["cells"]:
            continue
        data = kit.data.load_imdb(path=path, maxlen=length, padding=padding)
        report["cells"][key] = {**trained(data, padding, masked, seed), "date": today()}
        save(RESULT, report)
        print(key, f"{report['cells'][key]['accuracy']:.4f}", flush=True)


ENGLISH = {
    "head": ["reviews of {} words", "no mask", "mask"],
    "pre": "padded on the left",
    "post": "padded on the right",
    "note": "{:.0f} % of the reviews are padded",
    "epochs": "reviews of {} words, validation after epoch",
}
KOREAN = {
    "head": ["리뷰 길이 {}단어", "마스크 없음", "마스크 있음"],
    "pre": "왼쪽 패딩",
    "post": "오른쪽 패딩",
    "note": "리뷰의 {:.0f} %에 패딩이 있음",
    "epochs": "리뷰 길이 {}단어, 에포크별 검증 정확도",
}


def part(cells: dict[str, Any], text: dict[str, Any]) -> str:
    """The page part in one language: test accuracies by length, and those of validation."""
    tables = [*(_table(cells, length, text) for length in LENGTHS), _by_epoch(cells, text)]
    return "\n\n".join(tables) + "\n"


def _by_epoch(cells: dict[str, Any], text: dict[str, Any]) -> str:
    """The mean validation accuracy of the seeds after some epochs, of the longest reviews."""
    head = [text["epochs"].format(LENGTHS[0]), *map(str, SHOWN_EPOCHS)]
    rows = []
    for side, masked in product(PADDINGS, MASKS):
        keys = [key_of(LENGTHS[0], side, masked, seed) for seed in SEEDS]
        means = [
            mean(cells[key]["val_accuracy"][epoch - 1] for key in keys) for epoch in SHOWN_EPOCHS
        ]
        name = f"{text[side]}, {text['head'][1 + masked]}"
        rows.append([name, *(f"{100 * value:.1f} %" for value in means)])
    return table(head, rows)


def _table(cells: dict[str, Any], length: int, text: dict[str, Any]) -> str:
    padded = cells[key_of(length, "pre", False, SEEDS[0])]["padded_reviews"]
    first, *others = text["head"]
    head = [f"{first.format(length)} ({text['note'].format(100 * padded)})", *others]
    rows = [
        [text[side], *(_text(cells, length, side, mask) for mask in MASKS)] for side in PADDINGS
    ]
    return table(head, rows)


def _text(cells: dict[str, Any], length: int, padding: str, masked: bool) -> str:
    """The mean of the seeds, and in brackets each of them."""
    found = [100 * cells[key_of(length, padding, masked, seed)]["accuracy"] for seed in SEEDS]
    return f"**{mean(found):.1f} %** ({', '.join(f'{one:.1f}' for one in found)})"


def parts(report: dict[str, Any]) -> dict[Path, str]:
    """The page parts by file."""
    languages = {"en": ENGLISH, "ko": KOREAN}
    return {
        PARTS / f"padding.{code}.md": part(report["cells"], text)
        for code, text in languages.items()
    }


def main() -> None:
    """Measures, or checks the page parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; without it, only the page parts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if arguments.data is not None and not arguments.check:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        measure(arguments.data)
    write_or_check(parts(load(RESULT)), arguments.check)


if __name__ == "__main__":
    main()
