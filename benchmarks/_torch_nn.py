"""PyTorch's own layers, as a layer of a Keras model."""

from typing import Any

import keras
import torch
from _grid import Shape


class LastOrAll(torch.nn.Module):
    """A layer of `torch.nn` that returns what the Keras layer of its variant would."""

    def __init__(self, layer: str, shape: Shape, variant: str, rate: float) -> None:
        super().__init__()
        self.every_step = variant == "return_sequences"
        self.both_ways = variant == "bidirectional"
        self.dropout = torch.nn.Dropout(rate if variant == "dropout" else 0.0)
        self.rnn = getattr(torch.nn, layer)(
            shape.features,
            shape.units,
            num_layers=2 if variant == "two_layers" else 1,
            bidirectional=self.both_ways,
            batch_first=True,
        )

    def forward(self, x: Any) -> Any:
        outputs, state = self.rnn(self.dropout(x))
        if self.every_step:
            return outputs
        hidden = state[0] if isinstance(state, tuple) else state
        return torch.cat([hidden[-2], hidden[-1]], dim=-1) if self.both_ways else hidden[-1]


def torch_layer(layer: str, shape: Shape, variant: str, rate: float) -> keras.layers.Layer:
    """The layer for a Keras model.

    `torch.nn` has no dropout ahead of its first layer, so `torch.nn.Dropout` stands there; it
    draws a mask for every step, where Keras has one for the sequence.
    """
    module = LastOrAll(layer, shape, variant, rate)
    width = shape.units * (2 if module.both_ways else 1)
    steps = (shape.time,) if module.every_step else ()
    return keras.layers.TorchModuleWrapper(module, output_shape=(None, *steps, width))
