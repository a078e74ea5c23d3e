"""Sequences of many lengths for `Bucketed`."""

import numpy as np


def sequences(count=103, seed=0, longest=60, least=1):
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.geometric(0.06, count) + least - 1, longest)
    return [rng.integers(1, 50, length) for length in lengths]


def unpadded(batch, value=0):
    return [row[row != value].tolist() for row in batch]
