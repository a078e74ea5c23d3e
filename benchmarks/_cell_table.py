"""What the page of the cells says of each, beside what `cells.py` measures."""

from typing import NamedTuple


class Words(NamedTuple):
    """What is a cell's own, in LaTeX or words, and where it comes from."""

    equation: str
    paper: str


CELLS = {
    "LSTM": Words(r"c' = f \odot c + i \odot g,\; h' = o \odot \tanh c'", "Hochreiter 1997"),
    "GRU": Words(r"h' = z \odot h + (1 - z) \odot g", "Cho 2014"),
    "SimpleRNN": Words(r"h' = \tanh(x W + h U + b)", "Elman 1990"),
    "CoupledLSTMCell": Words(r"i = 1 - f", "Greff 2015"),
    "PeepholeLSTMCell": Words(r"i = \sigma(\ldots + p_i \odot c)", "Gers 2002"),
    "ProjectedLSTMCell": Words(r"h' = (o \odot \tanh c') W_h", "Sak 2014"),
    "LayerNormLSTMCell": Words(r"c' = N(f \odot c + i \odot g)", "Ba 2016"),
    "LayerNormGRUCell": Words(r"z = \sigma(N(x W) + N(h U))", "Ba 2016"),
    "LayerNormSimpleRNNCell": Words(r"h' = \tanh(N(x W + h U) + b)", "Ba 2016"),
    "NASCell": Words("a tree of eight products, found by search", "Zoph 2017"),
    "ESNCell": Words(r"h' = (1 - a) h + a \tanh(x W + h U)", "Jaeger 2001"),
    "MinLSTM": Words(r"h' = f'(x) \odot h + i'(x) \odot g(x)", "Feng 2024"),
    "MinGRU": Words(r"h' = (1 - z(x)) \odot h + z(x) \odot g(x)", "Feng 2024"),
    "RGLRU": Words(r"h' = a(x) \odot h + \sqrt{1 - a(x)^2} \odot i(x) \odot g(x)", "De 2024"),
}
