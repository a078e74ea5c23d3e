"""Models of plain `keras.layers`, and files of Keras 2."""

from keras_rnnkit.interop.keras.plain_models import to_keras

__all__ = ["to_keras"]
