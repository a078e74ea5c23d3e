"""The models that `recompute.py` measures, and the peak memory of one of them in its own process.

    python benchmarks/_long.py LAYER OUTPUT RECOMPUTE

Prints the memory of a training step as JSON: that of the GPU on which PyTorch or JAX runs, or of
the process (Linux with glibc).
"""

import json
import statistics
import sys
from typing import Any

from _memory import forget_peak, forget_peak_on_gpu, peak_mib, peak_mib_on_gpu, planned_mib

STEPS, UNITS, BATCH, FEATURES = 10_000, 128, 8, 16
LAYERS = ("LSTM", "GRU", "MinLSTM")
OUTPUTS = ("last", "sequences")
RUNS = 3  # after the first


def build(layer: str, output: str, recompute: bool) -> Any:
    """A compiled model: the layer, and a linear unit on its last output or on that of each step."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(0)
    options = {"return_sequences": output == "sequences", "recompute": recompute}
    recurrent = getattr(kit, layer)(UNITS, **options)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), recurrent, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def data(output: str, batches: int) -> tuple[Any, Any]:
    """The sequences and targets of some batches."""
    import numpy as np

    x = np.random.default_rng(0).standard_normal((BATCH * batches, STEPS, FEATURES), "float32")
    y = x[..., :1].cumsum(axis=1) / 100
    return x, y if output == "sequences" else y[:, -1]


def step_mib(layer: str, output: str, recompute: bool) -> float:
    """The peak of a training step above what the process has between steps, data included.

    The median of some steps. On JAX, whose steps find the memory of the last one, what XLA plans
    for the gradients beside arguments and results.
    """
    import keras

    model, rows = build(layer, output, recompute), data(output, 1)
    if keras.config.backend() == "jax":
        return planned_mib(model, *rows, lambda y, output: keras.ops.mean((output - y) ** 2))
    forget, peak = forget_peak, peak_mib
    if _on_gpu():
        forget, peak = forget_peak_on_gpu, peak_mib_on_gpu

    def train() -> float:
        forget()
        before = peak()
        model.fit(*rows, batch_size=BATCH, verbose=0)
        return peak() - before

    train()
    return statistics.median(train() for _ in range(RUNS))


def _on_gpu() -> bool:
    from keras_rnnkit.kernels import backend_kernels

    return backend_kernels().on_gpu(None)


if __name__ == "__main__":
    print(json.dumps(round(step_mib(sys.argv[1], sys.argv[2], sys.argv[3] == "True"), 1)))
