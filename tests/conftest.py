"""What every test starts from."""

import keras
import pytest


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and data in every run, so that a test that passes goes on passing."""
    keras.utils.set_random_seed(0)
