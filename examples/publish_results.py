"""The chapter's four models with several seeds on each backend, and what the docs show of them.

    python examples/publish_results.py --data imdb.npz   # the seeds of the installed backend
    python examples/publish_results.py --data imdb.npz --time   # the seconds of an epoch
    python examples/publish_results.py --pages           # tables and pictures from the results
    python examples/publish_results.py --check           # fails where these are not up to date

The first trains (five seeds on JAX, three on TensorFlow and PyTorch) and can be cut off and started
again: it goes on with the runs that are missing. The second wants a machine that does nothing else.
Each backend has its own files in `docs/results`; set `KERAS_BACKEND` to choose one. The other two
read these files, and need no backend.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import _published

SEEDS = {"jax": 5, "tensorflow": 3, "torch": 3}


def train(data: Path | None, out: Path, seeds: int | None) -> None:
    """The runs of this backend that are not there yet."""
    import chapter_09_3

    backend = chapter_09_3.keras.config.backend()
    folder = out / backend
    arguments = ["--out", str(folder), "--seeds", *map(str, range(seeds or SEEDS[backend]))]
    chapter_09_3.main([*arguments, *(["--data", str(data)] if data else [])])
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    _published.results_file(backend).parent.mkdir(parents=True, exist_ok=True)
    text = _published.compact(results)
    _published.results_file(backend).write_text(text, encoding="utf-8")


def time_epochs(data: Path | None, epochs: int) -> None:
    """The seconds of this backend's epochs, a few of each model."""
    import chapter_09_3

    reviews = chapter_09_3.load_data(data, None)
    seconds = {
        name: chapter_09_3.time_epochs(name, reviews, epochs) for name in chapter_09_3.MODELS
    }
    file = _published.seconds_file(chapter_09_3.keras.config.backend())
    file.parent.mkdir(parents=True, exist_ok=True)
    report = {**chapter_09_3.environment(), "seconds": seconds}
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_pages() -> None:
    """The tables, and a picture for each model."""
    for path, text in _published.texts().items():
        path.write_text(text, encoding="utf-8")
    _published.draw()


def stale() -> list[str]:
    """The files that are not what the results say."""
    wanted = _published.texts()
    missing = [path for path in _published.pictures() if not path.exists()]
    different = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return sorted(path.name for path in [*missing, *different])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; downloaded by Keras if not given")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="for models and logs")
    parser.add_argument("--seeds", type=int, help="how many; 5 on JAX, 3 on the others")
    parser.add_argument("--time", action="store_true", help="only the seconds of an epoch")
    parser.add_argument("--epochs", type=int, default=7, help="how many to time; 7")
    parser.add_argument("--pages", action="store_true", help="only the tables and pictures")
    parser.add_argument("--check", action="store_true", help="whether those are up to date")
    options = parser.parse_args(arguments)
    if options.check:
        if files := stale():
            sys.exit(f"Run examples/publish_results.py --pages: {', '.join(files)} differ.")
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.time:
        time_epochs(options.data, options.epochs)
    elif not options.pages:
        train(options.data, options.out, options.seeds)
    write_pages()


if __name__ == "__main__":
    main()
