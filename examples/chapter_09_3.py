"""The four models of the textbook chapter "LSTM and GRU cells" on the IMDB reviews.

An LSTM, an LSTM with dropout, two LSTM layers and a GRU, each trained to early stopping and put
beside the figures the chapter published (`chapter_09_3.json`). Writes `results.json` and
`curves.png` to `--out`; started again with the same `--out`, it goes on with the missing runs.

    python examples/chapter_09_3.py
    python examples/chapter_09_3.py --data imdb.npz --models lstm gru --seeds 0 1 2
"""

import argparse
import json
import os
import platform
import time
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_rnnkit as kit  # noqa: E402

PUBLISHED = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))["models"]
MODELS = tuple(PUBLISHED)

# What makes training faster without changing what is trained: several steps in one go, which
# PyTorch does not have, and XLA for the whole model, which Keras leaves off on TensorFlow (where
# it draws other dropout masks); and larger batches where nothing is trained.
VALIDATION_BATCH = 1000
FASTER = {
    "jax": {"steps_per_execution": 16},
    "tensorflow": {"steps_per_execution": 16, "jit_compile": True},
    "torch": {},
}


def layers_of(name: str, stacked: bool = False) -> list[Any]:
    """The recurrent layers of one of the chapter's models."""
    if name == "lstm":
        return [kit.LSTM(8, name="lstm")]
    if name == "lstm_dropout":
        return [kit.LSTM(8, dropout=0.3, name="lstm")]
    if name == "lstm_two_layers" and stacked:
        return [kit.StackedRNN([8, 8], dropout=0.3, name="lstm_stack")]
    if name == "lstm_two_layers":
        return [
            kit.LSTM(8, dropout=0.3, return_sequences=True, name="lstm_1"),
            kit.LSTM(8, dropout=0.3, name="lstm_2"),
        ]
    return [kit.GRU(8, name="gru")]


def build_model(name: str, seed: int, stacked: bool = False) -> keras.Model:
    """One of the chapter's models, compiled."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((100,), dtype="int32"),
            kit.Embedding(500, 16, name="embedding"),
            *layers_of(name, stacked),
            keras.layers.Dense(1, activation="sigmoid", name="dense"),
        ],
        name=name,
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=1e-4),
        loss="binary_crossentropy",
        metrics=["accuracy"],
        **FASTER[keras.config.backend()],
    )
    return model


class Reshuffled(keras.utils.PyDataset):
    """Batches of arrays, in a new order every epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.generator = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self) -> None:
        self.order = self.generator.permutation(len(self.x))


def training_data(part: kit.data.Split, seed: int) -> dict:
    """What `fit` trains on, reshuffled every epoch, as the chapter's was.

    With a seed set, Keras 3.15 on TensorFlow puts arrays in the same order in every epoch, which
    changes the course of the training; there the batches come from `Reshuffled`.
    """
    if keras.config.backend() == "tensorflow":
        return {"x": Reshuffled(part.x, part.y, 64, seed), "shuffle": False}
    return {"x": part.x, "y": part.y, "batch_size": 64}


def version(backend: str) -> str:
    """The version of the backend that is installed, under whichever name."""
    names = (backend, f"{backend}-cpu")
    installed = {d.name.replace("_", "-"): d.version for d in metadata.distributions()}
    return next((installed[name] for name in names if name in installed), "unknown")


def environment() -> dict[str, Any]:
    """What the results were made with, and where."""
    backend = keras.config.backend()
    return {
        "versions": {
            "keras_rnnkit": kit.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            backend: version(backend),
            "python": platform.python_version(),
        },
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
    }


def run_model(
    name: str, seed: int, data: kit.data.ImdbData, epochs: int, out: Path, stacked: bool = False
) -> dict:
    """Train one model to early stopping, and return its row of `results.json`."""
    model = build_model(name, seed, stacked)
    callbacks = kit.callbacks.chapter(out / f"best_{name}_seed{seed}.keras", overwrite=True)
    start = time.perf_counter()
    history = model.fit(
        **training_data(data.train, seed),
        epochs=epochs,
        validation_data=(data.validation.x, data.validation.y),
        callbacks=callbacks,
        validation_batch_size=VALIDATION_BATCH,
        verbose=2,
    ).history
    seconds = time.perf_counter() - start
    test_loss, test_accuracy = model.evaluate(
        data.test.x, data.test.y, batch_size=VALIDATION_BATCH, verbose=0
    )
    best, epochs_run = int(np.argmin(history["val_loss"])), len(history["val_loss"])
    steps = epochs_run * -(-len(data.train.x) // 64)
    return {
        "model": name,
        "seed": seed,
        "params": {layer.name: layer.count_params() for layer in model.layers},
        "total_params": model.count_params(),
        "epochs_run": epochs_run,
        "best_epoch": best + 1,
        "val_loss": history["val_loss"][best],
        "val_accuracy": history["val_accuracy"][best],
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        "seconds": seconds,
        "ms_per_step": 1000 * seconds / steps,
        "history": history,
    }


def time_epochs(name: str, data: kit.data.ImdbData, epochs: int) -> list[float]:
    """Seconds of each epoch of a model's training, with its validation, but for the first."""
    model, ends = build_model(name, 0), []
    model.fit(
        **training_data(data.train, 0),
        epochs=epochs + 1,
        validation_data=(data.validation.x, data.validation.y),
        validation_batch_size=VALIDATION_BATCH,
        callbacks=keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: ends.append(time.perf_counter())
        ),
        verbose=0,
    )
    return np.diff(ends).tolist()


