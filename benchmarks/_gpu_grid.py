"""What `gpu.py` measures, the rows that matter most first."""

from itertools import product
from typing import NamedTuple

from _grid import LAYERS, SHAPES, Shape

SHAPES["long"] = Shape(32, 2000, 256, 256)
SHAPES["tiny"] = Shape(2, 4, 3, 5)

_VARIANTS = ("plain", "gates", "masked_post", "bidirectional", "recurrent_dropout")


class Row(NamedTuple):
    """A row of the grid."""

    layer: str
    shape: str
    variant: str

    @property
    def key(self) -> str:
        """Its name in a file of results."""
        return "/".join(self)


def rows_of(backend: str, tiny: bool) -> list[Row]:
    """The rows of a backend in the order in which they are measured.

    JAX compiles each model, so its rows take longer: the widths of each variant come late.
    """
    if tiny:
        names = [("LSTM", "plain"), ("GRU", "gates"), ("LSTM", "masked_post"), ("MinGRU", "long")]
        return [Row(layer, "tiny", variant) for layer, variant in names]
    shapes = ("128", "512", "chapter")
    names = product(shapes, _VARIANTS, LAYERS)
    if backend == "jax":
        names = ((s, v, layer) for v, s, layer in product(_VARIANTS, shapes, LAYERS))
    rows = [Row(layer, shape, variant) for shape, variant, layer in names]
    long = Row("MinGRU", "long", "long")
    return [*rows[:4], long, *rows[4:]]
