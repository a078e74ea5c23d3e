"""Models of plain `keras.layers`, and files of Keras 2."""

from keras_rnnkit.interop.keras.keras2 import load_keras2
from keras_rnnkit.interop.keras.plain_models import to_keras

__all__ = ["load_keras2", "to_keras"]
