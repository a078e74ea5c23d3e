"""Times prediction with the kit's layers against `keras.layers` and onnxruntime.

    python benchmarks/prediction.py --backend jax

The libraries take turns in one process at models of one recurrent layer and a `Dense`, with the
same weights. Four ways of calling a Keras model are timed, each from a NumPy array to a NumPy
array: `predict` on several batches, `predict_on_batch`, a plain call, and the model as a function
of the backend (compiled by `jax.jit` or `tf.function`, or without gradients on PyTorch), which
leaves out the Python of Keras' `predict`. onnxruntime runs an LSTM or a GRU node with these
weights; `pip install onnx onnxruntime` is needed.
"""

import argparse
import functools
import gc
import os
import time
from collections.abc import Callable
from itertools import product
from typing import Any

from _arguments import add_choice
from _grid import LAYERS, SHAPES, Shape
from _results import BACKENDS, load_or_start, results_file, save, today

ROWS = {
    "chapter": SHAPES["chapter"],
    "32": Shape(64, 100, 32, 32),
    **SHAPES,
    "one row": Shape(1, 100, 128, 128),
}
WAYS = ("predict", "predict_on_batch", "call", "function")


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    add_choice(parser, "--layers", LAYERS)
    add_choice(parser, "--shapes", tuple(ROWS))
    add_choice(parser, "--ways", WAYS)
    parser.add_argument("--again", action="store_true", help="measure cells that are there, too")
    parser.add_argument("--rounds", type=int, default=9, help="9")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the rounds of a way; 3")
    return parser.parse_args()


def measure(layer: str, shape: str, ways: list[str], rounds: int, seconds: float) -> dict:
    """The figures of one cell: milliseconds a batch, by way and library."""
    import keras
    import numpy as np
    from _backend_function import backend_function
    from _measure import FEWEST, summarise, take_turns
    from _models import build_models, data
    from _onnxruntime import predictor

    SHAPES.update(ROWS)  # the models and data are looked up there
    models = build_models(layer, shape, "plain")
    functions = {library: backend_function(model) for library, model in models.items()}
    session = predictor(layer, models["kit"])
    x = data(shape, "plain", 1)[0]
    expected = models["kit"].predict_on_batch(x)
    for predict in (session, functions["kit"]):
        np.testing.assert_allclose(predict(x), expected, rtol=1e-3, atol=1e-4)

    batch = ROWS[shape].batch
    figures: dict[str, Any] = {"date": today()}
    for way in ways:

        def runs(batches: int, way: str = way) -> dict[str, Callable[[], float]]:
            x = data(shape, "plain", batches)[0]
            of_models = {
                library: functools.partial(_seconds, way, model, functions[library], x, batch)
                for library, model in models.items()
            }
            session_seconds = functools.partial(each_batch, session, x, batch)
            return {**of_models, "onnxruntime": session_seconds}

        figures[way] = summarise(*take_turns(runs, FEWEST["predict"], rounds, seconds))
    keras.utils.clear_session()
    return figures


def _seconds(way: str, model: Any, function: Callable[[Any], Any], x: Any, batch: int) -> float:
    """The seconds of a batch by one way of calling a model."""
    from _measure import predict_seconds
    from keras import ops

    if way == "predict":
        return predict_seconds(model, (x, None), batch)
    if way == "predict_on_batch":
        return each_batch(model.predict_on_batch, x, batch)
    if way == "function":
        return each_batch(function, x, batch)
    return each_batch(lambda rows: ops.convert_to_numpy(model(rows, training=False)), x, batch)


def each_batch(function: Callable[[Any], Any], x: Any, batch: int) -> float:
    """The mean seconds of a call of a function of arrays, one batch after the other."""
    gc.collect()
    start = time.perf_counter()
    for first in range(0, len(x), batch):
        function(x[first : first + batch])
    return (time.perf_counter() - start) * batch / len(x)


def main() -> None:
    """Measures, prints and saves cell by cell."""
    arguments = parse()
    os.environ["KERAS_BACKEND"] = arguments.backend
    path = results_file("prediction", arguments.backend)
    report = load_or_start(path, arguments.backend)
    for layer, shape in product(arguments.layers, arguments.shapes):
        key = f"{layer}/{shape}"
        known = report["cells"].get(key, {})
        ways = [way for way in arguments.ways if arguments.again or way not in known]
        if not ways:
            continue
        figures = measure(layer, shape, ways, arguments.rounds, arguments.seconds)
        report["cells"][key] = known | figures
        save(path, report)
        for way in ways:
            medians = figures[way]["median_ms"].items()
            times = ", ".join(f"{library} {ms:.4g}" for library, ms in medians)
            ratio = figures[way]["onnxruntime_over_kit"]["median"]
            print(f"{key} {way}: {times} ms; x{1 / ratio:.2f} of onnxruntime's", flush=True)


if __name__ == "__main__":
    main()