def open_results(path: Path, settings: dict) -> dict:
    """The results so far, or an empty record; refuses results of other settings or backends."""
    fresh = {"backend": keras.config.backend(), "settings": settings, **environment(), "runs": []}
    if not path.exists():
        return fresh
    results = json.loads(path.read_text(encoding="utf-8"))
    for key in ("backend", "settings"):
        if results.get(key) != fresh[key]:
            raise SystemExit(
                f"{path} holds results with {key} = {results.get(key)}, but this run has "
                f"{fresh[key]}. Give another --out."
            )
    return results


def save_results(path: Path, results: dict) -> None:
    """Write the results in one go, so that an interruption leaves the old or the new file."""
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(results, indent=1), encoding="utf-8")
    partial.replace(path)


def table(runs: list[dict]) -> str:
    """The runs beside the chapter's figures, which stand in brackets."""
    head = ("model", "seed", "parameters", "val loss", "val accuracy", "best epoch", "epochs run")
    rows = [(*head, "test accuracy", "seconds")]
    for run in runs:
        chapter = PUBLISHED[run["model"]]
        rows.append(
            (
                run["model"],
                str(run["seed"]),
                f"{run['total_params']:,} ({chapter['total_params']:,})",
                f"{run['val_loss']:.4f} ({chapter['val_loss']:.4f})",
                f"{run['val_accuracy']:.4f} ({chapter['val_accuracy']:.4f})",
                f"{run['best_epoch']} ({chapter['best_epoch']})",
                f"{run['epochs_run']} ({chapter['epochs_run']})",
                f"{run['test_accuracy']:.4f}",
                f"{run['seconds']:.0f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def draw_curves(runs: list[dict], path: Path) -> None:
    """The losses of each model's first seed, the chapter's dashed beside them."""
    first = {run["model"]: run["history"] for run in reversed(runs)}
    names = [name for name in MODELS if name in first]
    kit.plots.history(
        {name: first[name] for name in names},
        published={name: PUBLISHED[name]["history"] for name in names},
        path=path,
        overwrite=True,
    )


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; downloaded by Keras if not given")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=100, help="at most; early stopping ends it")
    parser.add_argument("--limit", type=int, help="use only so many reviews of each part")
    parser.add_argument(
        "--stacked", action="store_true", help="the two layers as one `kit.StackedRNN`"
    )
    parser.add_argument("--out", type=Path, default=Path("chapter_09_3_out"))
    return parser.parse_args(arguments)


def load_data(path: Path | None, limit: int | None) -> kit.data.ImdbData:
    data = kit.data.load_imdb(path=path)
    if limit is None:
        return data
    return type(data)(*(type(part)(part.x[:limit], part.y[:limit]) for part in data))


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    data = load_data(options.data, options.limit)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "results.json"
    reviews = zlib.crc32(data.train.x.tobytes())  # so that a resumed run has the same data
    settings = {"epochs": options.epochs, "limit": options.limit, "reviews": reviews}
    settings |= {"stacked": True} if options.stacked else {}
    results = open_results(path, settings)
    wanted = [(name, seed) for seed in options.seeds for name in options.models]
    for number, (name, seed) in enumerate(wanted, start=1):
        if any((run["model"], run["seed"]) == (name, seed) for run in results["runs"]):
            print(f"[{number}/{len(wanted)}] {name}, seed {seed}: finished before, kept")
            continue
        print(f"[{number}/{len(wanted)}] {name}, seed {seed}, on {results['backend']}", flush=True)
        run = run_model(name, seed, data, options.epochs, options.out, options.stacked)
        results["runs"].append(run)
        save_results(path, results)
    draw_curves(results["runs"], options.out / "curves.png")
    print(f"\nOurs (the chapter's) on {results['backend']}:\n\n{table(results['runs'])}")
    print(f"\nWritten: {path}, {options.out / 'curves.png'}")


if __name__ == "__main__":
    main()
