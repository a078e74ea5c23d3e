"""The rows of the methods table, and the files that hold them."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from _grid import LAYERS, MODES

VARIANTS = ("plain", "masked_post", "gates", "recurrent_dropout")
STEPS = 100
# units: (features, batches)
SIZES = {
    8: (16, (1, 64, 256)),
    32: (32, (1, 64, 256)),
    128: (128, (1, 64, 256)),
    512: (128, (1, 64)),
}
# Nothing is dropped in prediction. In training, few methods serve: one batch size is enough.
DROPPED, DROPPED_BATCH = "recurrent_dropout", 64
METHODS = {
    "jax": ("concatenated", "fused gates", "per gate", "hoisted"),
    "tensorflow": ("concatenated", "fused gates", "per gate", "hoisted"),
    "torch": ("native", "preallocated", "hoisted"),
}
COMPARED = ("methods", "backward pass")
BACKWARD = ("whole sequence", "chunked")
# The widths from which a backend can chunk the backward pass of the method that the rule takes.
BACKWARD_FROM_UNITS = {"jax": 32, "tensorflow": 128}


class Row(NamedTuple):
    """The shape of one comparison."""

    layer: str
    variant: str
    units: int
    features: int
    batch: int
    mode: str
    compared: str = "methods"  # or "backward pass"


def all_rows(backend: str) -> Iterator[Row]:
    """The rows of the whole table, those of one model beside each other."""
    for units, (features, batches) in SIZES.items():
        for batch, layer, variant, mode in product(batches, LAYERS, VARIANTS, MODES):
            if variant != DROPPED or (batch, mode) == (DROPPED_BATCH, "train"):
                yield Row(layer, variant, units, features, batch, mode)
    if backend == "torch":
        return
    for units, (features, batches) in SIZES.items():
        for batch, layer in product(batches, LAYERS):
            if units >= BACKWARD_FROM_UNITS[backend] and batch > 1:
                yield Row(layer, "plain", units, features, batch, "train", "backward pass")


def methods_of(backend: str, row: Row) -> list[str]:
    """What is compared in a row."""
    if row.compared == "backward pass":
        return list(BACKWARD)
    methods = [method for method in METHODS[backend] if _serves(method, row.variant)]
    # Where nothing trains, JAX can also compile the plain loop over the cell.
    return [*methods, "portable"] if (backend, row.mode) == ("jax", "predict") else methods


def _serves(method: str, variant: str) -> bool:
    """Whether a method can do what the variant asks for."""
    if variant == DROPPED:
        return method in ("per gate", "hoisted", "preallocated")
    return (method, variant) != ("native", "gates")


def rows_of(report: dict[str, Any]) -> dict[Row, dict[str, Any]]:
    """The measured rows of a file."""
    return {Row(*(entry[name] for name in Row._fields)): entry for entry in report["rows"]}


def save_rows(path: Path, report: dict[str, Any]) -> None:
    """Writes a file with one row on a line, whole, so that a run that is cut off loses nothing."""
    head = json.dumps({**report, "rows": []}, indent=1)
    lines = ",\n  ".join(json.dumps(row) for row in report["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(head.replace('"rows": []', f'"rows": [\n  {lines}\n ]') + "\n")
    draft.replace(path)
