"""What a recurrent module of `torch.nn` is built from, and the parameters that it then has."""

from typing import NamedTuple

from keras_rnnkit.interop.gate_blocks import gate_count

# The kinds by the name that torch.nn gives them in `module.mode`, in lower case, with the
# activation of the candidate.
KINDS = {
    "lstm": ("lstm", "tanh"),
    "gru": ("gru", "tanh"),
    "rnn_tanh": ("simple_rnn", "tanh"),
    "rnn_relu": ("simple_rnn", "relu"),
}
MODULES = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "RNN"}


class Form(NamedTuple):
    """What a recurrent module of `torch.nn` is built from.

    `kind` is `"lstm"`, `"gru"` or `"simple_rnn"`, and `projection` is 0 without one. `dropout` is
    the rate between the layers.
    """

    kind: str
    features: int
    units: int
    layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    projection: int = 0
    activation: str = "tanh"
    dropout: float = 0.0

    @property
    def width(self) -> int:
        """The width of the hidden state of one direction."""
        return self.projection or self.units

    @property
    def endings(self) -> list[list[str]]:
        """The endings of the parameters, for each layer one for each direction."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [[f"_l{i}{direction}" for direction in directions] for i in range(self.layers)]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter, by its name."""
        rows = gate_count(self.kind) * self.units
        shapes: dict[str, tuple[int, ...]] = {}
        columns = self.features
        for endings in self.endings:
            for ending in endings:
                shapes[f"weight_ih{ending}"] = (rows, columns)
                shapes[f"weight_hh{ending}"] = (rows, self.width)
                if self.bias:
                    shapes[f"bias_ih{ending}"] = shapes[f"bias_hh{ending}"] = (rows,)
                if self.projection:
                    shapes[f"weight_hr{ending}"] = (self.projection, self.units)
            columns = len(endings) * self.width
        return shapes
