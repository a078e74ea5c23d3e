"""What the tests of PyTorch's own LSTM and GRU share: the sizes of a batch, and its masks."""

import numpy as np

FEATURES, TIME, BATCH, UNITS = 3, 6, 4, 5

MASKS = {
    "none": None,
    "post": np.arange(TIME) < np.array([[6], [3], [1], [4]]),
    "pre": np.arange(TIME) >= np.array([[0], [3], [5], [2]]),
    "any": np.array([[1, 1, 0, 1, 1, 1], [0] * 6, [0, 0, 1, 1, 0, 0], [1] * 6], bool),
}
