"""The rows that `gpu.py` measures, in a process of each backend."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
from _gpu_grid import Row, rows_of
from _grid import MODES, SHAPES, TORCH_VARIANTS
from _measure import FEWEST, RUNS, summarise, take_turns
from _models import build, data
from _results import environment, load, save, today

import keras_rnnkit as kit

ROUNDS, SECONDS = 3, 0.4  # of a mode of a row
MOST_BATCHES, MOST_BYTES = 64, 2**28  # of the data of a row


def measure_rows(backend: str, path: Path, tiny: bool, seconds: float) -> None:
    """Measure row by row, print each and save it, until so many seconds are over.

    A row that fails is saved with its error, and the next one is measured.
    """
    end = time.monotonic() + seconds
    report = _report(path, backend)
    for row in rows_of(backend, tiny):
        if time.monotonic() > end:
            print("the time is over: rows are missing", flush=True)
            return
        figures: dict[str, Any] = {"date": today()}
        try:
            figures |= _measure(row, *((1, 0.0) if tiny else (ROUNDS, SECONDS)))
        except (ArithmeticError, AssertionError, RuntimeError, ValueError) as error:
            figures["error"] = f"{type(error).__name__}: {error}"[:500]
        report["cells"][row.key] = figures
        save(path, report)
        print(f"{backend:6} {row.key:36} {_line(figures)}", flush=True)
        keras.utils.clear_session()


def _report(path: Path, backend: str) -> dict[str, Any]:
    """The file to add rows to; a new one where that of before is from another environment."""
    here = environment(backend)
    if path.exists():
        report = load(path)
        if all(report.get(name) == value for name, value in here.items()):
            return report
    return {**here, "cells": {}}


def _measure(row: Row, rounds: int, seconds: float) -> dict[str, Any]:
    """The times of the models of a row, in prediction and in training."""
    models = dict(_models(row))
    batch, time_, features, _ = SHAPES[row.shape]
    most = min(MOST_BATCHES, MOST_BYTES // (4 * batch * time_ * features))
    variant = "plain" if row.variant in ("gates", "long") else row.variant

    def measured(mode: str) -> dict[str, Any]:
        run, fewest = RUNS[mode], FEWEST[mode]

        def ways(batches: int) -> dict[str, Callable[[], float]]:
            rows = data(row.shape, variant, min(batches, max(most, fewest)))
            return {name: lambda m=model: run(m, rows, batch) for name, model in models.items()}

        return summarise(*take_turns(ways, fewest, rounds, seconds))

    return {mode: measured(mode) for mode in sorted(MODES)}


def _models(row: Row) -> Iterator[tuple[str, keras.Model]]:
    """The models that take turns: the kit's first, those with equal weights where they can be."""
    if row.variant == "gates":
        yield "kit", _with_gates(row)
        yield "kit_plain", build("kit", row.layer, row.shape, "plain")
        yield "keras", build("keras", row.layer, row.shape, "plain")
        return
    if row.variant == "long":
        yield "kit", build("kit", row.layer, row.shape, "plain")
        yield "kit_GRU", build("kit", "GRU", row.shape, "plain")
        yield "keras", build("keras", "GRU", row.shape, "plain")
        return
    libraries = ["kit", "keras"]
    if keras.config.backend() == "torch" and row.variant in TORCH_VARIANTS:
        libraries.append("torch_nn")
    for library in libraries:
        yield library, build(library, row.layer, row.shape, row.variant)


def _with_gates(row: Row) -> keras.Model:
    """A model whose output depends on every gate: the mean over time of each is an input of it."""
    _, time, features, units = SHAPES[row.shape]
    inputs = keras.Input((time, features))
    output, trace = getattr(kit, row.layer)(units, return_gates=True)(inputs)
    means = [keras.ops.mean(values, axis=1) for values in trace[:-1]]
    merged = keras.ops.concatenate([output, *means], axis=-1)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(merged))
    model.compile("adam", "binary_crossentropy")
    return model


def _line(figures: dict[str, Any]) -> str:
    """One line about a row: the kit's milliseconds a step, and how many times that others take."""
    if "error" in figures:
        return figures["error"].splitlines()[0]
    parts = []
    for mode in MODES:
        others = [name for name in figures[mode]["median_ms"] if name != "kit"]
        ratios = [f"{name} x{figures[mode][f'{name}_over_kit']['median']:.2f}" for name in others]
        kit_ms = figures[mode]["median_ms"]["kit"]
        parts.append(f"{mode} {kit_ms:.4g} ms, {', '.join(ratios)}")
    return " | ".join(parts)
