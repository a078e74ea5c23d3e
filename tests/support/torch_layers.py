"""What the tests of PyTorch's own LSTM and GRU share: sizes, masks and the tolerance."""

import numpy as np

from tests.support.backends import on_torch_gpu

FEATURES, TIME, BATCH, UNITS = 3, 6, 4, 5

MASKS = {
    "none": None,
    "post": np.arange(TIME) < np.array([[6], [3], [1], [4]]),
    "pre": np.arange(TIME) >= np.array([[0], [3], [5], [2]]),
    "any": np.array([[1, 1, 0, 1, 1, 1], [0] * 6, [0, 0, 1, 1, 0, 0], [1] * 6], bool),
}

# On a GPU, cuDNN's float32 differs from float64 by up to 4e-6 in the outputs of LSTM and GRU, and
# by up to 2e-5 in gradients (of one, if they are that large), even without TF32.
FLOAT32 = 4e-5 if on_torch_gpu() else 2e-6
