"""Presets of plain Keras callbacks for `model.fit(callbacks=...)`."""

from keras_rnnkit.callbacks.presets import chapter, standard

__all__ = ["chapter", "standard"]
