"""The tables of the performance page, in Markdown, made of a backend's results."""

from collections.abc import Callable
from itertools import product
from typing import Any

from _grid import LAYERS, MODES, SHAPES, VARIANTS, cell_key, floor_ms

LIBRARIES = {"kit": "kit", "keras": "`keras.layers`", "torch_nn": "`torch.nn`"}
MODE_NAMES = {"train": "training", "predict": "prediction"}
NAMES = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}
SLOWER = 0.95
NOTHING = "-"

Cells = dict[str, dict[str, Any]]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row_name(layer: str, variant: str) -> str:
    """What a layer and its variant are called."""
    return f"{layer}, {variant.replace('_', ' ')}"


def by_shape(cells: Cells, text: Callable[[dict], str]) -> str:
    """A column for each shape, with what `text` makes of the figures there; "" if it is nothing."""
    head = ["", *(f"{name} {tuple(shape)}" for name, shape in SHAPES.items())]
    rows = []
    for layer, variant in product(LAYERS, VARIANTS):
        texts = [text(cells.get(cell_key(layer, shape, variant), {})) for shape in SHAPES]
        if any(texts):
            rows.append([row_name(layer, variant), *(found or NOTHING for found in texts)])
    return table(head, rows) if rows else ""


def ratios(cells: Cells, library: str) -> str:
    """What a library takes for each millisecond of the kit's, in training and prediction."""

    def one(figures: dict, mode: str) -> str:
        ratio = figures.get(mode, {}).get(f"{library}_over_kit")
        if ratio is None:
            return ""
        return f"{ratio['median']:.2f} ±{(ratio['q3'] - ratio['q1']) / 2:.2f}"

    def both(figures: dict) -> str:
        texts = [one(figures, mode) for mode in MODES]
        return " / ".join(found or NOTHING for found in texts) if any(texts) else ""

    return by_shape(cells, both)


def memory(cells: Cells) -> str:
    """The peaks of a step, the kit's and Keras', and in brackets those of the whole training."""

    def text(figures: dict) -> str:
        if not figures:
            return ""
        step, whole = (
            " / ".join(f"{figures[library][what]:.0f}" for library in ("kit", "keras"))
            for what in ("step_mib", "whole_mib")
        )
        return f"{step} ({whole})"

    return by_shape(cells, text)


def kept(figures: dict, before: dict) -> str:
    """Keras' time by the kit's, and the kit's time in another run by that in this one."""

    def one(mode: str) -> str:
        now, earlier = _median(figures, mode, "kit"), _median(before, mode, "kit")
        if now is None:
            return NOTHING
        ratio = f"{figures[mode]['keras_over_kit']['median']:.2f}"
        return f"{ratio} ({earlier / now:.2f})" if earlier is not None else ratio

    return " / ".join(map(one, MODES)) if figures else NOTHING


def milliseconds(cells: Cells, gflops: float) -> str:
    """The plain rows in milliseconds, and how many floors that is."""
    libraries = {
        p: n for p, n in LIBRARIES.items() if any(_median(c, "train", p) for c in cells.values())
    }
    rows = []
    for layer, shape, mode in product(LAYERS, SHAPES, MODES):
        figures = cells.get(cell_key(layer, shape, "plain"), {})
        floor = floor_ms(layer, shape, "plain", mode, gflops)
        medians = [_median(figures, mode, library) for library in libraries]
        if any(medians):
            texts = [f"{_number(ms)} ({_number(ms / floor)})" if ms else NOTHING for ms in medians]
            rows.append([f"{layer}, {shape}, {MODE_NAMES[mode]}", _number(floor), *texts])
    return table(["", "GEMM floor", *libraries.values()], rows) if rows else ""


def _median(figures: dict, mode: str, library: str) -> float | None:
    return figures.get(mode, {}).get("median_ms", {}).get(library)


def _number(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def slower(cells: Cells) -> str:
    """The rows that are slower than Keras', a line for each."""
    lines = []
    for layer, variant, shape, mode in product(LAYERS, VARIANTS, SHAPES, MODES):
        figure = cells.get(cell_key(layer, shape, variant), {}).get(mode)
        if figure and figure["keras_over_kit"]["median"] < SLOWER:
            ratio = figure["keras_over_kit"]["median"]
            lines.append(f"- {row_name(layer, variant)}, {shape}, {MODE_NAMES[mode]}: {ratio:.2f}")
    return "\n".join(lines)
