"""The peak memory of training, of one library in a process of its own (Linux with glibc).

    python benchmarks/_memory.py LIBRARY LAYER SHAPE VARIANT

Prints the figures as JSON. `memory.py` runs this for the kit and for Keras.
"""

import ctypes
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCHES = 2
RUNS = 3  # after the first


def peak_mib() -> float:
    """The most memory that this process has had, in MiB.

    Not `ru_maxrss`: a child starts that from what its parent had.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kib) / 1024


def forget_peak() -> None:
    """Gives free memory back, and has the peak start again from what is left."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib_on_gpu() -> float:
    """The most memory that PyTorch's tensors have had on the GPU, in MiB."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**20


def forget_peak_on_gpu() -> None:
    """Has the peak on the GPU start again from what there is now."""
    import torch

    torch.cuda.reset_peak_memory_stats()


def planned_mib(model: Any, x: Any, y: Any, loss_of: Callable[[Any, Any], Any]) -> float:
    """What XLA on JAX sets aside for the gradients of a batch, beside arguments and results.

    Args:
        model: A built model.
        x: Its inputs.
        y: The targets.
        loss_of: The loss of targets and outputs.
    """
    import jax

    def loss(weights: Any, others: Any, x: Any, y: Any) -> tuple[Any, Any]:
        output, others = model.stateless_call(weights, others, x, training=True)
        return loss_of(y, output), others

    weights, others = (
        [variable.value for variable in some]
        for some in (model.trainable_variables, model.non_trainable_variables)
    )
    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    program = step.lower(weights, others, x, y).compile()
    return program.memory_analysis().temp_size_in_bytes / 2**20


def _crossentropy(y: Any, output: Any) -> Any:
    from keras import losses, ops

    return ops.mean(losses.binary_crossentropy(ops.reshape(y, output.shape), output))


def main(library: str, layer: str, shape: str, variant: str) -> None:
    """Trains a little, and prints by how much the peaks rise.

    `step_mib`: above what the process keeps between steps, the median of some runs; on JAX, whose
    steps find the memory of the last one, what XLA plans. `whole_mib`: above what model and data
    took before the first step, so with the code that a library loads or compiles, and with all that
    it keeps.
    """
    import keras
    from _grid import SHAPES
    from _models import build, data

    model = build(library, layer, shape, variant)
    x, y = data(shape, variant, BATCHES)

    def train() -> tuple[float, float]:
        forget_peak()
        before = peak_mib()
        model.fit(x, y, batch_size=SHAPES[shape].batch, shuffle=False, verbose=0)
        return before, peak_mib()

    runs = [train() for _ in range(1 + RUNS)]
    step = statistics.median(peak - before for before, peak in runs[1:])
    if keras.config.backend() == "jax":
        batch = SHAPES[shape].batch
        step = planned_mib(model, x[:batch], y[:batch], _crossentropy)
    whole = max(peak for _, peak in runs) - runs[0][0]
    print(json.dumps({"step_mib": round(step, 1), "whole_mib": round(whole, 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
