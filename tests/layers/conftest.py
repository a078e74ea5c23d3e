"""Fixtures of the tests of layers."""

import keras
import pytest


@pytest.fixture
def on_device():
    """PyTorch's tensors are made where Keras makes them: on a GPU, where there is one."""
    import torch

    with torch.device(keras.ops.zeros(1).device):
        yield
