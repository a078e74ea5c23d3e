"""What `layers.py` measures: the names of the grid, and the least work that a row can take."""

from typing import NamedTuple


class Shape(NamedTuple):
    """The size of a row's sequences and layers."""

    batch: int
    time: int
    features: int
    units: int


SHAPES = {
    "chapter": Shape(64, 100, 16, 8),
    "128": Shape(64, 100, 128, 128),
    "512": Shape(32, 200, 256, 512),
}
GATES = {"LSTM": 4, "GRU": 3}
LAYERS = tuple(GATES)
VARIANTS = (
    "plain",
    "masked_post",
    "masked_pre",
    "dropout",
    "recurrent_dropout",
    "return_sequences",
    "bidirectional",
    "two_layers",
)
# What `torch.nn` has too.
TORCH_VARIANTS = ("plain", "dropout", "return_sequences", "bidirectional", "two_layers")
MODES = ("train", "predict")


def cell_key(layer: str, shape: str, variant: str) -> str:
    """The name of a cell of the grid in a file of results."""
    return f"{layer}/{shape}/{variant}"


def gemm_flops(layer: str, shape: str, variant: str, mode: str) -> int:
    """The floating-point operations of all matrix products of one step of `fit` or `predict`.

    Training counts three times the forward pass: the products themselves, the gradients of the
    weights, and those of inputs and states. A mask or a dropout leaves none of them out here.
    """
    batch, time, features, units = SHAPES[shape]
    weights = GATES[layer] * units * (features + units)
    if variant == "bidirectional":
        weights *= 2
    if variant == "two_layers":
        weights += GATES[layer] * units * (units + units)
    return (3 if mode == "train" else 1) * 2 * batch * time * weights


def floor_ms(layer: str, shape: str, variant: str, mode: str, gflops: float) -> float:
    """The milliseconds of a step's matrix products at a rate."""
    return gemm_flops(layer, shape, variant, mode) / (gflops * 1e6)
